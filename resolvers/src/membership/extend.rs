use super::{CHANGE, MEMBERSHIP_ENDED, MEMBERSHIP_LAST_OWNER, ensure_manager_stays};
use crate::prelude::*;
use entities::membership::{Membership, MembershipId};

/// What is absent stays as it is.
#[input]
pub struct MembershipExtendInput {
    pub id: MembershipId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Its new end, sooner or later than before; null for none.
    #[patch]
    pub ends_at: MaybeUndefined<Time>,
}

pub struct Extend;

impl Procedure for Extend {
    const NAME: &'static str = "membership/v1/extend";
    const ABOUT: &'static str = "Changes when a membership or an open invitation ends.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, MEMBERSHIP_ENDED, MEMBERSHIP_LAST_OWNER];
    type Input = MembershipExtendInput;
    type Output = Membership;
    type Subject = Seen<Membership>;

    fn example() -> MembershipExtendInput {
        let ends_at = Time::from(chrono::DateTime::from_timestamp_nanos(4_102_444_800_000_000_000));
        MembershipExtendInput { id: MembershipId::EXAMPLE, version: 1, ends_at: MaybeUndefined::Value(ends_at) }
    }

    async fn subject(cx: &Context, input: &MembershipExtendInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: MembershipExtendInput) -> Result<Membership> {
        let MembershipExtendInput { id: _, version, ends_at } = input;
        let mut row = cx.edit(allowed, version)?;
        if !row.term().open(cx.now().into()) {
            return Err(Error::new(MEMBERSHIP_ENDED));
        }
        if let MaybeUndefined::Value(ends_at) = ends_at {
            Term::of(row.starts_at, Some(ends_at)).ensure_ahead(cx.now().into())?;
            ensure_manager_stays(cx, &row).await?;
        }
        patch!(row: ends_at);
        cx.save(row, "extended").await
    }
}
