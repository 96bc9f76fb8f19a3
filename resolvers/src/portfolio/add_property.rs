use super::{CHANGE, in_use, known_property, touched};
use async_graphql::InputObject;
use entities::{
    loading::{self, Seen},
    portfolio::{self, Portfolio, PortfolioId, member},
    property::PropertyId,
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortfolioAddPropertyInput {
    /// The portfolio.
    #[garde(skip)]
    pub id: PortfolioId,
    #[garde(skip)]
    pub property_id: PropertyId,
    /// Its place in the portfolio; 0 if not given.
    #[garde(custom(valid::position))]
    pub position: Option<i32>,
}

pub struct AddProperty;

impl Procedure for AddProperty {
    const NAME: &'static str = "portfolio/v1/addProperty";
    const ABOUT: &'static str = "Puts a property into a portfolio, or to another place in it.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::PortfolioArchived, Code::PropertyArchived];
    type Input = PortfolioAddPropertyInput;
    type Output = Portfolio;
    type Subject = Seen<portfolio::Model>;

    fn example() -> PortfolioAddPropertyInput {
        PortfolioAddPropertyInput {
            id: PortfolioId(uuid::uuid!("01920000-0000-7000-8000-000000000021")),
            property_id: PropertyId(uuid::uuid!("01920000-0000-7000-8000-0000000000a2")),
            position: Some(3),
        }
    }

    async fn subject(cx: &Context, input: &PortfolioAddPropertyInput) -> Result<Self::Subject> {
        loading::one(cx, portfolio::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PortfolioAddPropertyInput) -> Result<Portfolio> {
        let PortfolioAddPropertyInput { id: _, property_id, position } = input;
        let row = allowed.into_subject().row;
        in_use(&row)?;
        known_property(cx, property_id).await?;
        let tx = cx.tx().await?;
        let position = position.unwrap_or_default();
        match member::one(row.organization_id, row.id, property_id).one(tx).await? {
            Some(there) => {
                let came_back = there.removed_at.is_some();
                let mut there = there.into_active_model();
                there.position = Set(position);
                if came_back {
                    there.added_at = Set(cx.now());
                    there.removed_at = Set(None);
                }
                there.update(tx).await?;
            }
            None => {
                let there = member::ActiveModel {
                    organization_id: Set(row.organization_id),
                    portfolio_id: Set(row.id),
                    property_id: Set(property_id),
                    position: Set(position),
                    added_at: Set(cx.now()),
                    removed_at: Set(None),
                };
                there.insert(tx).await?;
            }
        }
        touched(cx, row, "portfolio.property_added", property_id).await
    }
}
