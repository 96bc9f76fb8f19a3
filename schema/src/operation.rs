//! The record of a mutation: committed before its workflow starts, holding the outcome after.

use crate::{AccessGrantId, Code, Error, FieldError, OperationId, OrganizationId, PrincipalId, PrincipalKind, Time, text_enum};
use async_graphql::{
    ComplexObject, ServerResult, SimpleObject,
    registry::{MetaField, Registry},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::OnceLock;
use uuid::Uuid;

text_enum!(
    /// Where an operation stands.
    OperationState {
        /// To be begun again.
        Queued = "QUEUED",
        Running = "RUNNING",
        /// Proposed; waits for a named person.
        AwaitingApproval = "AWAITING_APPROVAL",
        Completed = "COMPLETED",
        /// Ended without effect; the error says why.
        Failed = "FAILED",
        Cancelled = "CANCELLED",
        /// Nothing was done; the next request with the same key tries again, and so does the gateway itself.
        Retryable = "RETRYABLE",
    }
);

impl OperationState {
    /// Whether the state is final.
    pub fn ended(self) -> bool {
        matches!(self, OperationState::Completed | OperationState::Failed | OperationState::Cancelled)
    }
}

/// The error that an operation ended with, as it was first answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(name = "OperationError")]
pub struct OperationError {
    pub code: String,
    pub message: String,
}

/// What every mutation answers with, and what can be asked for later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(complex)]
pub struct Operation {
    pub id: OperationId,
    /// Who it was done for.
    pub organization_id: OrganizationId,
    /// The procedure's name, such as `property/v1/create`.
    pub procedure: String,
    pub idempotency_key: Uuid,
    pub state: OperationState,
    /// How many times it was begun.
    pub attempt: i32,
    /// Who asked for it.
    pub initiator: PrincipalId,
    pub initiator_kind: PrincipalKind,
    pub error: Option<OperationError>,
    pub trace_id: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
    /// After this the outcome may be forgotten, and the key with it. Unfinished operations stay.
    pub expires_at: Option<Time>,
}

/// Fields of an operation that are declared above the contract, such as who asked for it.
#[async_trait]
pub trait OperationFields: Send + Sync {
    fn fields(&self, registry: &mut Registry) -> Vec<(String, MetaField)>;
    async fn resolve(&self, of: &Operation, cx: &async_graphql::Context<'_>) -> ServerResult<Option<async_graphql::Value>>;
}

static FIELDS: OnceLock<&'static dyn OperationFields> = OnceLock::new();

/// Makes those fields known, before a schema is made.
pub fn declare_operation_fields(fields: &'static dyn OperationFields) {
    FIELDS.get_or_init(|| fields);
}

#[async_trait]
impl ComplexObject for Operation {
    fn fields(registry: &mut Registry) -> Vec<(String, MetaField)> {
        FIELDS.get().map_or_else(Vec::new, |declared| declared.fields(registry))
    }

    async fn resolve_field(&self, cx: &async_graphql::Context<'_>) -> ServerResult<Option<async_graphql::Value>> {
        match FIELDS.get() {
            Some(declared) => declared.resolve(self, cx).await,
            None => Ok(None),
        }
    }
}

/// An outcome as it is stored: a result or a refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Result(Value),
    Refusal(StoredError),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredError {
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub field_errors: Vec<FieldError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl From<&Error> for StoredError {
    fn from(error: &Error) -> Self {
        StoredError {
            code: error.code().as_str().to_owned(),
            message: error.text().to_owned(),
            field_errors: error.field_errors().to_vec(),
            details: error.detail().cloned(),
        }
    }
}

impl StoredError {
    /// The error as it was first answered, with the code of this name.
    pub fn again(self, code: Code) -> Error {
        let error = Error::new(code).message(self.message).fields(self.field_errors);
        match self.details {
            Some(details) => error.details(details),
            None => error,
        }
    }
}

/// The facts that the decision rested on; compared again inside the domain transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// `authority_epoch` of (organization, principal) when it was judged.
    pub epoch: i64,
    /// The grant that the operation was asked through, and `authority_epoch` of (grantor, grantee) then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<(AccessGrantId, i64)>,
    /// The rest of the facts that the policy was told of the actor. Stored under its former name.
    #[serde(default, rename = "standing")]
    pub policy_facts: String,
    /// The judged subject, as a hash of kind, id, version and attributes.
    pub judged: String,
    pub decided_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewOperation {
    pub organization: OrganizationId,
    pub target: Option<OrganizationId>,
    pub id: OperationId,
    pub procedure: &'static str,
    pub key: Uuid,
    pub fingerprint: Vec<u8>,
    pub principal: PrincipalId,
    pub principal_kind: PrincipalKind,
    pub claim: Claim,
    pub traceparent: Option<String>,
    pub trace_id: Option<String>,
    pub payload: Value,
    pub now: DateTime<Utc>,
}

/// An operation as the waist needs it.
#[derive(Debug, Clone)]
pub struct OperationRow {
    pub view: Operation,
    pub fingerprint: Vec<u8>,
    pub claim: Claim,
    pub traceparent: Option<String>,
    pub payload: Option<Value>,
    pub outcome: Option<Outcome>,
}
