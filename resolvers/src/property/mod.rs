pub mod archive;
pub mod create;
pub mod get;
pub mod list;
pub mod restore;
pub mod update;

use async_graphql::{Context, Object};
use entities::{
    page::{Connection, Page},
    property::{self, Property, PropertyFilter, PropertyId, PropertyOrder},
};
use schema::{Change, Code, Entry, Error, NewEvent, Nullable, Workflow, input, nullable, snapshot};
use sea_orm::QueryFilter;

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<archive::Archive>(),
    Entry::of::<restore::Restore>(),
    Entry::of::<get::Get>(),
    Entry::of::<list::List>(),
];

const CHANGE: Workflow = Workflow::new("property_change", 1);

#[derive(Default)]
pub struct PropertyQuery;

#[Object]
impl PropertyQuery {
    /// One property of the acting organization.
    async fn property(&self, cx: &Context<'_>, id: PropertyId) -> Nullable<Property> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let select = property::by_id(snapshot.actor.organization, id).filter(snapshot.filter(property::KIND)?);
            let row = select.one(&snapshot.tx).await?.ok_or_else(|| Error::new(Code::NotFound))?;
            Ok(Some(row.into()))
        })
        .await
    }

    /// The acting organization's properties.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn properties(
        &self,
        cx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<PropertyFilter>,
        order_by: Option<PropertyOrder>,
    ) -> Nullable<Connection<Property>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            input::validate_at("filter", filter.as_ref())?;
            let snapshot = snapshot(cx).await?;
            let visible = snapshot.filter(property::KIND)?;
            property::list(&snapshot.tx, snapshot.actor.organization, visible, filter, order_by, page).await.map(Some)
        })
        .await
    }
}

fn event(kind: &'static str, row: &property::Model, change: Change) -> NewEvent {
    NewEvent {
        organization: row.organization_id,
        kind,
        resource_kind: property::KIND,
        resource_id: row.id.0,
        version: row.version,
        change,
    }
}
