use async_graphql::InputObject;
use entities::{
    loading::{self, Seen},
    organization::{self, Organization},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, OrganizationId, Procedure, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrganizationGetInput {
    #[garde(skip)]
    pub id: OrganizationId,
}

pub struct Get;

impl Procedure for Get {
    const NAME: &'static str = "organization/v1/get";
    const ABOUT: &'static str = "An organization that the acting one may see: itself.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[];
    type Input = OrganizationGetInput;
    type Output = Organization;
    type Subject = Seen<organization::Model>;

    fn example() -> OrganizationGetInput {
        OrganizationGetInput { id: OrganizationId(uuid::uuid!("01920000-0000-7000-8000-0000000000f1")) }
    }

    async fn subject(cx: &Context, input: &OrganizationGetInput) -> Result<Self::Subject> {
        loading::one(cx, organization::of(input.id)).await
    }

    async fn handle(_: &Context, allowed: Allowed<Self::Subject>, _: OrganizationGetInput) -> Result<Organization> {
        Ok(allowed.into_subject().row.into())
    }
}
