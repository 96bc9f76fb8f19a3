use super::{CHANGE, PORTFOLIO_ARCHIVED, PROPERTY_NOT_IN_PORTFOLIO, touched};
use crate::prelude::*;
use owners::{
    portfolio::{Portfolio, PortfolioId},
    portfolio_property as member,
    property::PropertyId,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};

#[input]
pub struct PortfolioRemovePropertyInput {
    /// The portfolio.
    pub id: PortfolioId,
    pub property_id: PropertyId,
}

pub struct RemoveProperty;

impl Procedure for RemoveProperty {
    const NAME: &'static str = "portfolio/v1/removeProperty";
    const ABOUT: &'static str = "Takes a property out of a portfolio. The property stays.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[PORTFOLIO_ARCHIVED, PROPERTY_NOT_IN_PORTFOLIO];
    type Input = PortfolioRemovePropertyInput;
    type Output = Portfolio;
    type Subject = Seen<Portfolio>;

    fn example() -> PortfolioRemovePropertyInput {
        PortfolioRemovePropertyInput { id: PortfolioId::EXAMPLE, property_id: PropertyId::EXAMPLE }
    }

    async fn subject(cx: &Context, input: &PortfolioRemovePropertyInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PortfolioRemovePropertyInput) -> Result<Portfolio> {
        let PortfolioRemovePropertyInput { id: _, property_id } = input;
        let row = cx.edit_any(allowed);
        ensure_in_use(&*row, PORTFOLIO_ARCHIVED)?;
        let tx = cx.tx().await?;
        let there = member::one(row.organization_id, row.id, property_id).one(tx).await?;
        let there = there.filter(|there| there.removed_at.is_none()).ok_or_else(|| Error::new(PROPERTY_NOT_IN_PORTFOLIO))?;
        let mut there = there.into_active_model();
        there.removed_at = Set(Some(cx.now().into()));
        there.update(tx).await?;
        touched(cx, row, "property_removed", property_id).await
    }
}
