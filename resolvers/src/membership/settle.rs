use super::CHANGE;
use crate::{delegation, prelude::*};
use entities::membership::{Membership, MembershipId};

// It takes nothing away that still counted, so that it changes no rights.
timed!(
    Settle "membership/v1/settle" MembershipSettleInput of Membership, such as MembershipId::DUE_EXAMPLE;
    "Notes the end of some of the delegations that rested on a member who stands for the owner no more.";
    CHANGE, changes_rights: false, errors: [];
    settle
);

async fn settle(cx: &Context, allowed: Allowed<Seen<Membership>>) -> Result<Membership> {
    let membership = allowed.subject().row.clone();
    if let Some(member) = membership.principal_id {
        delegation::settle::end_some_from(cx, member).await?;
    }
    Ok(membership)
}
