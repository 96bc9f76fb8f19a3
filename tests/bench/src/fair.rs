//! N1: how long a quiet tenant waits beside each flood of another: by its own time when it is alone, in the same run. The floods come
//! from an address of their own, as an attacker's would.

use crate::{
    ground::{Asker, Ground},
    load::{Connection, Figures, post},
    processes::Process,
    report::Report,
};
use hyper::body::Bytes;
use serde_json::{Value, json};
use server::Fault;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpSocket, sync::oneshot};

/// The quiet tenant asks so often.
const PACE: Duration = Duration::from_millis(40);
const QUIET: &str = "{ properties(first: 5) { edges { node { id address { line1 } portfolios { id name } } } } }";
const NESTED: &str = "{ portfolios(first: 20) { nodes { id name properties(first: 100) { nodes { id kind status notes address { line1 locality } history(first: 3) { nodes { kind } } } } } } }";

/// The address that the floods of a tenant come from.
fn elsewhere(asker: &Asker) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, (asker.n % 250) as u8)
}

/// Requests of the quiet tenant: their times, and those that were refused.
pub struct Quiet {
    pub times: Vec<Duration>,
    pub refused: u64,
}

/// Asks at a steady pace for some time.
pub async fn quiet(address: SocketAddr, asker: &Asker, time: Duration) -> Result<Quiet, Fault> {
    let mut connection = Connection::open(address).await?;
    let (began, mut quiet) = (Instant::now(), Quiet { times: Vec::new(), refused: 0 });
    let mut pace = tokio::time::interval(PACE);
    while began.elapsed() < time {
        pace.tick().await;
        let asked = Instant::now();
        match connection.ask(graphql(asker, QUIET, json!({}))?).await {
            Ok(_) => quiet.times.push(asked.elapsed()),
            Err(_) => {
                quiet.refused += 1;
                connection = Connection::open(address).await?;
            }
        }
    }
    Ok(quiet)
}

pub fn graphql(asker: &Asker, query: &str, variables: Value) -> Result<hyper::Request<http_body_util::Full<Bytes>>, Fault> {
    let authorization = format!("Bearer {}", asker.token);
    let organization = asker.organization.to_string();
    let headers = [("authorization", authorization.as_str()), ("x-organization-id", organization.as_str())];
    post("/graphql", &headers, Bytes::from(serde_json::to_vec(&json!({ "query": query, "variables": variables }))?))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    Duplicates,
    Nested,
    Writes,
    Pairs,
    HalfOpen,
    Subscribers,
}

impl Flood {
    pub const ALL: [Flood; 6] =
        [Flood::Duplicates, Flood::Nested, Flood::Writes, Flood::Pairs, Flood::HalfOpen, Flood::Subscribers];

    pub fn about(self) -> &'static str {
        match self {
            Flood::Duplicates => "equal fields, 950 in a document, 14 at a time",
            Flood::Nested => "lists in lists, 2,000 rows of history each, 16 at a time",
            Flood::Writes => "writes, 24 at a time",
            Flood::Pairs => "operations begun and given up over a WebSocket, 75 a second",
            Flood::HalfOpen => "2,000 connections with half a request",
            Flood::Subscribers => "10,000 subscribers of one tenant, which changes something all the time",
        }
    }

    /// Floods until it is dropped. An attacker has a machine of its own: here it has a thread, behind all that the gateway and the quiet
    /// tenant do.
    pub async fn run(self, address: SocketAddr, asker: &Asker, members: &[Asker], floods: &Arc<AtomicU64>) -> Result<(), Fault> {
        let (asker, members, floods) = (asker.clone(), members.to_vec(), Arc::clone(floods));
        let (_stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let thread = move || -> Result<(), Fault> {
            rustix::process::nice(19)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::select! {
                    ended = self.flood(address, &asker, &members, &floods) => ended,
                    _ = stopped => Ok(()),
                }
            })
        };
        std::thread::spawn(move || tell.send(thread()));
        told.await?
    }

    async fn flood(self, address: SocketAddr, asker: &Asker, members: &[Asker], floods: &AtomicU64) -> Result<(), Fault> {
        let count = || floods.fetch_add(1, Ordering::Relaxed);
        let way = Way { from: elsewhere(asker), to: address };
        match self {
            Flood::Duplicates => {
                let document = format!("{{ {} }}", "viewer { id } ".repeat(950));
                asking(way, 14, || graphql(asker, &document, json!({})), count).await
            }
            Flood::Nested => asking(way, 16, || graphql(asker, NESTED, json!({})), count).await,
            Flood::Writes => {
                let create = || crate::writes::request(asker, crate::ground::fresh());
                asking(way, 24, create, count).await
            }
            Flood::Pairs => {
                let mut socket = crate::live::socket(address, asker, Some(way.from.into())).await?;
                let mut pace = tokio::time::interval(Duration::from_micros(13_300));
                for n in 0u64.. {
                    pace.tick().await;
                    let id = n.to_string();
                    let begin = json!({ "id": id, "type": "subscribe", "payload": { "query": NESTED } });
                    for message in [begin, json!({ "id": id, "type": "complete" })] {
                        crate::live::say(&mut socket, message).await?;
                    }
                    crate::live::skim(&mut socket).await?;
                    count();
                }
                Ok(())
            }
            Flood::HalfOpen => {
                let mut held = Vec::new();
                loop {
                    while held.len() < 2_000 {
                        let mut stream = way.connect().await?;
                        let _ = stream.write_all(b"GET / HTTP/1.1\r\nX:").await;
                        held.push((stream, Instant::now()));
                        count();
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    // The gateway ends those that wait for too long: others come in their place.
                    held.retain(|(_, since)| since.elapsed() < Duration::from_secs(11));
                }
            }
            Flood::Subscribers => {
                let mut listening = Vec::new();
                for member in members {
                    listening.push(crate::live::listeners(address, member, 1_000).await?);
                }
                let change = || crate::writes::request(asker, crate::ground::fresh());
                asking(way, 2, change, count).await
            }
        }
    }
}

/// The way of a flood: from an address of the attacker to a gateway.
#[derive(Clone, Copy)]
struct Way {
    from: Ipv4Addr,
    to: SocketAddr,
}

impl Way {
    async fn connect(self) -> Result<tokio::net::TcpStream, Fault> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((self.from, 0)))?;
        Ok(socket.connect(self.to).await?)
    }
}

/// Asks without end, so many at a time, whatever is answered.
async fn asking(
    way: Way,
    many: usize,
    request: impl Fn() -> Result<hyper::Request<http_body_util::Full<Bytes>>, Fault>,
    count: impl Fn() -> u64,
) -> Result<(), Fault> {
    let all = (0..many).map(async |_| -> Result<(), Fault> {
        loop {
            let mut connection = Connection::over(way.connect().await?).await?;
            while let Ok((status, _)) = connection.exchange(request()?).await {
                count();
                // Whoever is told to wait, and does not, floods on; a client that spins on a refusal is the worst.
                if !status.is_success() {
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    futures_util::future::try_join_all(all).await.map(drop)
}

/// Rates and connections as the settings have them where nothing else is said.
pub const DEFAULTS: [(&str, &str); 6] = [
    ("HESTAMI_CONNECTIONS", "10000"),
    ("HESTAMI_CONNECTIONS_PER_ADDRESS", "2000"),
    ("HESTAMI_CONNECTIONS_PER_PERSON", "100"),
    ("HESTAMI_RATE_ADDRESS", "100000/2000000"),
    ("HESTAMI_RATE_PRINCIPAL", "20000/400000"),
    ("HESTAMI_RATE_ORGANIZATION", "50000/1000000"),
];

/// Ten members of a tenant, each with a token.
pub async fn members(ground: &Ground, of: &Asker) -> Result<Vec<Asker>, Fault> {
    let mut members = Vec::new();
    for n in 0..10 {
        let subject = format!("member-{}-{n}", of.n);
        let (principal, membership, organization) = (crate::ground::fresh(), crate::ground::fresh(), of.organization);
        let issuer = server::secrets::ISSUER;
        let sql = format!(
            "INSERT INTO principal (id, kind, issuer, subject, email, created_at, updated_at)
             VALUES ('{principal}', 'HUMAN', '{issuer}', '{subject}', '{subject}@example.com', now(), now());
             INSERT INTO membership (organization_id, id, principal_id, role, state, starts_at, invited_by, accepted_at, created_at, updated_at)
             VALUES ('{organization}', '{membership}', '{principal}', 'TRUSTEE', 'ACTIVE', now(), '{principal}', now(), now(), now())"
        );
        crate::ground::execute(ground, sql).await?;
        members.push(Asker { token: ground.token(&subject)?, ..of.clone() });
    }
    Ok(members)
}

/// N1: the quiet tenant alone, and beside each flood.
pub async fn run(ground: &Ground, askers: &[Asker], quick: bool, report: &mut Report) -> Result<(), Fault> {
    let time = Duration::from_secs(if quick { 3 } else { 8 });
    let [flooding, resting, ..] = askers else { return Err("two tenants are needed".into()) };
    let members = members(ground, flooding).await?;
    report.line("N1: a quiet tenant that reads 25 times a second, beside a flood of another tenant with one token, from another address, whose client takes the time of the cores that nobody else wants. The gateway keeps to its default rates, turns and connections.".into());
    for flood in Flood::ALL {
        let gateway = Process::gateway_with(ground, &DEFAULTS).await?;
        quiet(gateway.address, resting, time / 4).await?;
        let alone = quiet(gateway.address, resting, time).await?;
        let floods = Arc::new(AtomicU64::new(0));
        let flooded = async {
            // The flood is there before anything is measured.
            tokio::time::sleep(if flood == Flood::Subscribers { time } else { time / 4 }).await;
            let before = floods.load(Ordering::Relaxed);
            let quiet = quiet(gateway.address, resting, time).await?;
            Ok::<_, Fault>((quiet, floods.load(Ordering::Relaxed) - before))
        };
        let (beside, many) = tokio::select! {
            flooded = flooded => flooded?,
            ended = flood.run(gateway.address, flooding, &members, &floods) => return Err(format!("the flood ended: {ended:?}").into()),
        };
        let resident = gateway.resident()?;
        let alone = Figures::of(alone.times, time)?;
        let refused = beside.refused;
        let beside = Figures::of(beside.times, time)?;
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        report.line(format!(
            "  {}: p99 {:.1} ms, alone {:.1} ms: {:.1} ×; p50 {:.1} ms, alone {:.1} ms; {refused} refused; the flood had {:.0} answers or tries a second; {resident:.0} MB resident.",
            flood.about(),
            millis(beside.p99),
            millis(alone.p99),
            millis(beside.p99) / millis(alone.p99),
            millis(beside.p50),
            millis(alone.p50),
            many as f64 / time.as_secs_f64(),
        ));
        gateway.stop().await?;
    }
    Ok(())
}
