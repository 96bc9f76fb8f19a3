use crate::prelude::*;
use async_graphql::Object;
use entities::access_grant::{self, AccessGrant};
use kind::{Connection, Page, Plan};
use schema::{Nullable, nullable, snapshot};

#[input(page)]
pub struct AccessGrantOffersInput {}

pub struct Offers;

impl Procedure for Offers {
    const NAME: &'static str = "accessGrant/v1/offers";
    const ABOUT: &'static str = "The open grants that others offer to the acting organization, a page at a time.";
    const RUNS: Runs = Runs::Read;
    const ERRORS: &'static [Code] = &[Code::INVALID_CURSOR];
    const ACROSS: bool = true;
    type Input = AccessGrantOffersInput;
    type Output = Connection<AccessGrant>;
    type Subject = Listed;

    fn example() -> AccessGrantOffersInput {
        AccessGrantOffersInput { first: Some(20), ..Default::default() }
    }

    async fn subject(_: &Context, _: &AccessGrantOffersInput) -> Result<Listed> {
        Ok(Listed(&[access_grant::KIND]))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: AccessGrantOffersInput) -> Result<Self::Output> {
        let AccessGrantOffersInput { first, after, last, before, with_total } = input;
        let page = Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
        access_grant::offers(&cx.proven(&allowed), page).await
    }
}

#[derive(Default)]
pub struct AccessGrantOffersQuery;

impl kind::Root for AccessGrantOffersQuery {
    const PLANS: &'static [Plan] = &[Plan::named("access_grant_offers", &[access_grant::KIND]).across()];
}

#[Object]
impl AccessGrantOffersQuery {
    /// The open grants that others offer to the acting organization, newest first. Each is accepted or declined.
    async fn access_grant_offers(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Nullable<Connection<AccessGrant>> {
        let page = Page::of_field(cx, first, after, last, before);
        nullable(async {
            let snapshot = snapshot(cx).await?;
            access_grant::offers(&*snapshot, page).await.map(Some)
        })
        .await
    }
}
