use super::{CHANGE, in_use, touched};
use async_graphql::InputObject;
use entities::{
    loading::{self, Seen},
    portfolio::{self, Portfolio, PortfolioId, member},
    property::PropertyId,
};
use garde::Validate;
use schema::{Allowed, Code, Context, Error, Kind, Procedure, Result};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortfolioRemovePropertyInput {
    /// The portfolio.
    #[garde(skip)]
    pub id: PortfolioId,
    #[garde(skip)]
    pub property_id: PropertyId,
}

pub struct RemoveProperty;

impl Procedure for RemoveProperty {
    const NAME: &'static str = "portfolio/v1/removeProperty";
    const ABOUT: &'static str = "Takes a property out of a portfolio. The property stays.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::PortfolioArchived, Code::PropertyNotInPortfolio];
    type Input = PortfolioRemovePropertyInput;
    type Output = Portfolio;
    type Subject = Seen<portfolio::Model>;

    fn example() -> PortfolioRemovePropertyInput {
        PortfolioRemovePropertyInput {
            id: PortfolioId(uuid::uuid!("01920000-0000-7000-8000-000000000021")),
            property_id: PropertyId(uuid::uuid!("01920000-0000-7000-8000-0000000000a1")),
        }
    }

    async fn subject(cx: &Context, input: &PortfolioRemovePropertyInput) -> Result<Self::Subject> {
        loading::one(cx, portfolio::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PortfolioRemovePropertyInput) -> Result<Portfolio> {
        let PortfolioRemovePropertyInput { id: _, property_id } = input;
        let row = allowed.into_subject().row;
        in_use(&row)?;
        let tx = cx.tx().await?;
        let there = member::one(row.organization_id, row.id, property_id).one(tx).await?;
        let there = there.filter(|there| there.removed_at.is_none()).ok_or_else(|| Error::new(Code::PropertyNotInPortfolio))?;
        let mut there = there.into_active_model();
        there.removed_at = Set(Some(cx.now()));
        there.update(tx).await?;
        touched(cx, row, "portfolio.property_removed", property_id).await
    }
}
