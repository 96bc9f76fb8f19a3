use crate::Listed;
use async_graphql::InputObject;
use entities::{
    external_party::{self, ExternalParty, ExternalPartyFilter, ExternalPartyOrder},
    page::{Connection, Page},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalPartyListInput {
    #[garde(custom(valid::page_size))]
    pub first: Option<i32>,
    #[garde(skip)]
    pub after: Option<String>,
    #[garde(custom(valid::page_size))]
    pub last: Option<i32>,
    #[garde(skip)]
    pub before: Option<String>,
    #[garde(dive)]
    pub filter: Option<ExternalPartyFilter>,
    #[garde(skip)]
    pub order_by: Option<ExternalPartyOrder>,
    /// Count all that match, exactly.
    #[garde(skip)]
    pub with_total: Option<bool>,
}

pub struct List;

impl Procedure for List {
    const NAME: &'static str = "externalParty/v1/list";
    const ABOUT: &'static str = "The outside parties that the acting organization deals with, a page at a time.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[Code::InvalidCursor];
    type Input = ExternalPartyListInput;
    type Output = Connection<ExternalParty>;
    type Subject = Listed;

    fn example() -> ExternalPartyListInput {
        ExternalPartyListInput { first: Some(20), order_by: Some(ExternalPartyOrder::NameAsc), ..Default::default() }
    }

    async fn subject(_: &Context, _: &ExternalPartyListInput) -> Result<Listed> {
        Ok(Listed(external_party::KIND))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: ExternalPartyListInput) -> Result<Connection<ExternalParty>> {
        let ExternalPartyListInput { first, after, last, before, filter, order_by, with_total } = input;
        let page = Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
        external_party::list(cx.tx().await?, cx.organization(), allowed.filter(), filter, order_by, page).await
    }
}
