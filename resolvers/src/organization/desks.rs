use crate::prelude::*;
use async_graphql::Object;
use entities::desk::{self, Desk, DeskFilter};
use kind::{Connection, Page, Plan};
use schema::{Nullable, nullable, snapshot};

#[input(page)]
pub struct OrganizationDesksInput {
    #[dive]
    pub filter: Option<DeskFilter>,
}

pub struct Desks;

impl Procedure for Desks {
    const NAME: &'static str = "organization/v1/desks";
    const ABOUT: &'static str = "The directory of concierge desks that want to be found, by name, a page at a time.";
    const RUNS: Runs = Runs::Read;
    const ERRORS: &'static [Code] = &[Code::INVALID_CURSOR];
    type Input = OrganizationDesksInput;
    type Output = Connection<Desk>;
    type Subject = Listed;

    fn example() -> OrganizationDesksInput {
        OrganizationDesksInput { first: Some(20), ..Default::default() }
    }

    async fn subject(_: &Context, _: &OrganizationDesksInput) -> Result<Listed> {
        Ok(Listed(&[desk::KIND]))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: OrganizationDesksInput) -> Result<Self::Output> {
        let OrganizationDesksInput { first, after, filter, last, before, with_total } = input;
        let page = Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
        desk::list(&cx.proven(&allowed), filter, page).await
    }
}

#[derive(Default)]
pub struct DesksQuery;

impl kind::Root for DesksQuery {
    const PLANS: &'static [Plan] = &[Plan::named("desks", &[desk::KIND])];
}

#[Object]
impl DesksQuery {
    /// The directory of concierge desks that want to be found, by name.
    async fn desks(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<DeskFilter>,
    ) -> Nullable<Connection<Desk>> {
        let page = Page::of_field(cx, first, after, last, before);
        nullable(async { desk::list(&*snapshot(cx).await?, filter, page).await.map(Some) }).await
    }
}
