use crate::prelude::*;
use async_graphql::Object;
use entities::{
    access_grant,
    engaged_organization::{self, EngagedOrganization},
};
use kind::{Connection, Page, Plan};
use schema::{Nullable, Reading as _, nullable, snapshot};

#[input(page)]
pub struct AccessGrantEngagedInput {}

pub struct Engaged;

impl Procedure for Engaged {
    const NAME: &'static str = "accessGrant/v1/engaged";
    const ABOUT: &'static str = "The organizations that engaged the acting one, a page at a time.";
    const RUNS: Runs = Runs::Read;
    const ERRORS: &'static [Code] = &[Code::INVALID_CURSOR];
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

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: AccessGrantEngagedInput) -> Result<Self::Output> {
        let AccessGrantEngagedInput { first, after, last, before, with_total } = input;
        let page = Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
        engaged_organization::list(&cx.proven(&allowed), page).await
    }
}

#[derive(Default)]
pub struct EngagedOrganizationsQuery;

impl kind::Root for EngagedOrganizationsQuery {
    const PLANS: &'static [Plan] = &[Plan::named("engaged_organizations", &[access_grant::KIND]).across()];
}

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
        let page = Page::of_field(cx, first, after, last, before);
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let found = engaged_organization::list(&*snapshot, page).await?;
            // The relations of these organizations read the organizations' own data, which the snapshot must reach.
            snapshot.reach(&found.edges.iter().map(|edge| edge.node.organization_id).collect::<Vec<_>>()).await?;
            Ok(Some(found))
        })
        .await
    }
}
