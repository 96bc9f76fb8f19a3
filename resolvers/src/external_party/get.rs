use async_graphql::InputObject;
use entities::{
    external_party::{self, ExternalParty, ExternalPartyId},
    loading::{self, Seen},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Procedure, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalPartyGetInput {
    #[garde(skip)]
    pub id: ExternalPartyId,
}

pub struct Get;

impl Procedure for Get {
    const NAME: &'static str = "externalParty/v1/get";
    const ABOUT: &'static str = "One outside party of the acting organization.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[];
    type Input = ExternalPartyGetInput;
    type Output = ExternalParty;
    type Subject = Seen<external_party::Model>;

    fn example() -> ExternalPartyGetInput {
        ExternalPartyGetInput { id: ExternalPartyId(uuid::uuid!("01920000-0000-7000-8000-0000000000b1")) }
    }

    async fn subject(cx: &Context, input: &ExternalPartyGetInput) -> Result<Self::Subject> {
        loading::one(cx, external_party::by_id(cx.organization(), input.id)).await
    }

    async fn handle(_: &Context, allowed: Allowed<Self::Subject>, _: ExternalPartyGetInput) -> Result<ExternalParty> {
        Ok(allowed.into_subject().row.into())
    }
}
