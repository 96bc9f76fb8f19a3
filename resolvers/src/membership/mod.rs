pub mod accept;
pub mod expire;
pub mod extend;
pub mod invite;
pub mod revoke;

use entities::membership::{self, MembershipState};
use schema::{Change, Code, Context, Entry, Error, NewEvent, Result, Role, Workflow};
use sea_orm::{QuerySelect, sea_query::LockType};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<invite::Invite>(),
    Entry::of::<accept::Accept>(),
    Entry::of::<extend::Extend>(),
    Entry::of::<revoke::Revoke>(),
    Entry::of::<expire::Expire>(),
];

const CHANGE: Workflow = Workflow::new("membership_change", 1);

fn event(kind: &'static str, row: &membership::Model, change: Change) -> NewEvent {
    NewEvent {
        organization: row.organization_id,
        kind,
        resource_kind: membership::KIND,
        resource_id: row.id.0,
        version: row.version,
        change: change.id("principalId", row.principal_id.map(|id| id.0)),
    }
}

pub fn governs(role: Role) -> bool {
    matches!(role, Role::Owner | Role::Administrator)
}

/// A person must stay who can let others in, without end.
async fn keeps_a_governor(cx: &Context, leaving: &membership::Model) -> Result<()> {
    if !governs(leaving.role) || leaving.state != MembershipState::Active {
        return Ok(());
    }
    let tx = cx.tx().await?;
    // Two who leave at once take turns here.
    entities::organization::of(cx.organization()).lock(LockType::NoKeyUpdate).one(tx).await?;
    let others = membership::other_governors(tx, leaving.id, cx.now()).await?;
    if others == 0 { Err(Error::new(Code::MembershipLastOwner)) } else { Ok(()) }
}
