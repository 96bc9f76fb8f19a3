use super::{CHANGE, event, keeps_a_governor};
use async_graphql::{InputObject, MaybeUndefined};
use entities::{
    loading::{self, Seen, expect_version},
    membership::{self, Membership, MembershipId, MembershipState},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Error, Kind, Procedure, Result, Time, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

/// What is absent stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MembershipExtendInput {
    #[garde(skip)]
    pub id: MembershipId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    /// Its new end, sooner or later than before; null for none.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<Time>")]
    pub ends_at: MaybeUndefined<Time>,
}

pub struct Extend;

impl Procedure for Extend {
    const NAME: &'static str = "membership/v1/extend";
    const ABOUT: &'static str = "Changes when a membership or an open invitation ends.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::MembershipEnded, Code::MembershipLastOwner];
    type Input = MembershipExtendInput;
    type Output = Membership;
    type Subject = Seen<membership::Model>;

    fn example() -> MembershipExtendInput {
        MembershipExtendInput {
            id: MembershipId(uuid::uuid!("01920000-0000-7000-8000-0000000000c2")),
            version: 1,
            ends_at: MaybeUndefined::Value(Time::from(chrono::DateTime::from_timestamp_nanos(4_102_444_800_000_000_000))),
        }
    }

    async fn subject(cx: &Context, input: &MembershipExtendInput) -> Result<Self::Subject> {
        loading::one(cx, membership::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: MembershipExtendInput) -> Result<Membership> {
        let MembershipExtendInput { id: _, version, ends_at } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        if matches!(row.state, MembershipState::Revoked | MembershipState::Expired)
            || row.ends_at.is_some_and(|ends| ends <= cx.now())
        {
            return Err(Error::new(Code::MembershipEnded));
        }
        if let MaybeUndefined::Value(ends) = ends_at {
            if ends.0 <= cx.now().max(row.starts_at) {
                return Err(Error::new(Code::InvalidInput).field(
                    "endsAt",
                    "TOO_EARLY",
                    "must be later than now and than startsAt",
                ));
            }
            keeps_a_governor(cx, &row).await?;
        }
        let version = row.version + 1;
        let mut row = row.into_active_model();
        if !ends_at.is_undefined() {
            row.ends_at = Set(ends_at.take().map(|ends| ends.0));
        }
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(event("membership.extended", &row, Change::fields(&["endsAt"])));
        Ok(row.into())
    }
}
