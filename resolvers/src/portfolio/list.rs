use crate::Listed;
use async_graphql::InputObject;
use entities::{
    page::{Connection, Page},
    portfolio::{self, Portfolio, PortfolioFilter, PortfolioOrder},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortfolioListInput {
    #[garde(custom(valid::page_size))]
    pub first: Option<i32>,
    #[garde(skip)]
    pub after: Option<String>,
    #[garde(custom(valid::page_size))]
    pub last: Option<i32>,
    #[garde(skip)]
    pub before: Option<String>,
    #[garde(dive)]
    pub filter: Option<PortfolioFilter>,
    #[garde(skip)]
    pub order_by: Option<PortfolioOrder>,
    /// Count all that match, exactly.
    #[garde(skip)]
    pub with_total: Option<bool>,
}

pub struct List;

impl Procedure for List {
    const NAME: &'static str = "portfolio/v1/list";
    const ABOUT: &'static str = "The acting organization's portfolios, a page at a time.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[Code::InvalidCursor];
    type Input = PortfolioListInput;
    type Output = Connection<Portfolio>;
    type Subject = Listed;

    fn example() -> PortfolioListInput {
        PortfolioListInput { first: Some(20), order_by: Some(PortfolioOrder::PositionAsc), ..Default::default() }
    }

    async fn subject(_: &Context, _: &PortfolioListInput) -> Result<Listed> {
        Ok(Listed(portfolio::KIND))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: PortfolioListInput) -> Result<Connection<Portfolio>> {
        let PortfolioListInput { first, after, last, before, filter, order_by, with_total } = input;
        let page = Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
        portfolio::list(cx.tx().await?, cx.organization(), allowed.filter(), filter, order_by, page).await
    }
}
