//! POST and GET on `/graphql`, and the upgrade to a WebSocket. A GET never mutates: its operation is checked before it
//! runs. Subscriptions are answered in the format that the client accepts, server-sent events or multipart.

use crate::{
    errors::{encoded, refused, was_executed},
    live::{self, Subscription},
    mount::GraphQl,
    request::{from_json, from_query},
    streams::{self, GRAPHQL_RESPONSE},
    ws,
};
use async_graphql::{Response, parser::types::OperationType};
use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Request as HttpRequest, State, WebSocketUpgrade},
    http::{HeaderMap, Method, StatusCode, header},
    response::IntoResponse,
    routing::any,
};
use schema::{Code, Error, Result, Turn};
use surface::{allow, caller};

pub fn routes(graphql: GraphQl) -> Router {
    Router::new().route("/graphql", any(handle)).with_state(graphql)
}

async fn handle(State(graphql): State<GraphQl>, request: HttpRequest) -> axum::response::Response {
    let (mut parts, body) = request.into_parts();
    let strict = accepts_graphql_response(&parts.headers);
    let upgrade = parts.headers.get(header::UPGRADE).and_then(|upgrade| upgrade.to_str().ok());
    if upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
        if !graphql.mount.origins.allow_upgrade(&parts.headers) {
            return refuse(Error::new(Code::ORIGIN_NOT_ALLOWED), strict);
        }
        return match WebSocketUpgrade::from_request_parts(&mut parts, &graphql).await {
            Ok(upgrade) => ws::upgrade(graphql, upgrade, parts.headers),
            Err(_) => refuse(Error::new(Code::INVALID_INPUT).message("This is no upgrade to a WebSocket."), strict),
        };
    }
    match Box::pin(serve(&graphql, &parts.method, parts.uri.query(), &parts.headers, body)).await {
        // This client reads events only, so that its single response is one as well.
        Ok(Served::Response(response, room)) if streams::only_events(&parts.headers) => streams::once(&response, room),
        Ok(Served::Response(response, room)) => {
            let status = if strict && !was_executed(&response) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            answer(status, strict, &response, room)
        }
        Ok(Served::Stream(stream)) => *stream,
        Err(error) => refuse(error, strict),
    }
}

fn refuse(error: Error, strict: bool) -> axum::response::Response {
    let status = surface::status(&error);
    let wait = error.wait();
    surface::wait(wait, allow(answer(status, strict, &refused(error), None), "GET, POST"))
}

enum Served {
    Response(Box<Response>, Option<Turn>),
    Stream(Box<axum::response::Response>),
}

async fn serve(graphql: &GraphQl, method: &Method, query: Option<&str>, headers: &HeaderMap, body: Body) -> Result<Served> {
    if ![Method::GET, Method::POST].contains(method) {
        return Err(Error::new(Code::METHOD_NOT_ALLOWED));
    }
    // Nobody's body is waited for.
    let caller = caller(&graphql.mount.gateway, headers).await?;
    let request = match *method {
        Method::POST => from_json(surface::json(headers, body, graphql.mount.body_limit).await?)?,
        _ => from_query(query.unwrap_or_default())?,
    };
    let prepared = match graphql.prepare(&caller, request).await? {
        Ok(prepared) => prepared,
        Err(response) => return Ok(Served::Response(response, None)),
    };
    let operation = prepared.operation_type();
    if *method == Method::GET && operation == OperationType::Mutation {
        return Err(Error::new(Code::METHOD_NOT_ALLOWED).message("Send a mutation by POST."));
    }
    if operation == OperationType::Subscription {
        let Some(stream) = streams::accepted(headers) else {
            return match live::wrong(graphql, &prepared).await {
                Some(response) => Ok(Served::Response(Box::new(response), None)),
                None => Err(Error::new(Code::NOT_ACCEPTABLE)),
            };
        };
        let seat = graphql.connection(&caller)?;
        return Ok(match Subscription::open(graphql, caller, prepared).await {
            Ok(subscription) => Served::Stream(Box::new(stream.answer(subscription, (graphql.live.guest(), seat)))),
            Err(response) => Served::Response(Box::new(response), None),
        });
    }
    let (response, room) = graphql.execute(caller, prepared).await?;
    Ok(Served::Response(Box::new(response), room))
}

fn accepts_graphql_response(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains(GRAPHQL_RESPONSE))
}

fn answer(status: StatusCode, strict: bool, response: &Response, room: Option<Turn>) -> axum::response::Response {
    let media = if strict { GRAPHQL_RESPONSE } else { "application/json" };
    match encoded(response) {
        Ok(body) => (status, [(header::CONTENT_TYPE, media)], surface::pieces(body.into(), room)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
