use super::{CHANGE, event};
use async_graphql::InputObject;
use entities::{
    loading::{self, Seen, expect_version},
    portfolio::{self, Portfolio, PortfolioId, PortfolioStatus},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Error, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortfolioArchiveInput {
    #[garde(skip)]
    pub id: PortfolioId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
}

pub struct Archive;

impl Procedure for Archive {
    const NAME: &'static str = "portfolio/v1/archive";
    const ABOUT: &'static str = "Puts a portfolio aside. Its properties stay in it, and in care.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::PortfolioArchived];
    type Input = PortfolioArchiveInput;
    type Output = Portfolio;
    type Subject = Seen<portfolio::Model>;

    fn example() -> PortfolioArchiveInput {
        PortfolioArchiveInput { id: PortfolioId(uuid::uuid!("01920000-0000-7000-8000-000000000021")), version: 1 }
    }

    async fn subject(cx: &Context, input: &PortfolioArchiveInput) -> Result<Self::Subject> {
        loading::one(cx, portfolio::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PortfolioArchiveInput) -> Result<Portfolio> {
        let PortfolioArchiveInput { id: _, version } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        if row.status == PortfolioStatus::Archived {
            return Err(Error::new(Code::PortfolioArchived));
        }
        let version = row.version + 1;
        let mut row = row.into_active_model();
        row.status = Set(PortfolioStatus::Archived);
        row.archived_at = Set(Some(cx.now()));
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(event("portfolio.archived", &row, Change::fields(&["status"])));
        Ok(row.into())
    }
}
