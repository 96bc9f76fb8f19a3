use crate::Listed;
use async_graphql::{InputObject, Object};
use entities::{
    portfolio::PortfolioId,
    report::{self, Financials, Over, Visible},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Date, Error, Kind, Nullable, Procedure, Result, nullable, snapshot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortfolioFinancialsInput {
    #[garde(skip)]
    pub id: PortfolioId,
    /// The first day.
    #[garde(skip)]
    pub from: Option<Date>,
    /// The first day after.
    #[garde(skip)]
    pub until: Option<Date>,
}

pub struct OfOne;

impl Procedure for OfOne {
    const NAME: &'static str = "portfolio/v1/financials";
    const ABOUT: &'static str =
        "What came in and went out for the properties of a portfolio, added up by currency, month and kind.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[];
    type Input = PortfolioFinancialsInput;
    type Output = Financials;
    type Subject = Listed;

    fn example() -> PortfolioFinancialsInput {
        PortfolioFinancialsInput {
            id: PortfolioId(uuid::uuid!("01920000-0000-7000-8000-000000000021")),
            from: Date::parse("2026-01-01"),
            until: None,
        }
    }

    async fn subject(_: &Context, _: &PortfolioFinancialsInput) -> Result<Listed> {
        Ok(Listed(Visible::KINDS))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: PortfolioFinancialsInput) -> Result<Financials> {
        let PortfolioFinancialsInput { id, from, until } = input;
        let visible = Visible::of(|kind| Ok(allowed.filter(kind)))?;
        let found = report::financials(cx.tx().await?, cx.owner(), visible, Over::Portfolio(id), from, until).await?;
        found.ok_or_else(|| Error::new(Code::NotFound))
    }
}

#[derive(Default)]
pub struct PortfolioFinancialsQuery;

#[Object]
impl PortfolioFinancialsQuery {
    /// What came in and went out for the properties of a portfolio, added up by currency, month and kind.
    async fn portfolio_financials(
        &self,
        cx: &async_graphql::Context<'_>,
        id: PortfolioId,
        from: Option<Date>,
        until: Option<Date>,
    ) -> Nullable<Financials> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let visible = Visible::of(|kind| snapshot.filter(kind))?;
            let found = report::financials(&snapshot.tx, snapshot.owner(), visible, Over::Portfolio(id), from, until).await?;
            Ok(Some(found.ok_or_else(|| Error::new(Code::NotFound))?))
        })
        .await
    }
}
