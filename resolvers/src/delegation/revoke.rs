use super::{CHANGE, Rest, by_leave, open, reduce};
use async_graphql::InputObject;
use entities::{
    delegation::{self, Delegation, DelegationId},
    loading::{self, Seen, expect_version},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DelegationRevokeInput {
    #[garde(skip)]
    pub id: DelegationId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    /// Why it is taken back: kept for good.
    #[garde(custom(valid::text(1_000)))]
    pub reason: Option<String>,
}

pub struct Revoke;

impl Procedure for Revoke {
    const NAME: &'static str = "delegation/v1/revoke";
    const ABOUT: &'static str = "Takes a delegation back, and all that rests on it, at once. Its holder may give it back so.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::DelegationEnded];
    type Input = DelegationRevokeInput;
    type Output = Delegation;
    type Subject = Seen<delegation::Model>;

    fn example() -> DelegationRevokeInput {
        DelegationRevokeInput {
            id: DelegationId(uuid::uuid!("01920000-0000-7000-8000-000000000051")),
            version: 1,
            reason: Some("The flat is let".into()),
        }
    }

    async fn subject(cx: &Context, input: &DelegationRevokeInput) -> Result<Self::Subject> {
        loading::one(cx, delegation::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: DelegationRevokeInput) -> Result<Delegation> {
        let DelegationRevokeInput { id: _, version, reason } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        open(&row, cx)?;
        by_leave(cx, &row);
        reduce(cx, row, Rest::nothing(), reason.as_deref()).await
    }
}
