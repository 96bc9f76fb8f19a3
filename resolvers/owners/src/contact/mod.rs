pub mod create;
pub mod move_to;
pub mod update;

use crate::prelude::*;
use owners::{
    contact,
    external_party::{self, ExternalPartyId},
};

use schema::quota::CONTACTS_OF_A_PARTY;
use sea_orm::{QuerySelect, sea_query::LockType};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<move_to::Move>(),
    Entry::of::<Archive>(),
    Entry::of::<Restore>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Runs = Runs::mutation("contact_change", 1);

shelf!(
    contact: Contact, CHANGE;
    "contact/v1/archive" ContactArchiveInput "Puts a contact aside. Nothing is lost; it can be restored." ARCHIVED;
    "contact/v1/restore" ContactRestoreInput "Takes an archived contact back." NOT_ARCHIVED;
);

reads!(
    contact: Contact;
    "One contact of the acting organization."
        "contact/v1/get" ContactGetInput, contact
        "One contact of the acting organization.";
    "The people outside whom the acting organization deals with, a page at a time."
        "contact/v1/list" ContactListInput (NameAsc), contacts
        "The people outside whom the acting organization deals with.";
    ContactQuery
);

/// Refuses an outside party that is not there, is archived, or has as many contacts as it may have.
async fn ensure_party(cx: &Context, party: Option<ExternalPartyId>) -> Result<()> {
    let Some(party) = party else { return Ok(()) };
    // It is not archived before this is committed.
    match external_party::by_id(cx.owner(), party).lock(LockType::Share).one(cx.tx().await?).await? {
        Some(row) if row.archived() => Err(Error::invalid("externalPartyId", "ARCHIVED", "this outside party is archived")),
        Some(_) => {
            let there = "SELECT FROM contact WHERE organization_id = $1 AND external_party_id = $2 AND status <> 'ARCHIVED'";
            CONTACTS_OF_A_PARTY.ensure_rows(cx.tx().await?, cx.owner(), there, [party.0.into()]).await
        }
        None => Err(Error::invalid("externalPartyId", "NOT_FOUND", "there is no such outside party")),
    }
}
