//! One error, two audiences: code, message and fields are for the caller; the cause goes to the
//! trace and nowhere else. The type has no `Display` on purpose: a blanket `?` into a transport's
//! error type would leak inner text.

use crate::{Carried, Code, FieldCode, Type};
use schemars::JsonSchema;
use sea_orm::{DbErr, RuntimeErr};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// Path of the field in the input, camelCase, list positions as numbers: `address.postalCode`.
    pub field: String,
    pub code: FieldCode,
    pub message: String,
}

#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: Option<String>,
    field_errors: Vec<FieldError>,
    details: Option<serde_json::Value>,
    wait: Option<Duration>,
    cause: Option<Cause>,
}

impl Error {
    pub fn new(code: Code) -> Self {
        Error(Box::new(Inner { code, message: None, field_errors: Vec::new(), details: None, wait: None, cause: None }))
    }

    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    pub fn field(mut self, field: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        self.0.field_errors.push(FieldError { field: field.into(), code: FieldCode::named(code), message: message.into() });
        self
    }

    pub fn fields(mut self, fields: Vec<FieldError>) -> Self {
        self.0.field_errors.extend(fields);
        self
    }

    /// Details for a program to act on, such as the current version of a conflict.
    pub fn details(mut self, details: serde_json::Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// The request may be sent again after this.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.wait = Some(wait);
        self
    }

    pub fn wait(&self) -> Option<Duration> {
        self.0.wait
    }

    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    pub fn internal(cause: impl Into<Cause>) -> Self {
        Error::new(Code::INTERNAL).because(cause)
    }

    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        Error::new(Code::UNAVAILABLE).because(cause)
    }

    /// One field of the input is refused.
    pub fn invalid(field: impl Into<String>, code: &str, message: &str) -> Self {
        Error::new(Code::INVALID_INPUT).field(field, code, message)
    }

    pub fn conflict(current_version: i32) -> Self {
        Error::new(Code::VERSION_CONFLICT)
            .message(format!("It was changed by someone else; its version is now {current_version}."))
            .details(serde_json::json!({ "currentVersion": current_version }))
    }

    pub fn code(&self) -> Code {
        self.0.code
    }

    pub fn text(&self) -> &str {
        self.0.message.as_deref().unwrap_or(self.0.code.message())
    }

    pub fn field_errors(&self) -> &[FieldError] {
        &self.0.field_errors
    }

    pub fn detail(&self) -> Option<&serde_json::Value> {
        self.0.details.as_ref()
    }

    pub fn cause(&self) -> Option<&Cause> {
        self.0.cause.as_ref()
    }

    /// A copy of the error for another field or caller, with the cause as text.
    pub fn again(&self) -> Self {
        let mut again = Error::new(self.code()).fields(self.field_errors().to_vec());
        again.0.message.clone_from(&self.0.message);
        again.0.details.clone_from(&self.0.details);
        again.0.wait = self.0.wait;
        again.0.cause = self.0.cause.as_ref().map(|cause| format!("{cause:?}").into());
        again
    }

    pub fn retryable(&self) -> bool {
        // An operation that was given up stays so, however often it is asked for.
        matches!(self.0.code.error_type(), Type::Unavailable | Type::RateLimit) && self.0.code != Code::OPERATION_GAVE_UP
    }

    /// Traces the cause for operators. Called once, where the error leaves the gateway.
    pub fn trace(&self) {
        let code = self.0.code.as_str();
        let quiet = self.0.cause.is_none() && self.0.code.error_type() != Type::Internal;
        if !quiet && !Carried::logs() {
            return;
        }
        match (&self.0.cause, self.0.code.error_type()) {
            (cause, Type::Internal) => tracing::error!(error.code = code, cause = ?cause, "request failed"),
            (Some(cause), _) => tracing::warn!(error.code = code, cause = ?cause, "request failed"),
            (None, _) => tracing::debug!(error.code = code, "request refused"),
        }
    }

    /// The envelope of every surface.
    pub fn envelope(&self, trace_id: &str) -> serde_json::Value {
        let mut error = serde_json::json!({
            "code": self.code().as_str(),
            "type": self.code().error_type().as_str(),
            "message": self.text(),
            "retryable": self.retryable(),
        });
        if let Some(details) = self.detail() {
            error["details"] = details.clone();
        }
        if let Some(wait) = self.wait() {
            error["retry_after"] = wait.as_secs().into();
        }
        serde_json::json!({ "error": error, "field_errors": self.field_errors(), "trace_id": trace_id })
    }
}

impl From<store::Unreached> for Error {
    fn from(reason: store::Unreached) -> Self {
        match reason {
            store::Unreached::Failed(error) => error.into(),
            store::Unreached::TooMany => {
                let message = format!("a request reaches at most {} organizations", store::MOST_ACROSS);
                Error::invalid("first", "TOO_MANY_ORGANIZATIONS", &message)
            }
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if store::transient(&error) { Error::unavailable(error) } else { Error::internal(error) }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if store::TooMuch::is(&error) {
            return Error::new(Code::ANSWER_TOO_LARGE);
        }
        let transient = match &error {
            DbErr::ConnectionAcquire(_) => true,
            DbErr::Conn(RuntimeErr::SqlxError(inner))
            | DbErr::Exec(RuntimeErr::SqlxError(inner))
            | DbErr::Query(RuntimeErr::SqlxError(inner)) => store::transient(inner),
            _ => false,
        };
        if transient { Error::unavailable(error) } else { Error::internal(error) }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Error::internal(error)
    }
}

/// Turns the violation of a named constraint into a refusal, at the statement that can violate it.
pub trait Constraint<T> {
    fn taken(self, constraint: &str, refusal: impl FnOnce() -> Error) -> Result<T>;
}

impl<T, E: Into<Error>> Constraint<T> for std::result::Result<T, E> {
    fn taken(self, constraint: &str, refusal: impl FnOnce() -> Error) -> Result<T> {
        self.map_err(|error| {
            let error = error.into();
            let failed = error.cause().and_then(|cause| cause.downcast_ref::<DbErr>());
            if failed.is_some_and(|failed| store::violates(failed, constraint)) { refusal() } else { error }
        })
    }
}
