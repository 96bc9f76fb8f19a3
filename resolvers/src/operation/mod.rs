pub mod get;
pub mod list;

use async_graphql::{Context, Object};
use entities::{
    operation::{self, OperationFilter, OperationOrder},
    page::{Connection, Page},
};
use schema::{Code, Entry, Error, Nullable, Operation, OperationId, input, nullable, snapshot};
use sea_orm::QueryFilter;

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<get::Get>(),
    Entry::of::<list::List>(),
];

#[derive(Default)]
pub struct OperationQuery;

#[Object]
impl OperationQuery {
    /// One recorded mutation of the acting organization.
    async fn operation(&self, cx: &Context<'_>, id: OperationId) -> Nullable<Operation> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let select = operation::by_id(snapshot.actor.organization, id).filter(snapshot.filter(operation::KIND)?);
            let row = select.one(&snapshot.tx).await?.ok_or_else(|| Error::new(Code::NotFound))?;
            Ok(Some(row.into()))
        })
        .await
    }

    /// The acting organization's recorded mutations, newest first.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn operations(
        &self,
        cx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<OperationFilter>,
        order_by: Option<OperationOrder>,
    ) -> Nullable<Connection<Operation>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            input::validate_at("filter", filter.as_ref())?;
            let snapshot = snapshot(cx).await?;
            let visible = snapshot.filter(operation::KIND)?;
            operation::list(&snapshot.tx, snapshot.actor.organization, visible, filter, order_by, page).await.map(Some)
        })
        .await
    }
}
