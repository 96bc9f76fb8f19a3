//! The parts that both HTTP surfaces share: caller, body and error envelope. Surfaces translate, they never decide.

mod origins;
mod pieces;
mod unique;

pub use origins::Origins;
pub use pieces::pieces;
pub use unique::parse;

use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Limited};
use schema::{AccessGrantId, Caller, Code, Error, Gateway, OrganizationId, Result, SignedIn};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

pub const ORGANIZATION: &str = "x-organization-id";
/// The header that names a grant, to work in the organization that gave it.
pub const GRANT: &str = "x-grant-id";

/// The gateway that a surface is mounted on, and its limits.
#[derive(Clone)]
pub struct Mount {
    pub gateway: Arc<Gateway>,
    /// The largest body that is read, in bytes.
    pub body_limit: usize,
    /// The pages in browsers that may call.
    pub origins: Origins,
}

/// The principal behind the token, and the acting organization if one is named.
pub async fn caller(gateway: &Gateway, headers: &HeaderMap) -> Result<Caller> {
    if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(Error::new(Code::TOKEN_INVALID).message("Send one Authorization header."));
    }
    let organization = id(headers, ORGANIZATION, Code::ORGANIZATION_INVALID);
    // A wrong header is told to those who have a token.
    let named = organization.as_ref().ok().copied().flatten().map(OrganizationId);
    let signed_in = gateway.identity.principal(bearer(headers), named).await?;
    let organization = organization?.map(OrganizationId);
    let grant = id(headers, GRANT, Code::GRANT_INVALID)?.map(AccessGrantId);
    let SignedIn { principal, kind, client, token, until } = signed_in;
    Ok(Caller { principal, kind, organization, grant, client, token, until })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn id(headers: &HeaderMap, name: &str, invalid: Code) -> Result<Option<Uuid>> {
    let mut named = headers.get_all(name).iter();
    let Some(first) = named.next() else { return Ok(None) };
    let id = first.to_str().ok().and_then(|text| text.trim().parse().ok());
    match (id, named.next()) {
        (Some(id), None) => Ok(Some(id)),
        _ => Err(Error::new(invalid)),
    }
}

/// A body of JSON, no larger than the limit.
pub async fn json(headers: &HeaderMap, body: Body, limit: usize) -> Result<Value> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        return Err(Error::new(Code::UNSUPPORTED_MEDIA_TYPE));
    }
    let charset = content_type.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
    let mut others = charset
        .filter(|(name, value)| name.eq_ignore_ascii_case("charset") && !value.trim_matches('"').eq_ignore_ascii_case("utf-8"));
    if others.next().is_some() {
        return Err(Error::new(Code::UNSUPPORTED_MEDIA_TYPE).message("Send the body in UTF-8."));
    }
    let plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Err(Error::new(Code::UNSUPPORTED_MEDIA_TYPE).message("Send the body as it is, without a content coding."));
    }
    let bytes = bytes(body, limit).await?;
    parse(&bytes).map_err(|problem| {
        let twice = problem.is_data();
        let said = if twice { "says a key twice" } else { "is not valid JSON" };
        let place = format!("The body {said}: line {}, column {}.", problem.line(), problem.column());
        Error::new(Code::MALFORMED_JSON).message(place)
    })
}

/// The longest time that a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

async fn bytes(body: Body, limit: usize) -> Result<Bytes> {
    let whole = tokio::time::timeout(BODY_TIME, Limited::new(body, limit).collect());
    let Ok(collected) = whole.await else {
        return Err(Error::new(Code::MALFORMED_JSON).message("The body did not come to its end in time."));
    };
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(problem) if problem.is::<http_body_util::LengthLimitError>() => {
            Err(Error::new(Code::BODY_TOO_LARGE).details(serde_json::json!({ "limitBytes": limit })))
        }
        Err(_) => Err(Error::new(Code::MALFORMED_JSON).message("The body ended early.")),
    }
}

pub fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.code().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A refusal of a method, naming those that the address answers.
pub fn allow(mut response: Response, methods: &'static str) -> Response {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    response
}

/// A refusal for a while, with the header that says for how long.
pub fn wait(wait: Option<Duration>, mut response: Response) -> Response {
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
    }
    response
}

/// A refusal as a response, in the envelope of everything that is not GraphQL.
pub fn refusal(error: &Error) -> Response {
    error.trace();
    let trace_id = schema::current_trace_id();
    wait(error.wait(), (status(error), Json(error.envelope(&trace_id))).into_response())
}
