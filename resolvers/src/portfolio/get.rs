use async_graphql::InputObject;
use entities::{
    loading::{self, Seen},
    portfolio::{self, Portfolio, PortfolioId},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Procedure, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortfolioGetInput {
    #[garde(skip)]
    pub id: PortfolioId,
}

pub struct Get;

impl Procedure for Get {
    const NAME: &'static str = "portfolio/v1/get";
    const ABOUT: &'static str = "One portfolio of the acting organization.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[];
    type Input = PortfolioGetInput;
    type Output = Portfolio;
    type Subject = Seen<portfolio::Model>;

    fn example() -> PortfolioGetInput {
        PortfolioGetInput { id: PortfolioId(uuid::uuid!("01920000-0000-7000-8000-000000000021")) }
    }

    async fn subject(cx: &Context, input: &PortfolioGetInput) -> Result<Self::Subject> {
        loading::one(cx, portfolio::by_id(cx.organization(), input.id)).await
    }

    async fn handle(_: &Context, allowed: Allowed<Self::Subject>, _: PortfolioGetInput) -> Result<Portfolio> {
        Ok(allowed.into_subject().row.into())
    }
}
