use super::{CHANGE, DELEGATION_ENDED, DELEGATION_TERM_OPEN, moved};
use crate::prelude::*;
use entities::delegation::{Delegation, DelegationId, DelegationState};

#[input]
pub struct DelegationExpireInput {
    pub id: DelegationId,
}

pub struct Expire;

impl Procedure for Expire {
    const NAME: &'static str = "delegation/v1/expire";
    const ABOUT: &'static str = "Notes that a delegation's term is over.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[DELEGATION_ENDED, DELEGATION_TERM_OPEN];
    const EXPOSED: bool = false;
    type Input = DelegationExpireInput;
    type Output = Delegation;
    type Subject = Seen<Delegation>;

    fn example() -> DelegationExpireInput {
        DelegationExpireInput { id: DelegationId::EXAMPLE }
    }

    async fn subject(cx: &Context, input: &DelegationExpireInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, _: DelegationExpireInput) -> Result<Delegation> {
        let row = cx.edit_any(allowed);
        let state = moved(&row, DelegationState::Expired)?;
        if !row.term().over(cx.now().into()) {
            return Err(Error::new(DELEGATION_TERM_OPEN));
        }
        cx.end(row, state, None, "expired").await
    }
}
