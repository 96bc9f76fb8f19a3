//! `graphql-transport-ws`, the protocol of the library graphql-ws. One task serves a connection and polls its subscriptions, so
//! that a client that does not read stops them. Their answers are made in other tasks.

use crate::{
    errors::{refused, was_executed},
    limits::SUBSCRIPTIONS,
    live::{Out, Subscription},
    mount::GraphQl,
    request::from_json,
    seats::Seat,
};
use ::live::Guest;
use async_graphql::parser::types::OperationType;
use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::IntoResponse,
};
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    stream::{AbortHandle, Abortable, BoxStream, SelectAll, SplitSink, once, unfold},
};
use schema::{Caller, Code, Error, Turn, Type};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{interval, timeout},
};
use tracing::Instrument;

const PROTOCOL: &str = "graphql-transport-ws";
/// The longest time that the client may take to send `connection_init`.
const INIT: Duration = Duration::from_secs(10);
/// The interval of pings, and the longest silence of a client.
const PING: Duration = Duration::from_secs(12);
const SILENT: Duration = Duration::from_secs(40);
/// The longest time that one message may wait for a client that does not read.
const STUCK: Duration = Duration::from_secs(30);

/// Small buffers, so that an idle connection costs little: the library would keep 128 KiB for reading alone.
const READ_BUFFER: usize = 2 * 1024;
const WRITE_BUFFER: usize = 0;

pub fn upgrade(graphql: GraphQl, upgrade: WebSocketUpgrade, headers: HeaderMap) -> axum::response::Response {
    let limit = graphql.mount.body_limit;
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(limit)
        .max_frame_size(limit);
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, format!("speak {PROTOCOL}")).into_response();
    }
    let span = tracing::info_span!(parent: None, "websocket");
    upgrade.on_upgrade(move |socket| async move { Connection::new(graphql, headers, socket).run().instrument(span).await })
}

/// A close code, of the protocol or of WebSockets, and its reason.
struct Close(u16, String);

impl Close {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Close(code, reason.into())
    }
}

/// An output of a running operation.
enum Frame {
    /// An answer, with the room that it takes until it is sent.
    Next(String, Bytes, Option<Turn>),
    Failed(String, Value),
    Complete(String),
    /// An error that ends the whole connection.
    Over(Error),
}

/// A running operation. It ends with this, but for the work of a mutation.
struct Operation {
    answers: AbortHandle,
    work: tokio::task::AbortHandle,
    /// Whether it is a mutation that is being carried out.
    changes: Arc<AtomicBool>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.answers.abort();
        if !self.changes.load(Ordering::Relaxed) {
            self.work.abort();
        }
    }
}

struct Connection {
    graphql: GraphQl,
    headers: HeaderMap,
    sink: SplitSink<WebSocket, Message>,
    stream: futures_util::stream::SplitStream<WebSocket>,
    caller: Option<Caller>,
    running: SelectAll<BoxStream<'static, Frame>>,
    operations: HashMap<String, Operation>,
    /// The places for operations. One that the client completed keeps its place until its work has ended.
    places: Arc<Semaphore>,
    /// Operations that may not be open yet.
    opening: Vec<watch::Receiver<bool>>,
    _guest: Guest,
    seat: Option<Seat>,
}

impl Connection {
    fn new(graphql: GraphQl, headers: HeaderMap, socket: WebSocket) -> Self {
        let (sink, stream) = socket.split();
        let _guest = graphql.live.guest();
        Connection {
            graphql,
            headers,
            sink,
            stream,
            caller: None,
            running: SelectAll::new(),
            operations: HashMap::new(),
            places: Arc::new(Semaphore::new(SUBSCRIPTIONS)),
            opening: Vec::new(),
            _guest,
            seat: None,
        }
    }

    async fn run(mut self) {
        if let Err(Some(Close(code, reason))) = self.talk().await {
            // A frame's reason has room for 123 bytes.
            let room = (0..=123.min(reason.len())).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or_default();
            let reason = reason[..room].to_owned();
            let frame = CloseFrame { code, reason: reason.into() };
            let _ = timeout(STUCK, self.sink.send(Message::Close(Some(frame)))).await;
            // The frame is lost if the socket is closed before the client has answered it.
            let _ = timeout(Duration::from_secs(2), async { while let Some(Ok(_)) = self.stream.next().await {} }).await;
        }
    }

    /// Serves the connection until it is closed. The error is our reason, or None where the client left.
    async fn talk(&mut self) -> Result<(), Option<Close>> {
        let mut closing = self.graphql.live.closing();
        let begun = Instant::now();
        let mut heard = Instant::now();
        let mut pings = interval(PING);
        pings.reset();
        loop {
            let init = async {
                match self.caller {
                    None => tokio::time::sleep(INIT.saturating_sub(begun.elapsed())).await,
                    Some(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = ::live::closed(&mut closing) => {
                    return Err(Some(Close::new(1012, Code::SHUTTING_DOWN.as_str())));
                }
                message = self.stream.next() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => self.on_text(&text).await?,
                        Some(Ok(Message::Binary(_))) => return Err(Some(Close::new(4400, "Invalid message received"))),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_))) => {
                            // The library answers the close frame with the next read.
                            let _ = timeout(Duration::from_secs(1), self.stream.next()).await;
                            return Err(None);
                        }
                        None => return Err(None),
                        Some(Err(_)) => return Err(Some(Close::new(4400, "Invalid message received"))),
                    }
                    if self.caller.is_none() && begun.elapsed() > INIT {
                        return Err(Some(Close::new(4408, "Connection initialisation timeout")));
                    }
                }
                () = init => return Err(Some(Close::new(4408, "Connection initialisation timeout"))),
                Some(frame) = self.running.next() => self.write(frame).await?,
                _ = pings.tick() => {
                    if heard.elapsed() > SILENT {
                        return Err(Some(Close::new(4499, "Nothing was heard")));
                    }
                    if self.caller.is_some() {
                        self.send(json!({ "type": "ping" }).to_string()).await?;
                    }
                }
            }
        }
    }

    async fn send(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Option<Close>> {
        match timeout(STUCK, self.sink.send(Message::Text(text.into()))).await {
            Ok(sent) => sent.map_err(|_| None),
            // A client that ever reads on finds the reason, and goes on from the cursors that it has read.
            Err(_) => Err(Some(Close::new(1013, Code::SLOW_READER.as_str()))),
        }
    }

    async fn write(&mut self, frame: Frame) -> Result<(), Option<Close>> {
        let mut held = None;
        let text = match frame {
            Frame::Next(id, answer, room) => {
                held = room;
                let id = Value::from(id);
                let answer = String::from_utf8_lossy(&answer);
                format!("{{\"id\":{id},\"type\":\"next\",\"payload\":{answer}}}")
            }
            Frame::Failed(id, errors) => {
                self.operations.remove(&id);
                json!({ "id": id, "type": "error", "payload": errors }).to_string()
            }
            Frame::Complete(id) => {
                self.operations.remove(&id);
                json!({ "id": id, "type": "complete" }).to_string()
            }
            Frame::Over(error) => return Err(Some(over(&error))),
        };
        let sent = self.send(text).await;
        drop(held);
        sent
    }

    async fn on_text(&mut self, text: &str) -> Result<(), Option<Close>> {
        let invalid = || Some(Close::new(4400, "Invalid message received"));
        let Ok(Value::Object(mut message)) = surface::parse(text.as_bytes()) else { return Err(invalid()) };
        let payload = message.remove("payload").unwrap_or_default();
        let id = message.get("id").and_then(Value::as_str).map(str::to_owned);
        match (message.get("type").and_then(Value::as_str), id) {
            (Some("connection_init"), _) => self.init(&payload).await,
            (Some("ping"), _) => self.send(json!({ "type": "pong" }).to_string()).await,
            (Some("pong"), _) => Ok(()),
            (Some("subscribe"), Some(id)) if !id.is_empty() && id.len() <= 256 && payload.is_object() => {
                self.subscribe(id, payload).await
            }
            (Some("complete"), Some(id)) => {
                self.operations.remove(&id);
                Ok(())
            }
            _ => Err(invalid()),
        }
    }

    /// Takes the token and the organization from the payload, or else from the headers of the upgrade.
    async fn init(&mut self, payload: &Value) -> Result<(), Option<Close>> {
        if self.caller.is_some() {
            return Err(Some(Close::new(4429, "Too many initialisation requests")));
        }
        let mut headers = self.headers.clone();
        for (name, value) in payload.as_object().into_iter().flatten() {
            let header = match name.to_ascii_lowercase().as_str() {
                "authorization" => "authorization",
                surface::ORGANIZATION | "organizationid" => surface::ORGANIZATION,
                surface::GRANT | "grantid" => surface::GRANT,
                _ => continue,
            };
            let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
            let Some(value) = value else { return Err(Some(Close::new(4400, format!("{name} is not a text")))) };
            headers.insert(HeaderName::from_static(header), value);
        }
        let seated = async {
            let caller = surface::caller(&self.graphql.mount.gateway, &headers).await?;
            Ok::<_, Error>((caller, self.graphql.connection(&caller)?))
        };
        match seated.await {
            Ok((caller, seat)) => {
                (self.caller, self.seat) = (Some(caller), Some(seat));
                self.send(json!({ "type": "connection_ack" }).to_string()).await
            }
            Err(error) => {
                error.trace();
                Err(Some(over(&error)))
            }
        }
    }

    async fn subscribe(&mut self, id: String, payload: Value) -> Result<(), Option<Close>> {
        let Some(caller) = self.caller else { return Err(Some(Close::new(4401, "Unauthorized"))) };
        if self.operations.contains_key(&id) {
            return Err(Some(Close::new(4409, format!("Subscriber for {id} already exists"))));
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let details = json!({ "limit": SUBSCRIPTIONS });
            let refusal = refused(Error::new(Code::TOO_MANY_SUBSCRIPTIONS).details(details));
            return self.write(Frame::Failed(id, errors(&refusal))).await;
        };
        // The operation begins in a task of its own, so that a client that does not read keeps no database connection busy.
        self.opening.retain(|earlier| !*earlier.borrow() && earlier.has_changed().is_ok());
        let earlier = self.opening.clone();
        let (opened, opening) = watch::channel(false);
        self.opening.push(opening);
        let changes = Arc::new(AtomicBool::new(false));
        let begun = begin(self.graphql.clone(), caller, id.clone(), payload, earlier, opened, changes.clone());
        // The work keeps its place until it has ended, whatever the client says of its id.
        let place = Arc::new(place);
        let held = place.clone();
        let work = async move {
            let frames = begun.await;
            drop(held);
            frames
        };
        // In a box: as long as a task's handle is held, so is the room of its future, and a subscription lives long.
        let begins = tokio::spawn(Box::pin(work.in_current_span()));
        let (answers, registration) = AbortHandle::new_pair();
        self.operations.insert(id.clone(), Operation { answers, work: begins.abort_handle(), changes, _place: place });
        let begun = async move {
            let failed = |problem| Frame::Failed(id, errors(&refused(Error::internal(problem))));
            begins.await.unwrap_or_else(|problem| once(std::future::ready(failed(problem))).boxed())
        };
        self.running.push(Abortable::new(begun.into_stream().flatten(), registration).boxed());
        Ok(())
    }
}

fn errors(response: &async_graphql::Response) -> Value {
    serde_json::to_value(&response.errors).unwrap_or_default()
}

/// Begins an operation. A query waits for the subscriptions that the connection asked for before, so that no change falls
/// between the two.
async fn begin(
    graphql: GraphQl,
    caller: Caller,
    id: String,
    payload: Value,
    earlier: Vec<watch::Receiver<bool>>,
    opened: watch::Sender<bool>,
    changes: Arc<AtomicBool>,
) -> BoxStream<'static, Frame> {
    let span = tracing::info_span!(
        "operation",
        otel.name = "websocket operation",
        actor_id = tracing::field::Empty,
        actor_kind = tracing::field::Empty,
        organization_id = tracing::field::Empty,
        error.code = tracing::field::Empty,
        graphql.operation.name = tracing::field::Empty
    );
    let began = async {
        if caller.until <= graphql.mount.gateway.clock.now() {
            return Err(Frame::Over(Error::new(Code::TOKEN_EXPIRED)));
        }
        graphql.mount.gateway.denied.ensure_caller(&caller).map_err(Frame::Over)?;
        let failed = |response: &async_graphql::Response| Frame::Failed(id.clone(), errors(response));
        let prepared = async { graphql.prepare(&caller, from_json(payload)?).await };
        let prepared = match prepared.await {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(response)) => return Err(failed(&response)),
            Err(error) => return Err(failed(&refused(error))),
        };
        if prepared.operation_type() == OperationType::Subscription {
            return Subscription::open(&graphql, caller, prepared).await.map_err(|response| failed(&response)).map(Ok);
        }
        opened.send_replace(true);
        for mut earlier in earlier {
            // The earlier operation may have failed instead.
            let _ = earlier.wait_for(|opened| *opened).await;
        }
        changes.store(prepared.operation_type() == OperationType::Mutation, Ordering::Relaxed);
        let (response, room) = match graphql.execute(caller, prepared).await {
            Ok(made) => made,
            Err(error) => return Err(failed(&refused(error))),
        };
        // Failed fields are part of an answer.
        if !was_executed(&response) {
            return Err(failed(&response));
        }
        let answer = serde_json::to_vec(&response).unwrap_or_default();
        Ok(Err(vec![Frame::Next(id.clone(), answer.into(), room), Frame::Complete(id.clone())]))
    };
    let began = began.instrument(span).await;
    // Later operations need not wait: this one is open, or failed.
    drop(opened);
    match began {
        Ok(Ok(subscription)) => frames(id, subscription),
        Ok(Err(answers)) => futures_util::stream::iter(answers).boxed(),
        Err(frame) => once(async { frame }).boxed(),
    }
}

fn frames(id: String, subscription: Subscription) -> BoxStream<'static, Frame> {
    let step = async move |(id, mut subscription): (String, Box<Subscription>)| {
        let frame = match subscription.next().await? {
            Out::Next(answer) => Frame::Next(id.clone(), answer, None),
            Out::Complete => Frame::Complete(id.clone()),
            Out::Ended(error)
                if matches!(
                    error.code(),
                    Code::SHUTTING_DOWN | Code::TOKEN_EXPIRED | Code::TOKEN_INVALID | Code::PRINCIPAL_BLOCKED
                ) =>
            {
                Frame::Over(error)
            }
            Out::Ended(error) => Frame::Failed(id.clone(), errors(&refused(error))),
        };
        Some((frame, (id, subscription)))
    };
    unfold((id, Box::new(subscription)), step).boxed()
}

/// The close frame for an error. The client's library tries again after 1012, 1013 and 4403.
fn over(error: &Error) -> Close {
    match error.code() {
        Code::SHUTTING_DOWN => Close::new(1012, Code::SHUTTING_DOWN.as_str()),
        Code::INTERNAL => Close::new(4500, Code::INTERNAL.as_str()),
        code @ (Code::ORGANIZATION_INVALID | Code::GRANT_INVALID) => Close::new(4400, code.as_str()),
        code if matches!(code.error_type(), Type::Unavailable | Type::RateLimit) => Close::new(1013, code.as_str()),
        // The client's library renews its token after this code.
        code => Close::new(4403, code.as_str()),
    }
}
