use super::{CHANGE, MEMBERSHIP_NOT_PENDING, accept::Invitation};
use crate::prelude::*;
use entities::membership::{self, Membership, MembershipId, MembershipState};
use schema::Scope;

#[input]
pub struct MembershipDeclineInput {
    /// From `viewer { invitations }`.
    pub id: MembershipId,
}

pub struct Decline;

impl Procedure for Decline {
    const NAME: &'static str = "membership/v1/decline";
    const ABOUT: &'static str = "Declines an invitation that is addressed to you. Needs no acting organization.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[MEMBERSHIP_NOT_PENDING];
    const SCOPE: Scope = Scope::Principal;
    type Input = MembershipDeclineInput;
    type Output = Membership;
    type Subject = Invitation;

    fn example() -> MembershipDeclineInput {
        MembershipDeclineInput { id: MembershipId::INVITED_EXAMPLE }
    }

    async fn subject(cx: &Context, input: &MembershipDeclineInput) -> Result<Invitation> {
        Invitation::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Invitation>, _: MembershipDeclineInput) -> Result<Membership> {
        let invitation = allowed.into_subject().row;
        invitation.state.to(MembershipState::Declined).map_err(|_| Error::new(MEMBERSHIP_NOT_PENDING))?;
        let row = membership::decline(cx.tx().await?, invitation.id, cx.now()).await?;
        let row = row.ok_or_else(|| Error::new(MEMBERSHIP_NOT_PENDING))?;
        cx.changed(kind::event("declined", &row, Change::fields(&["state"])));
        Ok(row)
    }
}
