//! POST and GET on `/graphql`. A GET never mutates: its document is looked at before it runs.

use crate::{
    errors::{classify, code_of, refused},
    kinds::planned,
    limits,
    roots::GatewaySchema,
};
use async_graphql::{Request, Response, Variables, parser::types::OperationType};
use axum::{
    Router,
    body::Body,
    extract::{Request as HttpRequest, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::IntoResponse,
    routing::any,
};
use schema::{Code, Error, Reads, Result};
use serde_json::Value;
use std::sync::Arc;
use surface::{Mount, caller};

#[derive(Clone)]
pub struct GraphQl {
    pub schema: GatewaySchema,
    pub mount: Mount,
}

pub fn routes(graphql: GraphQl) -> Router {
    Router::new().route("/graphql", any(handle)).with_state(graphql)
}

async fn handle(State(graphql): State<GraphQl>, request: HttpRequest) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let strict = accepts_graphql_response(&parts.headers);
    match serve(&graphql, &parts.method, parts.uri.query(), &parts.headers, body).await {
        Ok(response) => {
            let failed_before_execution = strict && !response.errors.is_empty() && response.data == async_graphql::Value::Null;
            let executed = response.errors.iter().any(|error| !error.path.is_empty());
            let status = if failed_before_execution && !executed { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            answer(status, strict, &response)
        }
        Err(error) => {
            let status = surface::status(&error);
            answer(status, strict, &refused(error))
        }
    }
}

async fn serve(graphql: &GraphQl, method: &Method, query: Option<&str>, headers: &HeaderMap, body: Body) -> Result<Response> {
    let gateway = &graphql.mount.gateway;
    let mut request = match *method {
        Method::POST => from_json(surface::json(headers, body, graphql.mount.body_limit).await?)?,
        Method::GET => from_query(query.unwrap_or_default())?,
        _ => return Err(Error::new(Code::MethodNotAllowed)),
    };
    let caller = caller(gateway, headers).await?;
    let span = tracing::Span::current();
    span.record("actor_id", tracing::field::display(caller.principal));
    span.record("actor_kind", caller.kind.as_str());
    if let Some(organization) = caller.organization {
        span.record("organization_id", tracing::field::display(organization));
    }
    if let Some(name) = &request.operation_name {
        span.record("graphql.operation.name", name.as_str());
    }

    let Ok(document) = request.parsed_query().cloned() else {
        // It is parsed again below, for the place of the problem.
        let mut response = graphql.schema.execute(request).await;
        classify(&mut response, None);
        return Ok(response);
    };
    limits::check(&document)?;
    if method == Method::GET {
        let named = request.operation_name.as_deref();
        let mutates = document
            .operations
            .iter()
            .filter(|(name, _)| named.is_none() || name.map(|name| name.as_str()) == named)
            .any(|(_, operation)| operation.node.ty != OperationType::Query);
        if mutates {
            return Err(Error::new(Code::MethodNotAllowed).message("Send a mutation by POST."));
        }
    }
    let reads = Arc::new(Reads::new(gateway, caller, planned(&document)));
    let request = request.data(Arc::clone(gateway)).data(caller).data(Arc::clone(&reads));
    let mut response = graphql.schema.execute(request).await;
    // The transaction is not held while the answer is written.
    reads.close().await;
    classify(&mut response, Some(&document));
    if let Some(code) = response.errors.first().and_then(code_of) {
        span.record("error.code", code);
    }
    Ok(response)
}

fn from_json(body: Value) -> Result<Request> {
    let refuse = |field: &str, message: &str| Err(Error::new(Code::InvalidInput).field(field, "WRONG_TYPE", message));
    let Value::Object(mut body) = body else {
        return Err(
            Error::new(Code::InvalidInput).message("Send one GraphQL request as a JSON object; batches are not accepted.")
        );
    };
    let request = match body.remove("query") {
        Some(Value::String(query)) => Request::new(query),
        None | Some(Value::Null) => return refuse("query", "a GraphQL document is required"),
        Some(_) => return refuse("query", "must be a string"),
    };
    let request = match body.remove("operationName") {
        None | Some(Value::Null) => request,
        Some(Value::String(name)) => request.operation_name(name),
        Some(_) => return refuse("operationName", "must be a string"),
    };
    match body.remove("variables") {
        None | Some(Value::Null) => Ok(request),
        Some(variables @ Value::Object(_)) => Ok(request.variables(Variables::from_json(variables))),
        Some(_) => refuse("variables", "must be an object"),
    }
}

fn from_query(query: &str) -> Result<Request> {
    let mut body = serde_json::Map::new();
    for (name, value) in form_pairs(query) {
        match name.as_str() {
            "query" | "operationName" => drop(body.insert(name, Value::String(value))),
            "variables" => {
                let variables = serde_json::from_str(&value)
                    .map_err(|_| Error::new(Code::InvalidInput).field("variables", "MALFORMED_JSON", "must be a JSON object"))?;
                body.insert(name, variables);
            }
            _ => {}
        }
    }
    from_json(Value::Object(body))
}

fn form_pairs(query: &str) -> Vec<(String, String)> {
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&format!("/?{query}").parse().unwrap_or_default())
        .map(|pairs| pairs.0)
        .unwrap_or_default()
}

const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

fn accepts_graphql_response(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains(GRAPHQL_RESPONSE))
}

fn answer(status: StatusCode, strict: bool, response: &Response) -> axum::response::Response {
    let media = if strict { GRAPHQL_RESPONSE } else { "application/json" };
    match serde_json::to_vec(response) {
        Ok(body) => (status, [(header::CONTENT_TYPE, media)], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
