use super::{CHANGE, event, in_use};
use async_graphql::{InputObject, MaybeUndefined};
use entities::{
    loading::{self, Seen, expect_version},
    portfolio::{self, Portfolio, PortfolioId},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Constraint, Context, Error, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

/// What is absent stays as it is; null clears what can be cleared.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortfolioUpdateInput {
    #[garde(skip)]
    pub id: PortfolioId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    #[garde(custom(valid::text(200)))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[garde(custom(valid::colour))]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<String>")]
    pub colour: MaybeUndefined<String>,
    #[garde(custom(valid::text(10_000)))]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<String>")]
    pub target_notes: MaybeUndefined<String>,
    #[garde(custom(valid::position))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub position: Option<i32>,
}

pub struct Update;

impl Procedure for Update {
    const NAME: &'static str = "portfolio/v1/update";
    const ABOUT: &'static str = "Changes how a portfolio is called, shown and placed.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::PortfolioArchived, Code::PortfolioNameTaken];
    type Input = PortfolioUpdateInput;
    type Output = Portfolio;
    type Subject = Seen<portfolio::Model>;

    fn example() -> PortfolioUpdateInput {
        PortfolioUpdateInput {
            id: PortfolioId(uuid::uuid!("01920000-0000-7000-8000-000000000021")),
            version: 1,
            name: Some("Rentals".into()),
            colour: MaybeUndefined::Undefined,
            target_notes: MaybeUndefined::Null,
            position: None,
        }
    }

    async fn subject(cx: &Context, input: &PortfolioUpdateInput) -> Result<Self::Subject> {
        loading::one(cx, portfolio::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PortfolioUpdateInput) -> Result<Portfolio> {
        let PortfolioUpdateInput { id: _, version, name, colour, target_notes, position } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        in_use(&row)?;
        let mut fields = Vec::new();
        let version = row.version + 1;
        let mut row = row.into_active_model();
        if let Some(name) = name {
            row.name = Set(name);
            fields.push("name");
        }
        if !colour.is_undefined() {
            row.colour = Set(colour.take());
            fields.push("colour");
        }
        if !target_notes.is_undefined() {
            row.target_notes = Set(target_notes.take());
            fields.push("targetNotes");
        }
        if let Some(position) = position {
            row.position = Set(position);
            fields.push("position");
        }
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await;
        let row = row.taken("portfolio_name", || Error::new(Code::PortfolioNameTaken))?;
        cx.changed(event("portfolio.updated", &row, Change::fields(&fields)));
        Ok(row.into())
    }
}
