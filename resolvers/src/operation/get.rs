use async_graphql::InputObject;
use entities::{
    loading::{self, Seen},
    operation,
};
use garde::Validate;
use schema::{Allowed, Code, Context, Kind, Operation, OperationId, Procedure, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationGetInput {
    #[garde(skip)]
    pub id: OperationId,
}

pub struct Get;

impl Procedure for Get {
    const NAME: &'static str = "operation/v1/get";
    const ABOUT: &'static str = "One recorded mutation of the acting organization.";
    const KIND: Kind = Kind::Read;
    const ERRORS: &'static [Code] = &[];
    type Input = OperationGetInput;
    type Output = Operation;
    type Subject = Seen<operation::Model>;

    fn example() -> OperationGetInput {
        OperationGetInput { id: OperationId(uuid::uuid!("01920000-0000-7000-8000-0000000000d1")) }
    }

    async fn subject(cx: &Context, input: &OperationGetInput) -> Result<Self::Subject> {
        loading::one(cx, operation::by_id(cx.organization(), input.id)).await
    }

    async fn handle(_: &Context, allowed: Allowed<Self::Subject>, _: OperationGetInput) -> Result<Operation> {
        Ok(allowed.into_subject().row.into())
    }
}
