//! One error, two audiences: code, message and fields are for the caller; the cause goes to the
//! trace and nowhere else. The type has no `Display` on purpose: a blanket `?` into a transport's
//! error type would leak inner text.

use schemars::JsonSchema;
use sea_orm::{DbErr, RuntimeErr};
use serde::{Deserialize, Serialize};

pub type Result<T, E = Error> = std::result::Result<T, E>;
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Type {
    Validation,
    Authentication,
    Authorization,
    NotFound,
    Conflict,
    RateLimit,
    Unavailable,
    Internal,
}

impl Type {
    pub fn http_status(self) -> u16 {
        match self {
            Type::Validation => 422,
            Type::Authentication => 401,
            Type::Authorization => 403,
            Type::NotFound => 404,
            Type::Conflict => 409,
            Type::RateLimit => 429,
            Type::Unavailable => 503,
            Type::Internal => 500,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Type::Validation => "VALIDATION",
            Type::Authentication => "AUTHENTICATION",
            Type::Authorization => "AUTHORIZATION",
            Type::NotFound => "NOT_FOUND",
            Type::Conflict => "CONFLICT",
            Type::RateLimit => "RATE_LIMIT",
            Type::Unavailable => "UNAVAILABLE",
            Type::Internal => "INTERNAL",
        }
    }
}

/// One thing that a caller can be told went wrong. It is declared beside the verb that says it, and is part of the contract.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(&'static Said);

/// The text of a code.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub name: &'static str,
    pub error_type: Type,
    /// Another status than the type's.
    pub status: Option<u16>,
    /// The message when nobody says it better.
    pub message: &'static str,
}

impl Code {
    pub const fn of(said: &'static Said) -> Self {
        Code(said)
    }

    pub fn as_str(self) -> &'static str {
        self.0.name
    }

    pub fn error_type(self) -> Type {
        self.0.error_type
    }

    pub fn message(self) -> &'static str {
        self.0.message
    }

    pub fn http_status(self) -> u16 {
        self.0.status.unwrap_or(self.0.error_type.http_status())
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

/// Declares the codes of a domain, beside the verbs that say them.
#[macro_export]
macro_rules! codes {
    ($($name:ident: $type:ident, $message:literal;)*) => {
        $(
            #[doc = $message]
            pub const $name: $crate::Code = $crate::Code::of(&$crate::Said {
                name: stringify!($name),
                error_type: $crate::Type::$type,
                status: None,
                message: $message,
            });
        )*
    };
}

macro_rules! general {
    ($($name:ident: $type:ident, $status:expr, $message:literal;)*) => {
        impl Code {
            $(
                #[doc = $message]
                pub const $name: Code =
                    Code(&Said { name: stringify!($name), error_type: Type::$type, status: $status, message: $message });
            )*

            /// The codes that belong to no domain.
            pub const GENERAL: &'static [Code] = &[$(Code::$name,)*];
        }
    };
}

general! {
    MALFORMED_JSON: Validation, Some(400), "The body is not valid JSON.";
    UNSUPPORTED_MEDIA_TYPE: Validation, Some(415), "Send the body as application/json.";
    NOT_ACCEPTABLE: Validation, Some(406), "Subscriptions are answered as text/event-stream or multipart/mixed, or over graphql-transport-ws.";
    BODY_TOO_LARGE: Validation, Some(413), "The body is larger than this server accepts.";
    METHOD_NOT_ALLOWED: Validation, Some(405), "This address does not answer that method.";
    UNKNOWN_PATH: NotFound, None, "There is nothing at this address.";
    UNKNOWN_PROCEDURE: NotFound, None, "There is no such procedure.";
    UNKNOWN_VERSION: NotFound, None, "The procedure exists, but not in that version.";
    INVALID_INPUT: Validation, None, "The input is not valid; see field_errors.";
    INVALID_CURSOR: Validation, None, "The cursor does not belong to this list and ordering.";
    CURSOR_EXPIRED: Conflict, Some(410), "The cursor cannot be gone on from; read anew, then follow from there.";
    GRAPHQL_PARSE_FAILED: Validation, Some(400), "The document is not valid GraphQL.";
    GRAPHQL_VALIDATION_FAILED: Validation, Some(400), "The document does not fit the schema.";
    IDEMPOTENCY_KEY_REQUIRED: Validation, None, "A mutation needs an idempotencyKey.";
    IDEMPOTENCY_KEY_INVALID: Validation, None, "The idempotencyKey is not a UUID.";
    IDEMPOTENCY_KEY_REUSED: Conflict, None, "This idempotencyKey was used with another input; nothing was done.";
    AUTHENTICATION_REQUIRED: Authentication, None, "Send a bearer token.";
    TOKEN_INVALID: Authentication, None, "The token is not accepted here.";
    TOKEN_EXPIRED: Authentication, None, "The token has expired.";
    ORGANIZATION_REQUIRED: Validation, Some(400), "Name the acting organization in the header X-Organization-Id.";
    ORGANIZATION_INVALID: Validation, Some(400), "The header X-Organization-Id is not a UUID.";
    ORGANIZATION_NOT_FOUND: NotFound, None, "There is no such organization, or you may not act for it.";
    GRANT_INVALID: Validation, Some(400), "The header X-Grant-Id is not a UUID.";
    GRANT_NOT_FOUND: NotFound, None, "There is no such grant to your organization, or it does not count now.";
    FORBIDDEN: Authorization, None, "Your role does not allow this.";
    AUTONOMY_BLOCKED: Authorization, None, "An agent may recommend this; a person must do it.";
    AUTHORITY_LOST: Authorization, None, "The right to do this was withdrawn before it was done.";
    NOT_FOUND: NotFound, None, "There is no such thing, or you may not see it.";
    VERSION_CONFLICT: Conflict, None, "It was changed by someone else; read it again.";
    UNAVAILABLE: Unavailable, None, "A part of the service is not available; try again with the same key.";
    TOO_MANY_SUBSCRIPTIONS: RateLimit, None, "This connection has as many subscriptions as it may have.";
    SLOW_READER: Unavailable, None, "The events were not read as fast as they came; go on from the cursor.";
    SHUTTING_DOWN: Unavailable, None, "This instance is going away; try again with the same key.";
    OPERATION_GAVE_UP: Unavailable, None, "It was tried too often without success and was given up; nothing was done.";
    INTERNAL: Internal, None, "Something went wrong on our side.";
}

codes! {
    // For kinds that have no code of their own for it; `details.kind` says which kind it is.
    ARCHIVED: Conflict, "It is archived.";
    NOT_ARCHIVED: Conflict, "It is not archived.";
    ENDED: Conflict, "It has ended.";
    TAKEN: Conflict, "Another one has that already.";
    INVALID_TRANSITION: Conflict, "It cannot go there from where it stands; see details.allowed.";
}

impl Code {
    /// What any procedure can answer, beyond what it declares itself.
    pub const COMMON: &'static [Code] = &[
        Code::MALFORMED_JSON,
        Code::UNSUPPORTED_MEDIA_TYPE,
        Code::BODY_TOO_LARGE,
        Code::INVALID_INPUT,
        Code::AUTHENTICATION_REQUIRED,
        Code::TOKEN_INVALID,
        Code::TOKEN_EXPIRED,
        Code::ORGANIZATION_REQUIRED,
        Code::ORGANIZATION_INVALID,
        Code::ORGANIZATION_NOT_FOUND,
        Code::GRANT_INVALID,
        Code::GRANT_NOT_FOUND,
        Code::FORBIDDEN,
        Code::NOT_FOUND,
        Code::UNAVAILABLE,
        Code::SHUTTING_DOWN,
        Code::INTERNAL,
    ];
    /// What any mutation can answer besides.
    pub const MUTATION: &'static [Code] = &[
        Code::IDEMPOTENCY_KEY_REQUIRED,
        Code::IDEMPOTENCY_KEY_INVALID,
        Code::IDEMPOTENCY_KEY_REUSED,
        Code::AUTONOMY_BLOCKED,
        Code::AUTHORITY_LOST,
        Code::OPERATION_GAVE_UP,
    ];
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// Path of the field in the input, camelCase, list positions as numbers: `address.postalCode`.
    pub field: String,
    pub code: String,
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
    cause: Option<Cause>,
}

impl Error {
    pub fn new(code: Code) -> Self {
        Error(Box::new(Inner { code, message: None, field_errors: Vec::new(), details: None, cause: None }))
    }

    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    pub fn field(mut self, field: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.field_errors.push(FieldError { field: field.into(), code: code.into(), message: message.into() });
        self
    }

    pub fn fields(mut self, fields: Vec<FieldError>) -> Self {
        self.0.field_errors.extend(fields);
        self
    }

    /// What a program can act on, such as the current version of a conflict.
    pub fn details(mut self, details: serde_json::Value) -> Self {
        self.0.details = Some(details);
        self
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

    /// The same for another field or caller: what it says, and its cause as text.
    pub fn again(&self) -> Self {
        let mut again = Error::new(self.code()).fields(self.field_errors().to_vec());
        again.0.message.clone_from(&self.0.message);
        again.0.details.clone_from(&self.0.details);
        again.0.cause = self.0.cause.as_ref().map(|cause| format!("{cause:?}").into());
        again
    }

    pub fn retryable(&self) -> bool {
        // What was given up stays so, whoever asks again.
        matches!(self.0.code.error_type(), Type::Unavailable | Type::RateLimit) && self.0.code != Code::OPERATION_GAVE_UP
    }

    /// Puts the cause where operators look. Called once, where the error leaves the house.
    pub fn trace(&self) {
        let code = self.0.code.as_str();
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
        serde_json::json!({ "error": error, "field_errors": self.field_errors(), "trace_id": trace_id })
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if store::transient(&error) { Error::unavailable(error) } else { Error::internal(error) }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
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

/// Names the constraint where it can fire.
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
