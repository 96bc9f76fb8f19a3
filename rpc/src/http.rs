use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use schema::{Code, Entry, Error, Gateway, MUTATION, REQUEST, Result, Surface};
use serde_json::Value;
use surface::{Mount, allow, caller, json, refusal};

pub fn routes(mount: Mount) -> Router {
    Router::new().route("/api/v1/rpc/{*procedure}", any(handle)).with_state(mount)
}

async fn handle(State(mount): State<Mount>, path: Result<Path<String>, PathRejection>, request: Request) -> Response {
    // A path that is not valid text names no procedure.
    let path = path.map(|Path(path)| path).unwrap_or_default();
    match serve(&mount, &path, request).await {
        Ok((status, body)) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => allow(refusal(&error), "POST"),
    }
}

async fn serve(mount: &Mount, path: &str, request: Request) -> Result<(StatusCode, Body)> {
    let entry = find(&mount.gateway, path)?;
    let span = tracing::Span::current();
    span.record("procedure", entry.name());
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return Err(Error::new(Code::METHOD_NOT_ALLOWED).message("Call procedures by POST."));
    }
    let caller = caller(&mount.gateway, &parts.headers).await?;
    span.record("actor_id", tracing::field::display(caller.principal));
    span.record("actor_kind", caller.kind.as_str());
    if let Some(organization) = caller.organization {
        span.record("organization_id", tracing::field::display(organization));
    }
    let Value::Object(body) = json(&parts.headers, body, mount.body_limit).await? else {
        return Err(Error::new(Code::INVALID_INPUT).message("The body must be a JSON object."));
    };
    if entry.is_mutation() {
        mount.gateway.admit(&caller, REQUEST + MUTATION).await?;
    }
    let mut answer = entry.call(&mount.gateway, &caller, body).await?;
    let running = entry.is_mutation() && answer["result"].is_null();
    answer["trace_id"] = schema::current_trace_id().into();
    let said = serde_json::to_vec(&answer)?;
    drop(answer);
    let room = mount.gateway.room(&caller, said.len()).await?;
    Ok((if running { StatusCode::ACCEPTED } else { StatusCode::OK }, surface::pieces(said.into(), room)))
}

/// The entry of a path. Unknown paths, procedures and versions have a code each.
fn find(gateway: &Gateway, path: &str) -> Result<&'static Entry> {
    let known = gateway.table.get(path).filter(|entry| entry.surface() == Surface::Everywhere);
    if let Some(entry) = known {
        return Ok(entry);
    }
    let parts: Vec<&str> = path.split('/').collect();
    let [namespace, _, verb] = parts.as_slice() else { return Err(Error::new(Code::UNKNOWN_PATH)) };
    let mut versions: Vec<String> = gateway
        .table
        .entries()
        .iter()
        .filter(|entry| entry.surface() == Surface::Everywhere)
        .map(Entry::parts)
        .filter(|name| name.namespace == *namespace && name.verb == *verb)
        .map(|name| format!("v{}", name.version))
        .collect();
    versions.sort();
    if versions.is_empty() {
        return Err(Error::new(Code::UNKNOWN_PROCEDURE));
    }
    Err(Error::new(Code::UNKNOWN_VERSION).details(serde_json::json!({ "versions": versions })))
}
