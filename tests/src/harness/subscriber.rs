//! A client that subscribes: over graphql-transport-ws, or over HTTP in events or parts.

use super::Person;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{collections::VecDeque, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

/// One WebSocket connection.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Messages that came while another was waited for.
    early: VecDeque<Value>,
}

/// A message or an end that came over the connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Message(Value),
    /// The close of the other side, with its code and reason.
    Closed(u16, String),
    /// An end without a code.
    Cut,
}

impl Heard {
    #[track_caller]
    pub fn message(self) -> Value {
        match self {
            Heard::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }
}

impl Socket {
    /// A connection that has sent nothing yet.
    pub async fn raw(url: &str) -> Socket {
        Socket::try_raw(url).await.expect("a connection")
    }

    async fn try_raw(url: &str) -> Option<Socket> {
        let mut request = format!("{}/graphql", url.replacen("http", "ws", 1)).into_client_request().expect("an address");
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a header"));
        let (stream, _) = timeout(PATIENCE, connect_async(request)).await.ok()?.ok()?;
        Some(Socket { stream, early: VecDeque::new() })
    }

    pub async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.expect("it is sent");
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.stream.send(message).await.expect("it is sent");
    }

    /// The next message or end, besides pings.
    pub async fn hear(&mut self) -> Heard {
        match self.early.pop_front() {
            Some(message) => Heard::Message(message),
            None => self.listen().await,
        }
    }

    /// Waits until a probe is answered: a subscription that was sent before stands by then.
    pub async fn standing(&mut self) {
        self.subscribe("probe", "{ viewer { id } }", json!({})).await;
        loop {
            let message = self.listen().await.message();
            match (message["id"] == "probe", message["type"] == "complete") {
                (true, true) => return,
                (true, false) => {}
                (false, _) => self.early.push_back(message),
            }
        }
    }

    async fn listen(&mut self) -> Heard {
        loop {
            let next = timeout(PATIENCE, self.stream.next()).await.expect("something is heard in time");
            match next {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["type"] == "ping" {
                        self.send(json!({ "type": "pong" })).await;
                        continue;
                    }
                    return Heard::Message(message);
                }
                Some(Ok(Message::Close(Some(frame)))) => return Heard::Closed(frame.code.into(), frame.reason.to_string()),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Heard::Cut,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Asserts that nothing comes within this time.
    pub async fn quiet(&mut self, time: Duration) {
        if let Ok(heard) = timeout(time, self.hear()).await {
            panic!("heard {heard:?}");
        }
    }

    /// A connection that has said who asks, and for which organization.
    pub async fn open(url: &str, who: &Person, organization: Option<Uuid>, grant: Option<&Value>) -> Result<Socket, Heard> {
        Socket::raw(url).await.introduce(who, organization, grant).await
    }

    /// The same as `open`, or None where no server is there.
    pub async fn try_open(url: &str, who: &Person, organization: Option<Uuid>) -> Option<Result<Socket, Heard>> {
        let socket = Socket::try_raw(url).await?;
        Some(socket.introduce(who, organization, None).await)
    }

    async fn introduce(mut self, who: &Person, organization: Option<Uuid>, grant: Option<&Value>) -> Result<Socket, Heard> {
        let mut payload = json!({ "authorization": format!("Bearer {}", who.token) });
        if let Some(organization) = organization {
            payload["organizationId"] = organization.to_string().into();
        }
        if let Some(grant) = grant {
            payload["grantId"] = grant.clone();
        }
        if self.stream.send(Message::text(json!({ "type": "connection_init", "payload": payload }).to_string())).await.is_err() {
            return Err(Heard::Cut);
        }
        match self.hear().await {
            Heard::Message(message) if message["type"] == "connection_ack" => Ok(self),
            heard => Err(heard),
        }
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let message = json!({ "id": id, "type": "subscribe", "payload": { "query": query, "variables": variables } });
        // A cut connection is found out where an answer is waited for.
        let _ = self.stream.send(Message::text(message.to_string())).await;
    }

    /// The next answer's only field.
    pub async fn next(&mut self) -> Value {
        let message = self.hear().await.message();
        assert_eq!(message["type"], "next", "{message:#}");
        assert!(message["payload"]["errors"].is_null(), "{message:#}");
        field(&message["payload"]["data"])
    }

    /// The code and the details of the error that ends a subscription.
    pub async fn ends(&mut self) -> (String, Value) {
        let message = self.hear().await.message();
        assert_eq!(message["type"], "error", "{message:#}");
        let extensions = &message["payload"][0]["extensions"];
        assert_eq!(extensions["trace_id"].as_str().map(str::len), Some(32), "{message:#}");
        (extensions["code"].as_str().unwrap_or_default().to_owned(), extensions["details"].clone())
    }
}

/// The value of the one field.
pub fn field(data: &Value) -> Value {
    data.as_object().and_then(|data| data.values().next()).cloned().unwrap_or_default()
}

/// A subscription over plain HTTP.
pub struct Streaming {
    response: reqwest::Response,
    accept: &'static str,
    read: Vec<u8>,
    parts: VecDeque<Value>,
}

pub const EVENTS: &str = "text/event-stream";
pub const PARTS: &str = "multipart/mixed;subscriptionSpec=1.0, application/json";

impl Streaming {
    pub async fn open(request: reqwest::RequestBuilder, accept: &'static str, query: &str, variables: Value) -> Streaming {
        let request = request.header("accept", accept).json(&json!({ "query": query, "variables": variables }));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        let media = response.headers()["content-type"].to_str().expect("text").to_owned();
        assert!(media.starts_with(accept.split(';').next().unwrap_or_default()), "{media}");
        let mut streaming = Streaming { response, accept, read: Vec::new(), parts: VecDeque::new() };
        // The subscription stands when something came.
        let first = streaming.response.chunk().await.expect("a chunk").expect("a beat");
        streaming.take(&first);
        streaming
    }

    fn take(&mut self, chunk: &[u8]) {
        self.read.extend_from_slice(chunk);
        let text = String::from_utf8_lossy(&self.read).into_owned();
        if self.accept == EVENTS {
            let Some(end) = text.rfind("\n\n") else { return };
            for event in text[..end].split("\n\n").filter(|event| !event.trim().is_empty() && !event.starts_with(':')) {
                let (name, data) = event.split_once('\n').expect("an event and its data");
                let data = data.strip_prefix("data:").expect("data").trim();
                self.parts.push_back(match name {
                    "event: next" => serde_json::from_str(data).expect("JSON"),
                    "event: complete" => Value::Null,
                    other => panic!("{other}"),
                });
            }
            self.read = text[end + 2..].into();
        } else {
            // A part is there when the boundary behind it is, as for real clients.
            const HEAD: &str = "Content-Type: application/json\r\n\r\n";
            let mut rest = text.as_str();
            while let Some((part, after)) = rest.split_once("\r\n--graphql") {
                rest = after;
                let Some((_, body)) = part.split_once(HEAD) else { continue };
                let value: Value = serde_json::from_str(body).expect("JSON");
                if let Some(payload) = value.get("payload") {
                    self.parts.push_back(if payload.is_null() { value } else { payload.clone() });
                }
            }
            if rest.starts_with("--\r\n") {
                self.parts.push_back(Value::Null);
                rest = "";
            }
            self.read = rest.into();
        }
    }

    /// The next answer: null for a proper end, None for an end without a word.
    pub async fn hear(&mut self) -> Option<Value> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Some(part);
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("something is heard in time").ok().flatten()?;
            self.take(&chunk);
        }
    }

    pub async fn next(&mut self) -> Value {
        let answer = self.hear().await.expect("an answer");
        assert!(answer["errors"].is_null(), "{answer:#}");
        field(&answer["data"])
    }
}
