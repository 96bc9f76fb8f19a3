pub mod archive;
pub mod create;
pub mod link;
pub mod restore;
pub mod update;

use entities::{
    external_party::{self, ExternalPartyId, ExternalPartyKind, ExternalPartyStatus},
    loading::event,
};
use schema::{Code, Context, Entry, Error, Result, Workflow};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<link::Link>(),
    Entry::of::<archive::Archive>(),
    Entry::of::<restore::Restore>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Workflow = Workflow::new("external_party_change", 1);

crate::reads::reads!(
    external_party: ExternalParty, ExternalPartyId, ExternalPartyFilter, ExternalPartyOrder;
    "One outside party of the acting organization."
        "externalParty/v1/get" ExternalPartyGetInput ("01920000-0000-7000-8000-0000000000b1"), external_party
        "One outside party of the acting organization.";
    "The outside parties that the acting organization deals with, a page at a time."
        "externalParty/v1/list" ExternalPartyListInput (NameAsc), external_parties
        "The outside parties that the acting organization deals with.";
    ExternalPartyQuery
);

fn in_use(row: &external_party::Model) -> Result<()> {
    match row.status {
        ExternalPartyStatus::Active => Ok(()),
        ExternalPartyStatus::Archived => Err(Error::new(Code::ExternalPartyArchived)),
    }
}

/// Refuses what is not an HOA in care of this organization.
pub async fn known_hoa(cx: &Context, hoa: Option<ExternalPartyId>) -> Result<()> {
    let Some(hoa) = hoa else { return Ok(()) };
    let row = external_party::by_id(cx.owner(), hoa).one(cx.tx().await?).await?;
    let refuse = |code: &str, message: &str| Err(Error::new(Code::InvalidInput).field("hoaId", code, message));
    match row {
        Some(row) if row.kind != ExternalPartyKind::Hoa => refuse("NOT_AN_HOA", "this external party is not an HOA"),
        Some(row) if row.status == ExternalPartyStatus::Archived => refuse("ARCHIVED", "this HOA is archived"),
        Some(_) => Ok(()),
        None => refuse("NOT_FOUND", "there is no such external party"),
    }
}
