pub mod create;

use entities::external_party::{self, ExternalPartyId, ExternalPartyKind, ExternalPartyStatus};
use schema::{Code, Context, Entry, Error, Result, Workflow};
use sea_orm::{ColumnTrait, QueryFilter};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
];

const CHANGE: Workflow = Workflow::new("external_party_change", 1);

/// Refuses what is not an HOA in care of this organization.
pub async fn known_hoa(cx: &Context, hoa: Option<ExternalPartyId>) -> Result<()> {
    let Some(hoa) = hoa else { return Ok(()) };
    let row = external_party::of(cx.organization()).filter(external_party::Column::Id.eq(hoa)).one(cx.tx().await?).await?;
    let refuse = |code: &str, message: &str| Err(Error::new(Code::InvalidInput).field("hoaId", code, message));
    match row {
        Some(row) if row.kind != ExternalPartyKind::Hoa => refuse("NOT_AN_HOA", "this external party is not an HOA"),
        Some(row) if row.status == ExternalPartyStatus::Archived => refuse("ARCHIVED", "this HOA is archived"),
        Some(_) => Ok(()),
        None => refuse("NOT_FOUND", "there is no such external party"),
    }
}
