pub mod accept;
pub mod change_role;
pub mod decline;
pub mod expire;
pub mod extend;
pub mod invite;
pub mod revoke;
pub mod settle;

use crate::{delegation, prelude::*};
use entities::{
    membership::{self, Membership, MembershipState},
    organization,
};
use kind::Edit;
use schema::Role;
use sea_orm::{QuerySelect, sea_query::LockType};

schema::codes! {
    MEMBERSHIP_EXISTS: Conflict, "This principal already has that role here, or an open invitation to it.";
    MEMBERSHIP_ENDED: Conflict, "The membership has ended.";
    MEMBERSHIP_NOT_PENDING: Conflict, "The invitation is no longer open.";
    MEMBERSHIP_LAST_OWNER: Conflict, "An organization keeps at least one owner, or an administrator where nobody owns it.";
    MEMBERSHIP_TERM_OPEN: Conflict, "The membership's term has not ended yet.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<invite::Invite>(),
    Entry::of::<accept::Accept>(),
    Entry::of::<decline::Decline>(),
    Entry::of::<change_role::ChangeRole>(),
    Entry::of::<extend::Extend>(),
    Entry::of::<revoke::Revoke>(),
    Entry::of::<expire::Expire>(),
    Entry::of::<settle::Settle>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Runs = Runs::mutation("membership_change", 1);

reads!(
    membership: Membership;
    "One membership of the acting organization."
        "membership/v1/get" MembershipGetInput, membership
        "One membership of the acting organization.";
    "Who may act for the acting organization, and as what, a page at a time. You see all of them if your role manages members, else your own."
        "membership/v1/list" MembershipListInput (CreatedAsc), memberships
        "Who may act for it, and as what. You see all of them if your role manages members, else your own.";
    MembershipQuery
);

pub fn manages_members(role: Role) -> bool {
    matches!(role, Role::Owner | Role::Administrator)
}

/// The next state of a membership. Refuses one that has ended.
fn moved(row: &Membership, next: MembershipState) -> Result<MembershipState> {
    row.state.to(next).map_err(|_| Error::new(MEMBERSHIP_ENDED))
}

/// Ends a membership, and the delegations that rest on its member, unless the member still stands for the owner otherwise.
async fn end(
    cx: &Context,
    row: Edit<Membership>,
    state: MembershipState,
    reason: Option<String>,
    verb: &'static str,
) -> Result<Membership> {
    let was_active = row.state == MembershipState::Active;
    let row = cx.end(row, state, reason, verb).await?;
    if was_active {
        delegation::cut_from(cx, &row).await?;
    }
    Ok(row)
}

/// Refuses to lose the last member without end who can let others in.
async fn ensure_manager_stays(cx: &Context, leaving: &Membership) -> Result<()> {
    if !manages_members(leaving.role) || leaving.state != MembershipState::Active {
        return Ok(());
    }
    let tx = cx.tx().await?;
    // Two members who leave at once take turns at this lock.
    organization::of(cx.organization()).lock(LockType::NoKeyUpdate).one(tx).await?;
    let others = membership::other_governors(tx, leaving.id, cx.now()).await?;
    if others == 0 { Err(Error::new(MEMBERSHIP_LAST_OWNER)) } else { Ok(()) }
}
