use super::{CHANGE, event};
use async_graphql::InputObject;
use entities::{
    access_grant::{self, AccessGrant},
    loading::{self, Seen, expect_version},
};
use garde::Validate;
use schema::{AccessGrantId, Allowed, Change, Code, Context, Error, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessGrantRevokeInput {
    #[garde(skip)]
    pub id: AccessGrantId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    /// Why it is taken back: kept for good.
    #[garde(custom(valid::text(1_000)))]
    pub reason: Option<String>,
}

pub struct Revoke;

impl Procedure for Revoke {
    const NAME: &'static str = "accessGrant/v1/revoke";
    const ABOUT: &'static str = "Takes a grant back, at once. What others gave to the same organization stays.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::AccessGrantEnded];
    type Input = AccessGrantRevokeInput;
    type Output = AccessGrant;
    type Subject = Seen<access_grant::Model>;

    fn example() -> AccessGrantRevokeInput {
        AccessGrantRevokeInput {
            id: AccessGrantId(uuid::uuid!("01920000-0000-7000-8000-0000000000e1")),
            version: 1,
            reason: Some("We are back".into()),
        }
    }

    async fn subject(cx: &Context, input: &AccessGrantRevokeInput) -> Result<Self::Subject> {
        loading::one(cx, access_grant::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: AccessGrantRevokeInput) -> Result<AccessGrant> {
        let AccessGrantRevokeInput { id: _, version, reason } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        // One whose term is over can be taken back still, so that nothing is left of it.
        if row.revoked_at.is_some() {
            return Err(Error::new(Code::AccessGrantEnded));
        }
        let version = row.version + 1;
        let mut row = row.into_active_model();
        row.revoked_at = Set(Some(cx.now()));
        row.revoked_by = Set(Some(cx.actor.principal));
        row.revoke_reason = Set(reason);
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        let change = Change::fields(&["revokedAt"]).id("granteeOrganizationId", Some(row.grantee_organization_id.0));
        cx.changed(event("access_grant.revoked", &row, change));
        Ok(row.into())
    }
}
