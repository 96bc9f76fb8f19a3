use super::{CHANGE, event};
use async_graphql::InputObject;
use entities::portfolio::{self, Portfolio, PortfolioStatus};
use garde::Validate;
use schema::{Allowed, Change, Code, Constraint, Context, Error, Kind, New, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortfolioCreateInput {
    /// No two that are in use have the same, whatever the case of its letters.
    #[garde(custom(valid::text(200)))]
    pub name: String,
    /// Such as `#2F6B4F`.
    #[garde(custom(valid::colour))]
    pub colour: Option<String>,
    /// What is to become of it.
    #[garde(custom(valid::text(10_000)))]
    pub target_notes: Option<String>,
    /// Its place among the others; 0 if not given.
    #[garde(custom(valid::position))]
    pub position: Option<i32>,
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "portfolio/v1/create";
    const ABOUT: &'static str = "Makes a group for properties.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::PortfolioNameTaken];
    type Input = PortfolioCreateInput;
    type Output = Portfolio;
    type Subject = New;

    fn example() -> PortfolioCreateInput {
        PortfolioCreateInput {
            name: "Rentals in Tucson".into(),
            colour: Some("#2F6B4F".into()),
            target_notes: Some("Sell the two smallest by 2028.".into()),
            position: Some(1),
        }
    }

    async fn subject(cx: &Context, _: &PortfolioCreateInput) -> Result<New> {
        Ok(New::of(cx, portfolio::KIND, serde_json::json!({ "status": "ACTIVE" })))
    }

    async fn handle(cx: &Context, _: Allowed<New>, input: PortfolioCreateInput) -> Result<Portfolio> {
        let PortfolioCreateInput { name, colour, target_notes, position } = input;
        let row = portfolio::ActiveModel {
            organization_id: Set(cx.owner()),
            id: Set(cx.new_id()),
            name: Set(name),
            colour: Set(colour),
            target_notes: Set(target_notes),
            position: Set(position.unwrap_or_default()),
            status: Set(PortfolioStatus::Active),
            version: Set(1),
            created_at: Set(cx.now()),
            updated_at: Set(cx.now()),
            archived_at: Set(None),
        };
        let row = row.insert(cx.tx().await?).await;
        let row = row.taken("portfolio_name", || Error::new(Code::PortfolioNameTaken))?;
        cx.changed(event("portfolio.created", &row, Change::default()));
        Ok(row.into())
    }
}
