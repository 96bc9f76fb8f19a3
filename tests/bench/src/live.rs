//! What those who wait cost, and how soon they hear: 10,000 subscriptions that nothing happens to, over as many connections and
//! over a hundred; one change told to a thousand.

use futures_util::{
    SinkExt, StreamExt,
    future::{join_all, try_join_all},
};
use serde_json::{Value, json};
use server::Fault;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::sleep,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, protocol::WebSocketConfig},
};
use uuid::Uuid;

const IDLE: usize = 10_000;
const LISTENERS: usize = 1_000;
const ROUNDS: usize = 25;
const QUERY: &str = "subscription { propertyChanged { cursor change property { id notes address { line1 } } event { seq } } }";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The binary in a process of its own, with its servers and the demo.
struct Gateway {
    child: Child,
    data: PathBuf,
    url: String,
    organization: String,
    token: String,
}

impl Gateway {
    async fn start() -> Result<Gateway, Fault> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let data = std::env::temp_dir().join(format!("hestami-bench-live-{}", std::process::id()));
        let mut child = Command::new(root.join("target/release/hestami"))
            .arg("serve")
            .env("HESTAMI_DATA", &data)
            .env("HESTAMI_LISTEN", "127.0.0.1:0")
            .env("HESTAMI_LOG", "warn")
            .current_dir(&root)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let (mut url, mut organization, mut token) = (String::new(), String::new(), String::new());
        while let Some(line) = lines.next_line().await? {
            if let Some(rest) = line.strip_prefix("hestami serves ") {
                url = rest.split(' ').next().unwrap_or_default().to_owned();
            }
            if line.starts_with("OWNER: ") {
                organization = line.rsplit(' ').next().unwrap_or_default().to_owned();
            }
            if token.is_empty()
                && let Some((_, rest)) = line.split_once("&token=")
            {
                token = rest.trim().to_owned();
            }
            if line.starts_with("More tokens") {
                break;
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Gateway { child, data, url, organization, token })
    }

    /// Kilobytes in memory, and seconds of CPU.
    fn costs(&self) -> Result<(u64, f64), Fault> {
        let id = self.child.id().ok_or("it ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        let after = stat.rsplit(") ").next().unwrap_or_default();
        let ticks: Vec<f64> = after.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
        Ok((resident.ok_or("no resident size")?, ticks.iter().sum::<f64>() / 100.0))
    }

    /// A connection with so many subscriptions that stand.
    async fn listen(&self, subscriptions: usize) -> Result<Socket, Fault> {
        let mut request = format!("{}/graphql", self.url.replacen("http", "ws", 1)).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let config = WebSocketConfig::default().read_buffer_size(4_096).write_buffer_size(0);
        let (mut socket, _) = connect_async_with_config(request, Some(config), true).await?;
        let payload = json!({ "authorization": format!("Bearer {}", self.token), "organizationId": self.organization });
        socket.send(text(json!({ "type": "connection_init", "payload": payload }))).await?;
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

    async fn graphql(&self, client: &reqwest::Client, query: &str, variables: Value) -> Result<Value, Fault> {
        let request = client.post(format!("{}/graphql", self.url)).bearer_auth(&self.token);
        let request =
            request.header("x-organization-id", &self.organization).json(&json!({ "query": query, "variables": variables }));
        let answer: Value = request.send().await?.json().await?;
        if answer["errors"].is_null() { Ok(answer["data"].clone()) } else { Err(answer.to_string().into()) }
    }

    async fn stop(mut self) -> Result<(), Fault> {
        self.child.start_kill()?;
        self.child.wait().await?;
        // Its servers go with it.
        sleep(Duration::from_secs(2)).await;
        let _ = std::fs::remove_dir_all(&self.data);
        Ok(())
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
async fn opened(gateway: &Gateway, connections: usize, each: usize) -> Result<Vec<Socket>, Fault> {
    let mut sockets = Vec::with_capacity(connections);
    while sockets.len() < connections {
        let some = 20.min(connections - sockets.len());
        sockets.extend(try_join_all((0..some).map(|_| gateway.listen(each))).await?);
    }
    Ok(sockets)
}

async fn waiting(gateway: &Gateway, connections: usize, each: usize) -> Result<(), Fault> {
    let (before, _) = gateway.costs()?;
    let began = Instant::now();
    let sockets = opened(gateway, connections, each).await?;
    let took = began.elapsed();
    sleep(Duration::from_secs(2)).await;
    let (after, cpu) = gateway.costs()?;
    sleep(Duration::from_secs(5)).await;
    let (_, later) = gateway.costs()?;
    let count = connections * each;
    println!(
        "  {count} that wait over {connections} connections: {:.1} KiB of memory each ({:.0} MB in all), {:.2} % of one core; opened at {:.0} a second",
        (after.saturating_sub(before)) as f64 / count as f64,
        after as f64 / 1024.0,
        (later - cpu) / 5.0 * 100.0,
        count as f64 / took.as_secs_f64(),
    );
    drop(sockets);
    sleep(Duration::from_secs(3)).await;
    Ok(())
}

/// From a mutation's start to each listener's hearing of it, and to its own answer.
async fn told(gateway: &Gateway) -> Result<(), Fault> {
    let client = reqwest::Client::new();
    let mut sockets = opened(gateway, LISTENERS, 1).await?;
    let mut heard = Vec::new();
    let mut answered = Vec::new();
    for round in 0..ROUNDS {
        let data = gateway.graphql(&client, "{ properties(first: 1) { edges { node { id version } } } }", json!({})).await?;
        let house = &data["properties"]["edges"][0]["node"];
        let change = "mutation ($key: UUID!, $input: PropertyUpdateInput!) { propertyUpdate(idempotencyKey: $key, input: $input) { replayed } }";
        let input = json!({ "id": house["id"], "version": house["version"], "notes": format!("round {round}") });
        let key = Uuid::from_u128(0x4000_8000_0000_0000_0000 + round as u128);
        let began = Instant::now();
        let listening = join_all(sockets.iter_mut().map(async |socket| {
            loop {
                if hear(socket).await?["type"] == "next" {
                    return Ok::<_, Fault>(began.elapsed());
                }
            }
        }));
        let mutating = async {
            gateway.graphql(&client, change, json!({ "key": key, "input": input })).await?;
            Ok::<_, Fault>(began.elapsed())
        };
        let (times, answer) = tokio::join!(listening, mutating);
        if round >= 5 {
            heard.extend(times.into_iter().collect::<Result<Vec<_>, _>>()?);
            answered.push(answer?);
        }
    }
    heard.sort_unstable();
    answered.sort_unstable();
    let at = |all: &[Duration], part: usize| all[(all.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    println!(
        "  one change told to {LISTENERS}: p50 {:.1} ms, p99 {:.1} ms after the mutation was sent (answered after {:.1} ms)",
        at(&heard, 50),
        at(&heard, 99),
        at(&answered, 50),
    );
    Ok(())
}

pub async fn run() -> Result<(), Fault> {
    println!("following the log");
    let gateway = Gateway::start().await?;
    let measured = async {
        waiting(&gateway, 100, IDLE / 100).await?;
        waiting(&gateway, IDLE, 1).await?;
        told(&gateway).await
    };
    let measured = measured.await;
    gateway.stop().await?;
    measured
}
