//! Errors as a form shows them: typed, in the payload of the mutation that they are about.

use crate::{Code, Date, Error, FieldCode, Time, Type};
use async_graphql::{
    ContextSelectionSet, Name, OutputType, Positioned, ServerResult, SimpleObject, Value,
    indexmap::IndexMap,
    parser::types::Field,
    registry::{MetaEnumValue, MetaType, MetaTypeId, Registry},
};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, sync::OnceLock};

/// A mistake that a form can show.
#[derive(Debug, Clone, SimpleObject)]
pub struct UserError {
    /// The code of the whole answer, such as `INVALID_INPUT`.
    pub code: ErrorCode,
    /// The path of the field in the input, list positions as numbers: `address.postalCode`. Null: the mistake is in no one field.
    pub field: Option<String>,
    /// The mistake in that field.
    pub field_code: Option<FieldCode>,
    /// The mistake in words, in English.
    pub message: String,
    /// The facts behind the refusal, if it has any.
    pub details: Option<ErrorDetails>,
}

/// The facts behind a refusal, for a program to act on. Those that the refusal does not have are null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
pub struct ErrorDetails {
    /// The version that the thing has now.
    pub current_version: Option<i32>,
    /// The time when it was changed last.
    pub changed_at: Option<Time>,
    /// The action that was refused, such as `archive`.
    pub action: Option<String>,
    /// The kind of thing that it is about, such as `property`.
    pub kind: Option<String>,
    /// The states that the thing can go to from where it stands.
    pub allowed: Option<Vec<String>>,
    /// The share that is still free, in hundredths of a percent.
    pub free_basis_points: Option<i32>,
    /// The first day on which no more is free.
    pub from: Option<Date>,
    /// The things of which as many are there as may be.
    pub quota: Option<String>,
    /// The most of them that may be there.
    pub most: Option<u32>,
    /// The reasons of a guard.
    pub reasons: Option<Vec<String>>,
}

impl UserError {
    /// The mistakes of a refusal: one for each field that it names, or one without a field. A failure of ours is none of them.
    pub fn of(error: &Error) -> Vec<UserError> {
        let code = error.code();
        if matches!(code.error_type(), Type::Unavailable | Type::Internal | Type::RateLimit | Type::Authentication) {
            return Vec::new();
        }
        let details: Option<ErrorDetails> = error
            .detail()
            .and_then(|details| serde_json::from_value(details.clone()).ok())
            .filter(|details| *details != ErrorDetails::default());
        let told = |field: Option<String>, field_code, message: &str| UserError {
            code: ErrorCode(code),
            field,
            field_code,
            message: message.to_owned(),
            details: details.clone(),
        };
        match error.field_errors() {
            [] => vec![told(None, None, error.text())],
            fields => fields.iter().map(|one| told(Some(one.field.clone()), Some(one.code), &one.message)).collect(),
        }
    }
}

/// The code of an error, as the contract lists them.
#[derive(Debug, Clone, Copy)]
pub struct ErrorCode(pub Code);

static CODES: OnceLock<Vec<Code>> = OnceLock::new();

/// Makes the codes known, before a schema is made.
pub fn declare_codes(codes: &[Code]) {
    CODES.get_or_init(|| codes.to_vec());
}

#[async_trait]
impl OutputType for ErrorCode {
    fn type_name() -> Cow<'static, str> {
        "ErrorCode".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Enum, |_| {
            let value = |code: &Code| {
                let value = MetaEnumValue { description: Some(code.message().to_owned()), ..MetaEnumValue::new(code.as_str()) };
                (code.as_str().to_owned(), value)
            };
            MetaType::Enum {
                name: "ErrorCode".into(),
                description: Some("The code of an error.".into()),
                enum_values: CODES.get().into_iter().flatten().map(value).collect::<IndexMap<_, _>>(),
                visible: None,
                inaccessible: false,
                tags: Vec::new(),
                rust_typename: Some(std::any::type_name::<Self>()),
                directive_invocations: Vec::new(),
                requires_scopes: Vec::new(),
            }
        })
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Enum(Name::new(self.0.as_str())))
    }
}
