use super::{CHANGE, MEMBERSHIP_ENDED, MEMBERSHIP_LAST_OWNER, ensure_manager_stays, ensure_not_ended};
use crate::{delegation, prelude::*};
use entities::membership::{Membership, MembershipId, MembershipState};
use sea_orm::ActiveValue::Set;

#[input]
pub struct MembershipRevokeInput {
    pub id: MembershipId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Why it is taken back: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct Revoke;

impl Procedure for Revoke {
    const NAME: &'static str = "membership/v1/revoke";
    const ABOUT: &'static str = "Takes a membership or an open invitation back, at once.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, MEMBERSHIP_ENDED, MEMBERSHIP_LAST_OWNER];
    type Input = MembershipRevokeInput;
    type Output = Membership;
    type Subject = Seen<Membership>;

    fn example() -> MembershipRevokeInput {
        MembershipRevokeInput { id: MembershipId::EXAMPLE, version: 1, reason: Some("Left the board".into()) }
    }

    async fn subject(cx: &Context, input: &MembershipRevokeInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: MembershipRevokeInput) -> Result<Membership> {
        let MembershipRevokeInput { id: _, version, reason } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_not_ended(&row)?;
        ensure_manager_stays(cx, &row).await?;
        let was_active = row.state == MembershipState::Active;
        row.changed("state");
        row.active.state = Set(MembershipState::Revoked);
        row.active.ended_at = Set(Some(cx.now().into()));
        row.active.ended_by = Set(Some(cx.actor.principal));
        row.active.end_reason = Set(reason);
        let row = cx.save(row, "revoked").await?;
        if let Some(member) = row.principal_id.filter(|_| was_active) {
            delegation::end_all_from(cx, member).await?;
        }
        Ok(row)
    }
}
