use super::{CHANGE, event};
use crate::expiry;
use async_graphql::InputObject;
use entities::{
    delegation::{self, Delegation, DelegationId, DelegationState},
    loading::{self, Seen},
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
pub struct DelegationExpireInput {
    #[garde(skip)]
    pub id: DelegationId,
}

pub struct Expire;

impl Procedure for Expire {
    const NAME: &'static str = "delegation/v1/expire";
    const ABOUT: &'static str = "Notes that a delegation's term is over.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::DelegationEnded, Code::DelegationTermOpen];
    const EXPOSED: bool = false;
    type Input = DelegationExpireInput;
    type Output = Delegation;
    type Subject = Seen<delegation::Model>;

    fn example() -> DelegationExpireInput {
        DelegationExpireInput { id: DelegationId(uuid::uuid!("01920000-0000-7000-8000-000000000051")) }
    }

    async fn subject(cx: &Context, input: &DelegationExpireInput) -> Result<Self::Subject> {
        loading::one(cx, delegation::by_id(cx.organization(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, _: DelegationExpireInput) -> Result<Delegation> {
        let row = allowed.into_subject().row;
        if row.state != DelegationState::Active {
            return Err(Error::new(Code::DelegationEnded));
        }
        if row.active(cx.now()) {
            return Err(Error::new(Code::DelegationTermOpen));
        }
        let version = row.version + 1;
        let mut row = row.into_active_model();
        row.state = Set(DelegationState::Expired);
        row.ended_at = Set(Some(cx.now().into()));
        row.ended_by = Set(Some(cx.actor.principal));
        row.version = Set(version);
        row.updated_at = Set(cx.now().into());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(event("delegation.expired", &row, Change::fields(&["state"]).id("holderId", Some(row.holder_id.0))));
        Ok(row)
    }
}

/// Ends the delegations that are due.
pub fn tick(gateway: Arc<Gateway>) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let due = delegation::due(&gateway.pool, gateway.clock.now()).await?;
        expiry::end::<Expire, _>(&gateway, due, DelegationId::uuid, |id| DelegationExpireInput { id }).await;
        Ok(())
    })
}
