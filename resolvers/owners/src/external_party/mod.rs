pub mod create;
pub mod link;
pub mod update;

use crate::prelude::*;
use owners::external_party::{self, ExternalPartyId, ExternalPartyKind};
use sea_orm::{QuerySelect, sea_query::LockType};

schema::codes! {
    EXTERNAL_PARTY_ARCHIVED: Conflict, "The outside party is archived.";
    EXTERNAL_PARTY_NOT_ARCHIVED: Conflict, "The outside party is not archived.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<link::Link>(),
    Entry::of::<Archive>(),
    Entry::of::<Restore>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Runs = Runs::mutation("external_party_change", 1);

shelf!(
    external_party: ExternalParty, CHANGE;
    "externalParty/v1/archive" ExternalPartyArchiveInput
        "Puts an outside party aside. Properties that name it keep it." EXTERNAL_PARTY_ARCHIVED;
    "externalParty/v1/restore" ExternalPartyRestoreInput
        "Takes an archived outside party back." EXTERNAL_PARTY_NOT_ARCHIVED;
);

reads!(
    external_party: ExternalParty;
    "One outside party of the acting organization."
        "externalParty/v1/get" ExternalPartyGetInput, external_party
        "One outside party of the acting organization.";
    "The outside parties that the acting organization deals with, a page at a time."
        "externalParty/v1/list" ExternalPartyListInput (NameAsc), external_parties
        "The outside parties that the acting organization deals with.";
    ExternalPartyQuery
);

/// Refuses an id that is not an HOA of this organization, and an HOA that is archived.
pub async fn ensure_hoa(cx: &Context, hoa: Option<ExternalPartyId>) -> Result<()> {
    let Some(hoa) = hoa else { return Ok(()) };
    // The lock keeps others from archiving the HOA before this is committed.
    let row = external_party::by_id(cx.owner(), hoa).lock(LockType::Share).one(cx.tx().await?).await?;
    let refuse = |code: &str, message: &str| Err(Error::new(Code::INVALID_INPUT).field("hoaId", code, message));
    // Whoever acts by a delegation alone sees no outside parties, and is not told which there are.
    let sees = !cx.actor.roles.is_empty() || cx.actor.through.is_some();
    match row.filter(|row| sees || (row.kind == ExternalPartyKind::Hoa && !row.archived())) {
        Some(row) if row.kind != ExternalPartyKind::Hoa => refuse("NOT_AN_HOA", "this external party is not an HOA"),
        Some(row) if row.archived() => refuse("ARCHIVED", "this HOA is archived"),
        Some(_) => Ok(()),
        None => refuse("NOT_FOUND", "there is no such external party"),
    }
}
