use super::{CHANGE, MEMBERSHIP_ENDED, MEMBERSHIP_LAST_OWNER, end, ensure_manager_stays, moved};
use crate::prelude::*;
use entities::membership::{Membership, MembershipId, MembershipState};

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
    const HINTS: Option<&'static schema::Hints> = Some(&crate::delegation::to_come::GIVEN);
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
        let row = cx.edit(allowed, version)?;
        let state = moved(&row, MembershipState::Revoked)?;
        ensure_manager_stays(cx, &row).await?;
        end(cx, row, state, reason, "revoked").await
    }
}
