pub mod archive;
pub mod create;
pub mod get;
pub mod link;
pub mod list;
pub mod restore;
pub mod update;

use async_graphql::Object;
use entities::{
    external_party::{
        self, ExternalParty, ExternalPartyFilter, ExternalPartyId, ExternalPartyKind, ExternalPartyOrder, ExternalPartyStatus,
    },
    page::{Connection, Page},
};
use schema::{Change, Code, Context, Entry, Error, NewEvent, Nullable, Result, Workflow, input, nullable, snapshot};
use sea_orm::QueryFilter;

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<link::Link>(),
    Entry::of::<archive::Archive>(),
    Entry::of::<restore::Restore>(),
    Entry::of::<get::Get>(),
    Entry::of::<list::List>(),
];

const CHANGE: Workflow = Workflow::new("external_party_change", 1);

#[derive(Default)]
pub struct ExternalPartyQuery;

#[Object]
impl ExternalPartyQuery {
    /// One outside party of the acting organization.
    async fn external_party(&self, cx: &async_graphql::Context<'_>, id: ExternalPartyId) -> Nullable<ExternalParty> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let select = external_party::by_id(snapshot.actor.organization, id).filter(snapshot.filter(external_party::KIND)?);
            let row = select.one(&snapshot.tx).await?.ok_or_else(|| Error::new(Code::NotFound))?;
            Ok(Some(row.into()))
        })
        .await
    }

    /// The outside parties that the acting organization deals with.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn external_parties(
        &self,
        cx: &async_graphql::Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<ExternalPartyFilter>,
        order_by: Option<ExternalPartyOrder>,
    ) -> Nullable<Connection<ExternalParty>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            input::validate_at("filter", filter.as_ref())?;
            let snapshot = snapshot(cx).await?;
            let visible = snapshot.filter(external_party::KIND)?;
            external_party::list(&snapshot.tx, snapshot.actor.organization, visible, filter, order_by, page).await.map(Some)
        })
        .await
    }
}

fn event(kind: &'static str, row: &external_party::Model, change: Change) -> NewEvent {
    NewEvent {
        organization: row.organization_id,
        kind,
        resource_kind: external_party::KIND,
        resource_id: row.id.0,
        version: row.version,
        change,
    }
}

fn in_use(row: &external_party::Model) -> Result<()> {
    match row.status {
        ExternalPartyStatus::Active => Ok(()),
        ExternalPartyStatus::Archived => Err(Error::new(Code::ExternalPartyArchived)),
    }
}

/// Refuses what is not an HOA in care of this organization.
pub async fn known_hoa(cx: &Context, hoa: Option<ExternalPartyId>) -> Result<()> {
    let Some(hoa) = hoa else { return Ok(()) };
    let row = external_party::by_id(cx.organization(), hoa).one(cx.tx().await?).await?;
    let refuse = |code: &str, message: &str| Err(Error::new(Code::InvalidInput).field("hoaId", code, message));
    match row {
        Some(row) if row.kind != ExternalPartyKind::Hoa => refuse("NOT_AN_HOA", "this external party is not an HOA"),
        Some(row) if row.status == ExternalPartyStatus::Archived => refuse("ARCHIVED", "this HOA is archived"),
        Some(_) => Ok(()),
        None => refuse("NOT_FOUND", "there is no such external party"),
    }
}
