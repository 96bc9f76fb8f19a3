use super::{CHANGE, MEMBERSHIP_ENDED, MEMBERSHIP_TERM_OPEN, end, moved};
use crate::prelude::*;
use entities::membership::{Membership, MembershipId, MembershipState};

timed!(
    Expire "membership/v1/expire" MembershipExpireInput of Membership, such as MembershipId::DUE_EXAMPLE;
    "Notes that a membership's term is over.";
    CHANGE, changes_rights: true, errors: [MEMBERSHIP_ENDED, MEMBERSHIP_TERM_OPEN];
    expire
);

async fn expire(cx: &Context, allowed: Allowed<Seen<Membership>>) -> Result<Membership> {
    let row = cx.edit_any(allowed);
    let state = moved(&row, MembershipState::Expired)?;
    let now = cx.now().into();
    if !row.term().over(now) && row.answer_by.is_none_or(|by| by > now) {
        return Err(Error::new(MEMBERSHIP_TERM_OPEN));
    }
    end(cx, row, state, None, "expired").await
}
