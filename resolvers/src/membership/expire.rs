use super::{CHANGE, event};
use crate::{delegation, expiry};
use async_graphql::InputObject;
use entities::{
    loading::{self, Seen},
    membership::{self, Membership, MembershipId, MembershipState},
};
use futures_util::future::BoxFuture;
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Error, Gateway, Kind, Procedure, Result};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MembershipExpireInput {
    #[garde(skip)]
    pub id: MembershipId,
}

pub struct Expire;

impl Procedure for Expire {
    const NAME: &'static str = "membership/v1/expire";
    const ABOUT: &'static str = "Notes that a membership's term is over.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::MembershipEnded, Code::MembershipTermOpen];
    const EXPOSED: bool = false;
    type Input = MembershipExpireInput;
    type Output = Membership;
    type Subject = Seen<membership::Model>;

    fn example() -> MembershipExpireInput {
        MembershipExpireInput { id: MembershipId(uuid::uuid!("01920000-0000-7000-8000-0000000000c3")) }
    }

    async fn subject(cx: &Context, input: &MembershipExpireInput) -> Result<Self::Subject> {
        loading::one(cx, membership::by_id(cx.organization(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, _: MembershipExpireInput) -> Result<Membership> {
        let row = allowed.into_subject().row;
        if matches!(row.state, MembershipState::Revoked | MembershipState::Expired) {
            return Err(Error::new(Code::MembershipEnded));
        }
        if row.ends_at.is_none_or(|ends| ends > cx.now()) {
            return Err(Error::new(Code::MembershipTermOpen));
        }
        let was_active = row.state == MembershipState::Active;
        let version = row.version + 1;
        let mut row = row.into_active_model();
        row.state = Set(MembershipState::Expired);
        row.ended_at = Set(Some(cx.now()));
        row.ended_by = Set(Some(cx.actor.principal));
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(event("membership.expired", &row, Change::fields(&["state"])));
        if let Some(member) = row.principal_id.filter(|_| was_active) {
            delegation::end_what_rests_on(cx, member).await?;
        }
        Ok(row.into())
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
