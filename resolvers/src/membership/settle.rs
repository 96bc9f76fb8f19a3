use super::CHANGE;
use crate::{delegation, prelude::*};
use entities::membership::{Membership, MembershipId};

#[input]
pub struct MembershipSettleInput {
    pub id: MembershipId,
}

pub struct Settle;

impl Procedure for Settle {
    const NAME: &'static str = "membership/v1/settle";
    const ABOUT: &'static str =
        "Notes the end of some of the delegations that rested on a member who stands for the owner no more.";
    const RUNS: Runs = CHANGE;
    // It takes nothing away that still counted.
    const CHANGES_RIGHTS: bool = false;
    const ERRORS: &'static [Code] = &[];
    const EXPOSED: bool = false;
    type Input = MembershipSettleInput;
    type Output = Membership;
    type Subject = Seen<Membership>;

    fn example() -> MembershipSettleInput {
        MembershipSettleInput { id: MembershipId::DUE_EXAMPLE }
    }

    async fn subject(cx: &Context, input: &MembershipSettleInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, _: MembershipSettleInput) -> Result<Membership> {
        let membership = allowed.subject().row.clone();
        if let Some(member) = membership.principal_id {
            delegation::settle::end_some_from(cx, member).await?;
        }
        Ok(membership)
    }
}
