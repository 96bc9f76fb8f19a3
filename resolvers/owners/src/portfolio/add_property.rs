use super::{CHANGE, PORTFOLIO_ARCHIVED, ensure_property, touched};
use crate::{prelude::*, property::PROPERTY_ARCHIVED};
use owners::{
    portfolio::{Portfolio, PortfolioId},
    portfolio_property as member,
    property::PropertyId,
};
use schema::quota::PORTFOLIOS_OF_A_PROPERTY;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};

#[input]
pub struct PortfolioAddPropertyInput {
    /// The portfolio.
    pub id: PortfolioId,
    pub property_id: PropertyId,
    /// Its place in the portfolio; 0 if not given.
    #[position]
    pub position: Option<i32>,
}

pub struct AddProperty;

impl Procedure for AddProperty {
    const NAME: &'static str = "portfolio/v1/addProperty";
    const ABOUT: &'static str = "Puts a property into a portfolio, or to another place in it.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[PORTFOLIO_ARCHIVED, PROPERTY_ARCHIVED];
    type Input = PortfolioAddPropertyInput;
    type Output = Portfolio;
    type Subject = Seen<Portfolio>;

    fn example() -> PortfolioAddPropertyInput {
        PortfolioAddPropertyInput { id: PortfolioId::EXAMPLE, property_id: PropertyId::SECOND_EXAMPLE, position: Some(3) }
    }

    async fn subject(cx: &Context, input: &PortfolioAddPropertyInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PortfolioAddPropertyInput) -> Result<Portfolio> {
        let PortfolioAddPropertyInput { id: _, property_id, position } = input;
        let row = cx.edit_any(allowed);
        ensure_in_use(&*row, PORTFOLIO_ARCHIVED)?;
        ensure_property(cx, property_id).await?;
        let (tx, added_at, position) = (cx.tx().await?, cx.now().into(), position.unwrap_or_default());
        let (organization_id, portfolio_id) = (row.organization_id, row.id);
        let there = member::one(organization_id, portfolio_id, property_id).one(tx).await?;
        if there.as_ref().is_none_or(|there| there.removed_at.is_some()) {
            let others = "SELECT FROM portfolio_property WHERE organization_id = $1 AND property_id = $2 AND removed_at IS NULL";
            PORTFOLIOS_OF_A_PROPERTY.ensure_rows(tx, organization_id, others, [property_id.0.into()]).await?;
        }
        match there {
            Some(there) => {
                let came_back = there.removed_at.is_some();
                let mut there = there.into_active_model();
                there.position = Set(position);
                if came_back {
                    there.added_at = Set(added_at);
                    there.removed_at = Set(None);
                }
                there.update(tx).await?;
            }
            None => {
                let there = member::Model { organization_id, portfolio_id, property_id, position, added_at, removed_at: None };
                there.into_active_model().reset_all().insert(tx).await?;
            }
        }
        touched(cx, row, "property_added", property_id).await
    }
}
