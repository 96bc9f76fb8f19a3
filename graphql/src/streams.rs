//! Subscriptions over plain HTTP: server-sent events, as `graphql-sse` speaks them with one connection for each
//! operation, and multipart, as Apollo's clients speak it.

use crate::{
    errors::refused,
    live::{Out, Subscription},
};
use ::live::Guest;
use async_graphql::Response;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::IntoResponse,
};
use futures_util::stream;
use schema::{Code, Error};
use serde_json::json;
use std::{convert::Infallible, time::Duration};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tracing::Instrument;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streamed {
    Events,
    Multipart,
}

/// One answer, as the GraphQL specification for HTTP names it.
pub const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// Something goes over the wire at least so often, or what stands between would cut it.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// How long a part may wait for a client that does not read.
const STUCK: Duration = Duration::from_secs(30);

type Part = Result<Bytes, Infallible>;

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
    accept.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        parts.next().is_some_and(|one| one.eq_ignore_ascii_case(media)) && !parts.any(|part| part == "q=0")
    })
}

/// A query's or a mutation's answer as events.
pub fn once(response: &Response) -> axum::response::Response {
    let mut body = next_event(&serde_json::to_vec(response).unwrap_or_default());
    body.extend_from_slice(COMPLETE);
    Streamed::Events.headed(Body::from(body))
}

impl Streamed {
    /// Told by a task of its own, which a client that does not read cannot keep.
    pub fn answer(self, subscription: Subscription, guest: Guest) -> axum::response::Response {
        // A part, and the last word, for which there is always room.
        let (sender, receiver) = mpsc::channel(2);
        let told = async move {
            self.tell(subscription, sender).await;
            drop(guest);
        };
        tokio::spawn(told.in_current_span());
        let parts = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        self.headed(Body::from_stream(parts))
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

    async fn tell(self, mut subscription: Subscription, sender: mpsc::Sender<Part>) {
        if !send(&sender, [self.opening(), &self.heartbeat()].concat()).await {
            return;
        }
        loop {
            let out = {
                let mut next = std::pin::pin!(subscription.next());
                loop {
                    tokio::select! {
                        out = &mut next => break out,
                        () = sleep(KEEP_ALIVE) => {
                            if !send(&sender, self.heartbeat()).await {
                                return;
                            }
                        }
                        () = sender.closed() => return,
                    }
                }
            };
            let place = subscription.place();
            let last = match out {
                Some(Out::Next(answer)) if send(&sender, self.next(&answer)).await => continue,
                // It does not read; should it ever read on, it finds what it missed from here.
                Some(Out::Next(_)) => self.failed(Error::new(Code::SLOW_READER).details(json!({ "cursor": place.to_string() }))),
                Some(Out::Ended(error)) => self.failed(error),
                Some(Out::Complete) | None => self.complete().to_vec(),
            };
            let _ = sender.try_send(Ok(last.into()));
            return;
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
        let comes_back = error.code() == Code::SHUTTING_DOWN;
        let response = serde_json::to_value(refused(error)).unwrap_or_default();
        let errors = json!({ "errors": response["errors"] });
        let mut last = match self {
            Streamed::Events => next_event(errors.to_string().as_bytes()),
            Streamed::Multipart => part(json!({ "payload": null, "errors": response["errors"] }).to_string().as_bytes()),
        };
        if !comes_back {
            last.extend_from_slice(self.complete());
        }
        last
    }
}

/// Sends a part, and leaves room for another. False: nobody reads.
async fn send(sender: &mpsc::Sender<Part>, part: Vec<u8>) -> bool {
    let Ok(Ok(mut room)) = timeout(STUCK, sender.reserve_many(2)).await else { return false };
    if let Some(room) = room.next() {
        room.send(Ok(part.into()));
    }
    true
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
