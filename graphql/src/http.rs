//! POST and GET on `/graphql`, and the upgrade to a WebSocket. A GET never mutates: its document is looked at before it
//! runs. Subscriptions are answered as what the client accepts: server-sent events or multipart.

use crate::{
    documents::{Document, Documents},
    errors::{classify, code_of, refused},
    live::{self, Shapes, Subscription},
    looks::Looks,
    roots::{GatewaySchema, proven, schema},
    streams,
    turns::Turns,
    ws,
};
use async_graphql::{Request, Response, Variables, parser::types::OperationType};
use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Request as HttpRequest, State, WebSocketUpgrade},
    http::{HeaderMap, Method, StatusCode, header},
    response::IntoResponse,
    routing::any,
};
use schema::{Caller, Code, Error, Reads, Result};
use serde_json::Value;
use std::sync::Arc;
use surface::{Mount, caller};

#[derive(Clone)]
pub struct GraphQl {
    pub schema: GatewaySchema,
    /// The same, for what is known to be valid.
    pub proven: GatewaySchema,
    pub documents: Documents,
    pub mount: Mount,
    pub live: Arc<::live::Hub>,
    pub shapes: Shapes,
    /// For making answers to subscribers, and for looking what they may see.
    pub turns: Arc<Turns>,
    pub looks: Arc<Looks>,
}

impl GraphQl {
    pub fn new(mount: Mount, live: Arc<::live::Hub>, introspection: bool) -> GraphQl {
        // Those who wait leave most connections to those who ask.
        let some = (mount.gateway.pool.options().get_max_connections() / 4).max(2) as usize;
        GraphQl {
            schema: schema(introspection),
            proven: proven(introspection),
            documents: Documents::default(),
            mount,
            live,
            shapes: Shapes::default(),
            turns: Arc::new(Turns::new(some)),
            looks: Arc::new(Looks::new(some)),
        }
    }
}

/// A request whose document was read.
pub struct Prepared {
    pub query: String,
    pub operation: Option<String>,
    pub variables: Variables,
    pub document: Arc<Document>,
}

impl Prepared {
    /// What the chosen operation does.
    pub fn operation_type(&self) -> OperationType {
        let named = self.operation.as_deref();
        let mut chosen = self
            .document
            .tree
            .operations
            .iter()
            .filter(|(name, _)| named.is_none() || name.map(|name| name.as_str()) == named)
            .map(|(_, operation)| operation.node.ty);
        // Of several, the one that does most: a GET with any mutation among them is refused.
        let first = chosen.next().unwrap_or(OperationType::Query);
        chosen.fold(first, |most, ty| if ty == OperationType::Query { most } else { ty })
    }

    /// A variable without which its operation cannot be. (The engine looks at those only that fields use.)
    pub fn missing_variable(&self) -> Option<String> {
        let named = self.operation.as_deref();
        let chosen =
            self.document.tree.operations.iter().filter(|(name, _)| named.is_none() || name.map(|name| name.as_str()) == named);
        let mut required = chosen
            .flat_map(|(_, operation)| &operation.node.variable_definitions)
            .filter(|variable| !variable.node.var_type.node.nullable && variable.node.default_value.is_none());
        let missing = required.find(|variable| {
            let given = self.variables.get(variable.node.name.node.as_str());
            given.is_none_or(|value| *value == async_graphql::Value::Null)
        });
        missing.map(|variable| variable.node.name.node.to_string())
    }
}

pub fn routes(graphql: GraphQl) -> Router {
    Router::new().route("/graphql", any(handle)).with_state(graphql)
}

async fn handle(State(graphql): State<GraphQl>, request: HttpRequest) -> axum::response::Response {
    let (mut parts, body) = request.into_parts();
    let strict = accepts_graphql_response(&parts.headers);
    let upgrade = parts.headers.get(header::UPGRADE).and_then(|upgrade| upgrade.to_str().ok());
    if upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &graphql).await {
            Ok(upgrade) => ws::upgrade(graphql, upgrade, parts.headers),
            Err(_) => refuse(Error::new(Code::INVALID_INPUT).message("This is no upgrade to a WebSocket."), strict),
        };
    }
    match Box::pin(serve(&graphql, &parts.method, parts.uri.query(), &parts.headers, body)).await {
        // Such a client reads nothing else, not even a refusal.
        Ok(Served::Response(response)) if streams::only_events(&parts.headers) => streams::once(&response),
        Ok(Served::Response(response)) => {
            let failed_before_execution = strict && !response.errors.is_empty() && response.data == async_graphql::Value::Null;
            let executed = response.errors.iter().any(|error| !error.path.is_empty());
            let status = if failed_before_execution && !executed { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            answer(status, strict, &response)
        }
        Ok(Served::Stream(stream)) => *stream,
        Err(error) => refuse(error, strict),
    }
}

fn refuse(error: Error, strict: bool) -> axum::response::Response {
    let status = surface::status(&error);
    answer(status, strict, &refused(error))
}

enum Served {
    Response(Box<Response>),
    Stream(Box<axum::response::Response>),
}

async fn serve(graphql: &GraphQl, method: &Method, query: Option<&str>, headers: &HeaderMap, body: Body) -> Result<Served> {
    let gateway = &graphql.mount.gateway;
    let request = match *method {
        Method::POST => from_json(surface::json(headers, body, graphql.mount.body_limit).await?)?,
        Method::GET => from_query(query.unwrap_or_default())?,
        _ => return Err(Error::new(Code::METHOD_NOT_ALLOWED)),
    };
    let caller = caller(gateway, headers).await?;
    let prepared = match prepare(graphql, &caller, request).await? {
        Ok(prepared) => prepared,
        Err(response) => return Ok(Served::Response(response)),
    };
    let operation = prepared.operation_type();
    if *method == Method::GET && operation == OperationType::Mutation {
        return Err(Error::new(Code::METHOD_NOT_ALLOWED).message("Send a mutation by POST."));
    }
    if operation == OperationType::Subscription {
        let Some(stream) = streams::accepted(headers) else {
            return match live::wrong(graphql, &prepared).await {
                Some(response) => Ok(Served::Response(Box::new(response))),
                None => Err(Error::new(Code::NOT_ACCEPTABLE)),
            };
        };
        return Ok(match Subscription::open(graphql, caller, prepared).await {
            Ok(subscription) => Served::Stream(Box::new(stream.answer(subscription, graphql.live.guest()))),
            Err(response) => Served::Response(Box::new(response)),
        });
    }
    Ok(Served::Response(Box::new(execute(graphql, caller, prepared).await)))
}

/// Reads the document. One that cannot be read is answered at once.
pub async fn prepare(graphql: &GraphQl, caller: &Caller, mut request: Request) -> Result<Result<Prepared, Box<Response>>> {
    let span = tracing::Span::current();
    span.record("actor_id", tracing::field::display(caller.principal));
    span.record("actor_kind", caller.kind.as_str());
    if let Some(organization) = caller.organization {
        span.record("organization_id", tracing::field::display(organization));
    }
    if let Some(name) = &request.operation_name {
        span.record("graphql.operation.name", name.as_str());
    }
    let document = match graphql.documents.find(&request.query) {
        Some(document) => document,
        None => {
            let Ok(tree) = request.parsed_query().cloned() else {
                // It is parsed again below, for the place of the problem.
                let mut response = graphql.schema.execute(request).await;
                classify(&mut response, None);
                return Ok(Err(Box::new(response)));
            };
            let document = Arc::new(Document::new(tree)?);
            graphql.documents.keep(&request.query, &document);
            document
        }
    };
    let Request { query, operation_name: operation, variables, .. } = request;
    Ok(Ok(Prepared { query, operation, variables, document }))
}

/// Runs a query or a mutation.
pub async fn execute(graphql: &GraphQl, caller: Caller, prepared: Prepared) -> Response {
    let gateway = &graphql.mount.gateway;
    let Prepared { query, operation, variables, document } = prepared;
    let shape = graphql.documents.shape(operation.as_deref(), &variables);
    let proven = document.is_valid(shape);
    let mut request = Request::new(query).variables(variables);
    request.operation_name = operation;
    request.set_parsed_query(document.tree.clone());
    let reads = Arc::new(Reads::new(gateway, caller, document.planned.clone()));
    let request = request.data(Arc::clone(gateway)).data(caller).data(Arc::clone(&reads));
    let schema = if proven { &graphql.proven } else { &graphql.schema };
    // Large, and moved about: what is moved is where it is.
    let mut response = Box::pin(schema.execute(request)).await;
    // Whatever went wrong has a place in the answer: it was run, so it was valid.
    if !proven && response.errors.iter().all(|error| !error.path.is_empty()) {
        document.found_valid(shape);
    }
    // The transaction is not held while the answer is written.
    reads.close().await;
    classify(&mut response, Some(&document.tree));
    if let Some(code) = response.errors.first().and_then(code_of) {
        tracing::Span::current().record("error.code", code);
    }
    response
}

pub fn from_json(body: Value) -> Result<Request> {
    let refuse = |field: &str, message: &str| Err(Error::new(Code::INVALID_INPUT).field(field, "WRONG_TYPE", message));
    let Value::Object(mut body) = body else {
        return Err(
            Error::new(Code::INVALID_INPUT).message("Send one GraphQL request as a JSON object; batches are not accepted.")
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
                    .map_err(|_| Error::new(Code::INVALID_INPUT).field("variables", "MALFORMED_JSON", "must be a JSON object"))?;
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

pub const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

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
