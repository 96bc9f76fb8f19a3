//! Subscriptions over plain HTTP: server-sent events in the dialect of `graphql-sse`, with one connection for each operation,
//! and multipart in that of Apollo's clients.

use crate::seats::Seat;
use crate::{
    errors::{encoded, refused},
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
use schema::{Code, Error, Turn};
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

/// The media type of a single answer in the specification of GraphQL over HTTP.
pub const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// The longest silence on the wire: proxies cut a connection that is silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// The longest time that a part may wait for a client that does not read.
const STUCK: Duration = Duration::from_secs(30);

type Part = Result<Bytes, Infallible>;

/// The way of streaming that the client accepts, if any.
pub fn accepted(headers: &HeaderMap) -> Option<Streamed> {
    match () {
        () if names(headers, "text/event-stream") => Some(Streamed::Events),
        () if names(headers, "multipart/mixed") => Some(Streamed::Multipart),
        () => None,
    }
}

/// Whether the client accepts nothing but events.
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

/// The answer of a query or a mutation, as events.
pub fn once(response: &Response, room: Option<Turn>) -> axum::response::Response {
    let mut body = next_event(&encoded(response).unwrap_or_default());
    body.extend_from_slice(COMPLETE);
    Streamed::Events.headed(surface::pieces(body.into(), room))
}

impl Streamed {
    /// Streams a subscription from a task of its own, which ends even if the client does not read.
    pub fn answer(self, subscription: Subscription, guest: (Guest, Seat)) -> axum::response::Response {
        // Room for one part, and always for the last one.
        let (sender, receiver) = mpsc::channel(2);
        let streaming = async move {
            self.stream(subscription, sender).await;
            drop(guest);
        };
        tokio::spawn(streaming.in_current_span());
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
        // Proxies must not buffer the stream.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    async fn stream(self, mut subscription: Subscription, sender: mpsc::Sender<Part>) {
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
                // The client does not read. If it ever reads on, this cursor leads to all that it missed.
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

    /// The last part, with the error. The stream of a client that is to come back ends without the mark of completion.
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

/// Sends a part, and leaves room for the last one. False if the client does not read.
async fn send(sender: &mpsc::Sender<Part>, part: Vec<u8>) -> bool {
    let Ok(Ok(mut room)) = timeout(STUCK, sender.reserve_many(2)).await else { return false };
    if let Some(room) = room.next() {
        room.send(Ok(part.into()));
    }
    true
}

const COMPLETE: &[u8] = b"event: complete\ndata:\n\n";

/// An event with one line of data: the JSON has no line breaks of its own.
fn next_event(answer: &[u8]) -> Vec<u8> {
    [b"event: next\ndata: ", answer, b"\n\n"].concat()
}

/// A part with the boundary of the next one, since a client shows a part only once that boundary has come.
fn part(json: &[u8]) -> Vec<u8> {
    [b"\r\nContent-Type: application/json\r\n\r\n", json, b"\r\n--graphql"].concat()
}
