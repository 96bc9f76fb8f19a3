use crate::Listed;
use async_graphql::{InputObject, Object};
use entities::{
    access_grant::{self, EngagedOrganization},
    page::{Connection, Page},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Nullable, Procedure, Result, nullable, snapshot, valid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessGrantEngagedInput {
    #[garde(custom(valid::page_size))]
    pub first: Option<i32>,
    #[garde(skip)]
    pub after: Option<String>,
    #[garde(custom(valid::page_size))]
    pub last: Option<i32>,
    #[garde(skip)]
    pub before: Option<String>,
    /// Count all that match, exactly.
    #[garde(skip)]
    pub with_total: Option<bool>,
}

pub struct Engaged;

impl Procedure for Engaged {
    const NAME: &'static str = "accessGrant/v1/engaged";
    const ABOUT: &'static str = "The organizations that engaged the acting one, a page at a time.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[Code::InvalidCursor];
    const ACROSS: bool = true;
    type Input = AccessGrantEngagedInput;
    type Output = Connection<EngagedOrganization>;
    type Subject = Listed;

    fn example() -> AccessGrantEngagedInput {
        AccessGrantEngagedInput { first: Some(20), ..Default::default() }
    }

    async fn subject(_: &Context, _: &AccessGrantEngagedInput) -> Result<Listed> {
        Ok(Listed(&[access_grant::KIND]))
    }

    async fn handle(
        cx: &Context,
        allowed: Allowed<Listed>,
        input: AccessGrantEngagedInput,
    ) -> Result<Connection<EngagedOrganization>> {
        let AccessGrantEngagedInput { first, after, last, before, with_total } = input;
        let page = Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
        access_grant::engaged(cx.tx().await?, cx.organization(), allowed.filter(access_grant::KIND), page, cx.now()).await
    }
}

#[derive(Default)]
pub struct EngagedOrganizationsQuery;

#[Object]
impl EngagedOrganizationsQuery {
    /// The organizations that engaged the acting one.
    async fn engaged_organizations(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Nullable<Connection<EngagedOrganization>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async { access_grant::seen(&*snapshot(cx).await?, page).await.map(Some) }).await
    }
}
