//! An outside party may turn out to have an account here. The link is what its owner believes: it is not
//! checked, it tells neither side whether the other exists, and it gives nobody any right.

use super::{CHANGE, event, in_use};
use async_graphql::InputObject;
use entities::{
    external_party::{self, ExternalParty, ExternalPartyId},
    loading::{self, Seen, expect_version},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Error, Kind, OrganizationId, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalPartyLinkInput {
    #[garde(skip)]
    pub id: ExternalPartyId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    /// The organization that it is; null takes the link away.
    #[garde(skip)]
    pub organization_id: Option<OrganizationId>,
}

pub struct Link;

impl Procedure for Link {
    const NAME: &'static str = "externalParty/v1/link";
    const ABOUT: &'static str = "Notes which organization an outside party is. Gives it no right.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::ExternalPartyArchived];
    type Input = ExternalPartyLinkInput;
    type Output = ExternalParty;
    type Subject = Seen<external_party::Model>;

    fn example() -> ExternalPartyLinkInput {
        ExternalPartyLinkInput {
            id: ExternalPartyId(uuid::uuid!("01920000-0000-7000-8000-0000000000b1")),
            version: 1,
            organization_id: Some(uuid::uuid!("01920000-0000-7000-8000-0000000000f2").into()),
        }
    }

    async fn subject(cx: &Context, input: &ExternalPartyLinkInput) -> Result<Self::Subject> {
        loading::one(cx, external_party::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: ExternalPartyLinkInput) -> Result<ExternalParty> {
        let ExternalPartyLinkInput { id: _, version, organization_id } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        in_use(&row)?;
        if organization_id == Some(row.organization_id) {
            let refused = Error::new(Code::InvalidInput);
            return Err(refused.field("organizationId", "OWN_ORGANIZATION", "an organization is no outside party to itself"));
        }
        let version = row.version + 1;
        let mut row = row.into_active_model();
        row.linked_organization_id = Set(organization_id);
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        let change = Change::fields(&["linkedOrganizationId"]).id("linkedOrganizationId", organization_id.map(|id| id.0));
        cx.changed(event("external_party.linked", &row, change));
        Ok(row.into())
    }
}
