use super::{CHANGE, event, keeps_a_governor};
use crate::delegation;
use async_graphql::InputObject;
use entities::{
    loading::{self, Seen, expect_version},
    membership::{self, Membership, MembershipId, MembershipState},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Error, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MembershipRevokeInput {
    #[garde(skip)]
    pub id: MembershipId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    /// Why it is taken back: kept for good.
    #[garde(custom(valid::text(1_000)))]
    pub reason: Option<String>,
}

pub struct Revoke;

impl Procedure for Revoke {
    const NAME: &'static str = "membership/v1/revoke";
    const ABOUT: &'static str = "Takes a membership or an open invitation back, at once.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::MembershipEnded, Code::MembershipLastOwner];
    type Input = MembershipRevokeInput;
    type Output = Membership;
    type Subject = Seen<membership::Model>;

    fn example() -> MembershipRevokeInput {
        MembershipRevokeInput {
            id: MembershipId(uuid::uuid!("01920000-0000-7000-8000-0000000000c2")),
            version: 1,
            reason: Some("Left the board".into()),
        }
    }

    async fn subject(cx: &Context, input: &MembershipRevokeInput) -> Result<Self::Subject> {
        loading::one(cx, membership::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: MembershipRevokeInput) -> Result<Membership> {
        let MembershipRevokeInput { id: _, version, reason } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        if matches!(row.state, MembershipState::Revoked | MembershipState::Expired) {
            return Err(Error::new(Code::MembershipEnded));
        }
        keeps_a_governor(cx, &row).await?;
        let was_active = row.state == MembershipState::Active;
        let version = row.version + 1;
        let mut row = row.into_active_model();
        row.state = Set(MembershipState::Revoked);
        row.ended_at = Set(Some(cx.now()));
        row.ended_by = Set(Some(cx.actor.principal));
        row.end_reason = Set(reason);
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(event("membership.revoked", &row, Change::fields(&["state"])));
        if let Some(member) = row.principal_id.filter(|_| was_active) {
            delegation::end_what_rests_on(cx, member).await?;
        }
        Ok(row.into())
    }
}
