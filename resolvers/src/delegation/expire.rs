use super::{CHANGE, DELEGATION_ENDED, DELEGATION_TERM_OPEN, moved};
use crate::prelude::*;
use entities::delegation::{Delegation, DelegationId, DelegationState};

timed!(
    Expire "delegation/v1/expire" DelegationExpireInput of Delegation, such as DelegationId::EXAMPLE;
    "Notes that a delegation's term is over.";
    CHANGE, changes_rights: true, errors: [DELEGATION_ENDED, DELEGATION_TERM_OPEN];
    expire
);

async fn expire(cx: &Context, allowed: Allowed<Seen<Delegation>>) -> Result<Delegation> {
    let row = cx.edit_any(allowed);
    let state = moved(&row, DelegationState::Expired)?;
    let now = cx.now().into();
    if !row.term().over(now) && row.answer_by.is_none_or(|by| by > now) {
        return Err(Error::new(DELEGATION_TERM_OPEN));
    }
    cx.end(row, state, None, "expired").await
}
