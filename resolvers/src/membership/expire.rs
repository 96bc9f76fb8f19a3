use super::{CHANGE, MEMBERSHIP_ENDED, MEMBERSHIP_TERM_OPEN, ensure_not_ended};
use crate::{delegation, expiry, prelude::*};
use entities::membership::{self, Membership, MembershipId, MembershipState};
use futures_util::future::BoxFuture;
use schema::Gateway;
use sea_orm::ActiveValue::Set;
use std::sync::Arc;

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
        let mut row = cx.edit_any(allowed);
        ensure_not_ended(&row)?;
        if row.ends_at.is_none_or(|ends| ends.0 > cx.now()) {
            return Err(Error::new(MEMBERSHIP_TERM_OPEN));
        }
        let was_active = row.state == MembershipState::Active;
        row.changed("state");
        row.active.state = Set(MembershipState::Expired);
        row.active.ended_at = Set(Some(cx.now().into()));
        row.active.ended_by = Set(Some(cx.actor.principal));
        let row = cx.save(row, "expired").await?;
        if let Some(member) = row.principal_id.filter(|_| was_active) {
            delegation::end_all_from(cx, member).await?;
        }
        Ok(row)
    }
}

/// Ends the memberships that are due.
pub fn tick(gateway: Arc<Gateway>) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let due = membership::due(&gateway.pool, gateway.clock.now()).await?;
        expiry::end::<Expire, _>(&gateway, due, MembershipId::uuid, |id| MembershipExpireInput { id }).await;
        Ok(())
    })
}
