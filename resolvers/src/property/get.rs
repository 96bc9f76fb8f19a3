use async_graphql::InputObject;
use entities::{
    loading::{self, Seen},
    property::{self, Property, PropertyId},
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Procedure, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyGetInput {
    #[garde(skip)]
    pub id: PropertyId,
}

pub struct Get;

impl Procedure for Get {
    const NAME: &'static str = "property/v1/get";
    const ABOUT: &'static str = "One property of the acting organization.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[];
    type Input = PropertyGetInput;
    type Output = Property;
    type Subject = Seen<property::Model>;

    fn example() -> PropertyGetInput {
        PropertyGetInput { id: PropertyId(uuid::uuid!("01920000-0000-7000-8000-0000000000a1")) }
    }

    async fn subject(cx: &Context, input: &PropertyGetInput) -> Result<Self::Subject> {
        loading::one(cx, property::by_id(cx.organization(), input.id)).await
    }

    async fn handle(_: &Context, allowed: Allowed<Self::Subject>, _: PropertyGetInput) -> Result<Property> {
        Ok(allowed.into_subject().row.into())
    }
}
