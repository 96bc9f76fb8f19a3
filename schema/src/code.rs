//! The error codes that a caller can receive, each with its type, its HTTP status and a default message.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// An error code that a caller can receive. A code is declared beside the verb that returns it, and is part of the contract.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(&'static Said);

/// A code's name, type, status and message.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub name: &'static str,
    pub error_type: Type,
    /// The HTTP status, where it is not the type's.
    pub status: Option<u16>,
    /// The default message.
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

impl Code {
    /// Whether an answer with this code spends the idempotency key: only a handler's own decision on rows that it had locked does.
    /// After any other refusal nothing was done, and the same key may be sent again, with the same input or with a mended one.
    pub fn spends_key(self) -> bool {
        const NOT_DECIDED: &[Code] =
            &[Code::VERSION_CONFLICT, Code::QUOTA_EXCEEDED, Code::IDEMPOTENCY_KEY_REUSED, Code::CURSOR_EXPIRED];
        self.error_type() == Type::Conflict && !NOT_DECIDED.contains(&self)
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

/// Declares the codes of a domain, beside the verbs that return them.
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
    HOST_INVALID: Validation, Some(400), "Name the host once, in one Host header.";
    METHOD_NOT_ALLOWED: Validation, Some(405), "This address does not answer that method.";
    UNKNOWN_PATH: NotFound, None, "There is nothing at this address.";
    UNKNOWN_PROCEDURE: NotFound, None, "There is no such procedure.";
    UNKNOWN_VERSION: NotFound, None, "The procedure exists, but not in that version.";
    INVALID_INPUT: Validation, None, "The input is not valid; see field_errors.";
    INVALID_CURSOR: Validation, None, "The cursor does not belong to this list and ordering.";
    CURSOR_EXPIRED: Conflict, Some(410), "The cursor cannot be gone on from; read anew, then follow from there.";
    GRAPHQL_PARSE_FAILED: Validation, Some(400), "The document is not valid GraphQL.";
    GRAPHQL_VALIDATION_FAILED: Validation, Some(400), "The document does not fit the schema.";
    PERSISTED_QUERY_NOT_SUPPORTED: Validation, Some(400), "Persisted queries are not kept here; send the document.";
    ORIGIN_NOT_ALLOWED: Authorization, None, "Pages of this origin may not connect; see HESTAMI_ORIGINS.";
    IDEMPOTENCY_KEY_REQUIRED: Validation, None, "A mutation needs an idempotencyKey.";
    IDEMPOTENCY_KEY_INVALID: Validation, None, "The idempotencyKey is not a UUID.";
    IDEMPOTENCY_KEY_REUSED: Conflict, None, "This idempotencyKey was used with another input; nothing was done.";
    AUTHENTICATION_REQUIRED: Authentication, None, "Send a bearer token.";
    TOKEN_INVALID: Authentication, None, "The token is not accepted here.";
    TOKEN_EXPIRED: Authentication, None, "The token has expired.";
    PRINCIPAL_BLOCKED: Authorization, None, "You are blocked; ask whoever runs this deployment.";
    EMAIL_UNVERIFIED: Authorization, None, "Sign in with a verified e-mail address first.";
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
    QUOTA_EXCEEDED: Conflict, None, "As many of these are there as may be; see details.quota.";
    QUERY_TOO_COSTLY: Validation, Some(400), "The document may touch more rows than one request may.";
    FIGURE_TOO_LARGE: Validation, None, "A sum has more than 53 bits, and clients would misread it; ask for a narrower one.";
    ANSWER_TOO_LARGE: Validation, None, "The answer would be larger than an answer may be; ask for less at a time.";
    DEADLINE_EXCEEDED: Unavailable, None, "It took longer than a request may; ask for less at a time.";
    UNAVAILABLE: Unavailable, None, "A part of the service is not available; try again with the same key.";
    RATE_LIMITED: RateLimit, None, "More is asked for than may be in a while; try again after retry_after seconds.";
    TOO_MANY_CONNECTIONS: RateLimit, None, "You have as many live connections as you may have.";
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
    /// The codes that any procedure can answer, besides those that it declares.
    pub const COMMON: &'static [Code] = &[
        Code::MALFORMED_JSON,
        Code::UNSUPPORTED_MEDIA_TYPE,
        Code::BODY_TOO_LARGE,
        Code::INVALID_INPUT,
        Code::AUTHENTICATION_REQUIRED,
        Code::TOKEN_INVALID,
        Code::TOKEN_EXPIRED,
        Code::PRINCIPAL_BLOCKED,
        Code::ORGANIZATION_REQUIRED,
        Code::ORGANIZATION_INVALID,
        Code::ORGANIZATION_NOT_FOUND,
        Code::GRANT_INVALID,
        Code::GRANT_NOT_FOUND,
        Code::FORBIDDEN,
        Code::NOT_FOUND,
        Code::RATE_LIMITED,
        Code::ANSWER_TOO_LARGE,
        Code::FIGURE_TOO_LARGE,
        Code::DEADLINE_EXCEEDED,
        Code::UNAVAILABLE,
        Code::SHUTTING_DOWN,
        Code::INTERNAL,
    ];
    /// The codes that any mutation can answer as well.
    pub const MUTATION: &'static [Code] = &[
        Code::IDEMPOTENCY_KEY_REQUIRED,
        Code::IDEMPOTENCY_KEY_INVALID,
        Code::IDEMPOTENCY_KEY_REUSED,
        Code::AUTONOMY_BLOCKED,
        Code::AUTHORITY_LOST,
        Code::QUOTA_EXCEEDED,
        Code::OPERATION_GAVE_UP,
    ];
}
