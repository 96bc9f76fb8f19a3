use super::{CHANGE, MEMBERSHIP_ENDED, MEMBERSHIP_TERM_OPEN, end, moved};
use crate::prelude::*;
use entities::membership::{Membership, MembershipId, MembershipState};

#[input]
pub struct MembershipExpireInput {
    pub id: MembershipId,
}

pub struct Expire;

impl Procedure for Expire {
    const NAME: &'static str = "membership/v1/expire";
    const ABOUT: &'static str = "Notes that a membership's term is over.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[MEMBERSHIP_ENDED, MEMBERSHIP_TERM_OPEN];
    const EXPOSED: bool = false;
    type Input = MembershipExpireInput;
    type Output = Membership;
    type Subject = Seen<Membership>;

    fn example() -> MembershipExpireInput {
        MembershipExpireInput { id: MembershipId::DUE_EXAMPLE }
    }

    async fn subject(cx: &Context, input: &MembershipExpireInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, _: MembershipExpireInput) -> Result<Membership> {
        let row = cx.edit_any(allowed);
        let state = moved(&row, MembershipState::Expired)?;
        if !row.term().over(cx.now().into()) {
            return Err(Error::new(MEMBERSHIP_TERM_OPEN));
        }
        end(cx, row, state, None, "expired").await
    }
}
