//! What those who wait cost, and how soon they hear: 10,000 subscriptions that nothing happens to, over as many connections and
//! over a hundred; one change told to a thousand.

use crate::{
    Run,
    ground::{Asker, Ground},
    load::{Connection, Figures, post},
    processes::{Meter, Process},
    report::Report,
};
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    future::{join_all, try_join_all},
};
use serde_json::{Value, json};
use server::Fault;
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::sleep,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

const IDLE: usize = 10_000;
/// So many connections are opened at a time.
const AT_ONCE: usize = 4;
const LISTENERS: usize = 1_000;
const ROUNDS: usize = 25;
const QUERY: &str = "subscription { propertyChanged { cursor change property { id notes address { line1 } } event { seq } } }";

pub type Socket = WebSocketStream<TcpStream>;

/// Someone who listens.
struct Listener<'a> {
    gateway: SocketAddr,
    asker: &'a Asker,
}

/// A connection of someone, perhaps from another address.
pub async fn socket(gateway: SocketAddr, asker: &Asker, from: Option<IpAddr>) -> Result<Socket, Fault> {
    let mut request = format!("ws://{gateway}/graphql").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
    let config = WebSocketConfig::default().read_buffer_size(4_096).write_buffer_size(0);
    let socket = TcpSocket::new_v4()?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(gateway).await?;
    stream.set_nodelay(true)?;
    let (mut socket, _) = client_async_with_config(request, stream, Some(config)).await?;
    let payload = json!({ "authorization": format!("Bearer {}", asker.token), "organizationId": asker.organization });
    socket.send(text(json!({ "type": "connection_init", "payload": payload }))).await?;
    Ok(socket)
}

pub async fn say(socket: &mut Socket, message: Value) -> Result<(), Fault> {
    Ok(socket.send(text(message)).await?)
}

/// Reads all that is there already.
pub async fn skim(socket: &mut Socket) -> Result<(), Fault> {
    while let Some(heard) = socket.next().now_or_never() {
        heard.ok_or("the connection ended")??;
    }
    Ok(())
}

impl Listener<'_> {
    /// A connection with so many subscriptions that stand.
    async fn listen(&self, subscriptions: usize) -> Result<Socket, Fault> {
        let mut socket = socket(self.gateway, self.asker, None).await?;
        for id in 0..subscriptions {
            let message = json!({ "id": id.to_string(), "type": "subscribe", "payload": { "query": QUERY } });
            socket.send(text(message)).await?;
        }
        let probe = json!({ "id": "probe", "type": "subscribe", "payload": { "query": "{ viewer { id } }" } });
        socket.send(text(probe)).await?;
        loop {
            let message = hear(&mut socket).await?;
            match (message["type"].as_str(), message["id"].as_str()) {
                (Some("complete"), Some("probe")) => return Ok(socket),
                (Some("error"), _) => return Err(message.to_string().into()),
                _ => {}
            }
        }
    }

    async fn graphql(&self, connection: &mut Connection, query: &str, variables: Value) -> Result<Value, Fault> {
        let authorization = format!("Bearer {}", self.asker.token);
        let organization = self.asker.organization.to_string();
        let headers = [("authorization", authorization.as_str()), ("x-organization-id", organization.as_str())];
        let body = serde_json::to_vec(&json!({ "query": query, "variables": variables }))?;
        let answer: Value = serde_json::from_slice(&connection.ask(post("/graphql", &headers, body.into())?).await?)?;
        Ok(answer["data"].clone())
    }
}

fn text(message: Value) -> Message {
    Message::text(message.to_string())
}

async fn hear(socket: &mut Socket) -> Result<Value, Fault> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(said))) => return Ok(serde_json::from_str(&said)?),
            Some(Ok(_)) => {}
            other => return Err(format!("the connection ended: {other:?}").into()),
        }
    }
}

/// Opens connections, some at a time.
async fn opened(listeners: &[Listener<'_>], connections: usize, each: usize) -> Result<Vec<Socket>, Fault> {
    let mut sockets = Vec::with_capacity(connections);
    while sockets.len() < connections {
        let some = sockets.len()..connections.min(sockets.len() + AT_ONCE);
        sockets.extend(try_join_all(some.map(|k| listeners[k % listeners.len()].listen(each))).await?);
    }
    Ok(sockets)
}

/// So many who hear what happens, and read it.
pub async fn listeners(gateway: SocketAddr, asker: &Asker, many: usize) -> Result<Vec<AbortOnDrop>, Fault> {
    let sockets = opened(&[Listener { gateway, asker }], many.div_ceil(50), 50).await?;
    let reading = sockets
        .into_iter()
        .map(|mut socket| AbortOnDrop(tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} })));
    Ok(reading.collect())
}

pub struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// So many that nothing happens to, in a process that does nothing else.
async fn idle(ground: &Ground, askers: &[Asker], connections: usize, each: usize, report: &mut Report) -> Result<(), Fault> {
    let gateway = Process::gateway(ground).await?;
    let listeners: Vec<_> = askers.iter().map(|asker| Listener { gateway: gateway.address, asker }).collect();
    drop(opened(&listeners, 1, 1).await?);
    let before = gateway.resident()?;
    let began = Instant::now();
    let sockets = opened(&listeners, connections, each).await?;
    let took = began.elapsed();
    // What was opened is told of once; then it is still.
    sleep(Duration::from_secs(2)).await;
    let meter = Meter::of(&[&gateway], ground);
    let (after, cpu) = (gateway.resident()?, meter.read());
    sleep(Duration::from_secs(5)).await;
    let later = meter.read();
    let count = connections * each;
    report.line(format!(
        "{count} subscriptions that wait over {connections} connections: {:.1} KiB of memory each ({:.0} MB in all), {:.1} % of a core in the gateway and {:.1} % in PostgreSQL; opened at {:.0} a second.",
        (after - before) * 1024.0 / count as f64,
        after,
        (later.0 - cpu.0) / 5.0 * 100.0,
        (later.1 - cpu.1) / 5.0 * 100.0,
        count as f64 / took.as_secs_f64(),
    ));
    drop(sockets);
    gateway.stop().await
}

pub async fn waiting(ground: &Ground, askers: &[Asker], run: Run, report: &mut Report) -> Result<(), Fault> {
    let all = if run.quick { IDLE / 10 } else { IDLE };
    idle(ground, askers, all / 50, 50, report).await?;
    idle(ground, askers, all, 1, report).await
}

/// S1: from a mutation's start to each listener's hearing of it, and to its own answer.
pub async fn told(gateway: &Process, asker: &Asker, report: &mut Report) -> Result<(), Fault> {
    let listener = Listener { gateway: gateway.address, asker };
    let mut connection = Connection::open(gateway.address).await?;
    let mut sockets = opened(std::slice::from_ref(&listener), LISTENERS, 1).await?;
    let (mut heard, mut answered) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let data =
            listener.graphql(&mut connection, "{ properties(first: 1) { edges { node { id version } } } }", json!({})).await?;
        let house = &data["properties"]["edges"][0]["node"];
        let change = "mutation ($key: UUID!, $input: PropertyUpdateInput!) { propertyUpdate(idempotencyKey: $key, input: $input) { replayed } }";
        let input = json!({ "id": house["id"], "version": house["version"], "notes": format!("round {round}") });
        let began = Instant::now();
        let listening = join_all(sockets.iter_mut().map(async |socket| {
            loop {
                if hear(socket).await?["type"] == "next" {
                    return Ok::<_, Fault>(began.elapsed());
                }
            }
        }));
        let mutating = async {
            listener.graphql(&mut connection, change, json!({ "key": crate::ground::fresh(), "input": input })).await?;
            Ok::<_, Fault>(began.elapsed())
        };
        let (times, answer) = tokio::join!(listening, mutating);
        let times = times.into_iter().collect::<Result<Vec<_>, _>>()?;
        if round >= ROUNDS / 5 {
            heard.extend(times);
            answered.push(answer?);
        }
    }
    let whole = Duration::from_secs(1);
    let (heard, answered) = (Figures::of(heard, whole)?, Figures::of(answered, whole)?);
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    report.line(format!(
        "S1: one change told to {LISTENERS} subscribers: p50 {:.1} ms, p99 {:.1} ms after its mutation was sent, which was answered after {:.1} ms (p50).",
        millis(heard.p50),
        millis(heard.p99),
        millis(answered.p50),
    ));
    Ok(())
}
