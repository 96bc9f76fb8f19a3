//! Subscriptions over plain HTTP: server-sent events, as `graphql-sse` speaks them with one connection for each
//! operation, and multipart, as Apollo's clients speak it.

use crate::{
    errors::refused,
    http::GRAPHQL_RESPONSE,
    live::{Out, Subscription},
};
use async_graphql::Response;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::IntoResponse,
};
use futures_util::{Stream, stream};
use schema::{Code, Error};
use std::{convert::Infallible, time::Duration};
use tokio::time::{Instant, sleep_until};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streamed {
    Events,
    Multipart,
}

/// Something goes over the wire at least so often, or what stands between would cut it.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// The way of streaming that the client names, if it does.
pub fn accepted(headers: &HeaderMap) -> Option<Streamed> {
    match () {
        () if names(headers, "text/event-stream") => Some(Streamed::Events),
        () if names(headers, "multipart/mixed") => Some(Streamed::Multipart),
        () => None,
    }
}

/// A client that takes nothing but events.
pub fn only_events(headers: &HeaderMap) -> bool {
    names(headers, "text/event-stream") && !names(headers, "application/json") && !names(headers, GRAPHQL_RESPONSE)
}

fn names(headers: &HeaderMap, media: &str) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|one| one.split(';').next().is_some_and(|one| one.trim().eq_ignore_ascii_case(media)))
}

/// A query's or a mutation's answer as events.
pub fn once(response: &Response) -> axum::response::Response {
    let mut body = next_event(&serde_json::to_vec(response).unwrap_or_default());
    body.extend_from_slice(COMPLETE);
    Streamed::Events.headed(Body::from(body))
}

impl Streamed {
    pub fn answer(self, subscription: Subscription) -> axum::response::Response {
        let parts = stream::unfold(Stage::Begins(Box::new(subscription)), move |stage| self.step(stage));
        self.headed(Body::from_stream(wire(parts)))
    }

    fn headed(self, body: Body) -> axum::response::Response {
        let media = match self {
            Streamed::Events => "text/event-stream; charset=utf-8",
            Streamed::Multipart => "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0",
        };
        let mut response = (StatusCode::OK, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        // Proxies must not gather it.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    async fn step(self, stage: Stage) -> Option<(Vec<u8>, Stage)> {
        match stage {
            Stage::Begins(subscription) => Some(([self.opening(), &self.heartbeat()].concat(), Stage::Runs(subscription))),
            Stage::Runs(mut subscription) => {
                let quiet = Instant::now() + KEEP_ALIVE;
                tokio::select! {
                    out = subscription.next() => match out {
                        Some(Out::Next(answer)) => Some((self.next(&answer), Stage::Runs(subscription))),
                        Some(Out::Ended(error)) => Some((self.failed(error), Stage::Over)),
                        Some(Out::Complete) | None => Some((self.complete().to_vec(), Stage::Over)),
                    },
                    () = sleep_until(quiet) => Some((self.heartbeat(), Stage::Runs(subscription))),
                }
            }
            Stage::Over => None,
        }
    }

    fn opening(self) -> &'static [u8] {
        match self {
            Streamed::Events => b"",
            Streamed::Multipart => b"\r\n--graphql",
        }
    }

    fn heartbeat(self) -> Vec<u8> {
        match self {
            Streamed::Events => b":\n\n".to_vec(),
            Streamed::Multipart => part(b"{}"),
        }
    }

    fn next(self, answer: &[u8]) -> Vec<u8> {
        match self {
            Streamed::Events => next_event(answer),
            Streamed::Multipart => part(&[b"{\"payload\":", answer, b"}"].concat()),
        }
    }

    fn complete(self) -> &'static [u8] {
        match self {
            Streamed::Events => COMPLETE,
            Streamed::Multipart => b"--\r\n",
        }
    }

    /// The last word. A client that is to come back finds the connection ended without one.
    fn failed(self, error: Error) -> Vec<u8> {
        let comes_back = error.code() == Code::ShuttingDown;
        let response = serde_json::to_value(refused(error)).unwrap_or_default();
        let errors = serde_json::json!({ "errors": response["errors"] });
        let mut last = match self {
            Streamed::Events => next_event(errors.to_string().as_bytes()),
            Streamed::Multipart => {
                part(serde_json::json!({ "payload": null, "errors": response["errors"] }).to_string().as_bytes())
            }
        };
        if !comes_back {
            last.extend_from_slice(self.complete());
        }
        last
    }
}

enum Stage {
    Begins(Box<Subscription>),
    Runs(Box<Subscription>),
    Over,
}

const COMPLETE: &[u8] = b"event: complete\ndata:\n\n";

/// JSON has no line breaks of its own here, so it is one line of data.
fn next_event(answer: &[u8]) -> Vec<u8> {
    [b"event: next\ndata: ", answer, b"\n\n"].concat()
}

/// A part ends with the boundary of the next: else the client would see each only when another comes.
fn part(json: &[u8]) -> Vec<u8> {
    [b"\r\nContent-Type: application/json\r\n\r\n", json, b"\r\n--graphql"].concat()
}

fn wire(parts: impl Stream<Item = Vec<u8>>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    use futures_util::StreamExt;
    parts.map(|part| Ok(part.into()))
}
