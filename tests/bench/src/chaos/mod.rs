//! Two replicas behind a round-robin, clients that write, read, follow and sync, and everything breaks in turn. In the end a
//! checker compares what they remember with what is there. `CHAOS_SEED` and `CHAOS_SECONDS` are settings.

pub mod check;
mod clients;
mod proxy;

use crate::{ground::Ground, processes::Process};
use clients::Came;
pub use clients::{Book, Client, Dice};
use nix::sys::signal::Signal;
pub use proxy::Proxy;
use serde_json::{Value, json};
use server::{
    Fault,
    embedded::{Folders, Postgres, Spawner, Tuning, start_cerbos},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use uuid::Uuid;

const OWNERS: usize = 4;
const WRITERS: usize = 3;

/// A place of its own, to which it comes back: one that was taken for dead does so in the same process.
fn free() -> Result<SocketAddr, Fault> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn replica(ground: &Ground, address: SocketAddr) -> Result<Process, Fault> {
    // What is away is said by the answers, unless one looks into it.
    let log = std::env::var("CHAOS_LOG").unwrap_or_else(|_| "error".to_owned());
    Process::gateway_with(ground, &[("HESTAMI_LOG", &log), ("HESTAMI_LISTEN", &address.to_string())]).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Break {
    KillReplica,
    PauseReplica,
    RestartPostgresFast,
    RestartPostgresImmediate,
    StopCerbos,
    CutConnections,
    KillRelay,
    KillNews,
}

const ALL: [Break; 8] = [
    Break::KillReplica,
    Break::RestartPostgresFast,
    Break::CutConnections,
    Break::KillRelay,
    Break::PauseReplica,
    Break::StopCerbos,
    Break::RestartPostgresImmediate,
    Break::KillNews,
];

struct Stage {
    ground: Ground,
    spawner: Spawner,
    folders: Folders,
    replicas: [Option<Process>; 2],
    addresses: [SocketAddr; 2],
    proxy: Proxy,
    broken: BTreeMap<Break, u32>,
    began: Instant,
}

impl Stage {
    async fn set() -> Result<Stage, Fault> {
        let ground = Ground::new().await?;
        let folders = Folders::lay_out(&ground.home, &crate::ground::root().join("embedded/node_modules"))?;
        let addresses = [free()?, free()?];
        let (first, second) = tokio::try_join!(replica(&ground, addresses[0]), replica(&ground, addresses[1]))?;
        let proxy = Proxy::start(addresses.to_vec()).await?;
        let replicas = [Some(first), Some(second)];
        Ok(Stage {
            ground,
            spawner: Spawner::start()?,
            folders,
            replicas,
            addresses,
            proxy,
            broken: BTreeMap::new(),
            began: Instant::now(),
        })
    }

    /// Whoever is not there comes back, as an orchestrator would see to it.
    async fn tend(&mut self) -> Result<(), Fault> {
        for at in 0..self.replicas.len() {
            if self.replicas[at].as_mut().is_none_or(Process::ended) {
                // It may find its servers away, and end again.
                self.replicas[at] = replica(&self.ground, self.addresses[at]).await.ok();
                if self.replicas[at].is_some() {
                    println!("{:>4.0} s replica {at} is back", self.began.elapsed().as_secs_f64());
                }
            }
        }
        Ok(())
    }

    async fn rest(&mut self, time: Duration) -> Result<(), Fault> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.tend().await?;
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn terminate(&self, application: &str) -> Result<(), Fault> {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
        sqlx::query(sql).bind(application).execute(&mut self.ground.connect().await?).await?;
        Ok(())
    }

    async fn restart_postgres(&mut self, signal: Signal) -> Result<(), Fault> {
        let id = nix::unistd::Pid::from_raw(self.ground.stack.postgres.id().try_into()?);
        nix::sys::signal::kill(id, signal)?;
        let began = Instant::now();
        while !self.ground.stack.postgres.exited() {
            if began.elapsed() > Duration::from_secs(20) {
                return Err("PostgreSQL did not stop".into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_secs(1)).await;
        let password = self.ground.secrets.database_password.clone();
        self.ground.stack.postgres = Postgres::start(&self.spawner, &self.folders, &password, Tuning::default()).await?;
        Ok(())
    }

    async fn break_it(&mut self, what: Break, dice: &mut Dice) -> Result<(), Fault> {
        let at = usize::try_from(dice.below(2))?;
        *self.broken.entry(what).or_default() += 1;
        match what {
            Break::KillReplica => {
                if let Some(replica) = self.replicas[at].take() {
                    replica.signal(Signal::SIGKILL)?;
                }
                sleep(Duration::from_millis(200 + dice.below(2_000))).await;
            }
            Break::PauseReplica => {
                let Some(replica) = &self.replicas[at] else { return Ok(()) };
                replica.signal(Signal::SIGSTOP)?;
                sleep(Duration::from_secs(30)).await;
                replica.signal(Signal::SIGCONT)?;
            }
            Break::RestartPostgresFast => self.restart_postgres(Signal::SIGINT).await?,
            Break::RestartPostgresImmediate => self.restart_postgres(Signal::SIGQUIT).await?,
            Break::StopCerbos => {
                if let Some(mut cerbos) = self.ground.stack.cerbos.take() {
                    cerbos.stop(Signal::SIGTERM).await;
                }
                sleep(Duration::from_millis(1_000 + dice.below(4_000))).await;
                let policies = crate::ground::root().join("authz/policies");
                let (cerbos, _) = start_cerbos(&self.spawner, &self.folders, &policies).await?;
                self.ground.stack.cerbos = Some(cerbos);
            }
            Break::CutConnections => self.proxy.cut(),
            Break::KillRelay => self.terminate("hestami-relay").await?,
            Break::KillNews => self.terminate("hestami-news").await?,
        }
        Ok(())
    }
}

/// Everyone who takes part.
struct Cast {
    owners: Vec<(Client, Uuid)>,
    staff: Client,
    /// Owners who let the desk act, each with the desk as it acts there.
    cared_for: Vec<(Client, Client)>,
}

/// Of one organization, or of all that engaged its own.
struct Follower {
    home: Option<Uuid>,
    heard: Arc<AtomicUsize>,
    task: JoinHandle<Vec<(String, i64)>>,
}

impl Follower {
    fn begin(home: Option<Uuid>, client: Client, from: &Value) -> Follower {
        let heard = Arc::default();
        let task = tokio::spawn(client.follow(from.clone(), Arc::clone(&heard)));
        Follower { home, heard, task }
    }
}

async fn must(client: &Client, procedure: &str, mut body: Value) -> Result<Value, Fault> {
    body["idempotencyKey"] = crate::ground::fresh().to_string().into();
    match client.rpc(procedure, &body).await {
        Came::Answer(answer) => Ok(answer["result"].clone()),
        Came::Refusal(code) => Err(format!("{procedure}: {code}").into()),
        Came::Nothing => Err(format!("{procedure}: nobody answers").into()),
    }
}

async fn cast(stage: &Stage, book: &Arc<Book>, dice: &mut Dice) -> Result<Cast, Fault> {
    let mut client = |subject: &str| {
        let (book, proxy) = (Arc::clone(book), stage.proxy.clone());
        Ok::<_, Fault>(Client {
            book,
            proxy,
            token: stage.ground.token(subject)?,
            organization: None,
            grant: None,
            dice: Dice(dice.next()),
        })
    };
    let id = |value: &Value| value["id"].as_str().and_then(|id| id.parse::<Uuid>().ok()).ok_or("no id");
    let boss = client("boss")?;
    let desk = id(&must(&boss, "organization/v1/create", json!({ "type": "CONCIERGE_OPERATOR", "name": "Desk" })).await?)?;
    let staff = Client { organization: Some(desk), ..boss };
    let lead = json!({ "low": 1, "normal": 1, "high": 1, "urgent": 1 });
    let days = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"].map(|day| format!("{day} 00:00-24:00"));
    // All of it comes soon, or at once.
    let level = json!({ "acknowledge": lead, "resolve": lead, "hours": days, "timeZone": "UTC", "closeDays": 0 });
    must(&staff, "serviceLevel/v1/set", level).await?;
    let worker = client("worker")?;
    let invitation = json!({ "email": "worker@example.com", "role": "CONCIERGE_STAFF" });
    let invited = must(&staff, "membership/v1/invite", invitation).await?;
    must(&worker, "membership/v1/accept", json!({ "id": invited["id"] })).await?;
    let worker = Client { organization: Some(desk), ..worker };
    let (mut owners, mut cared_for) = (Vec::new(), Vec::new());
    for n in 0..OWNERS {
        let owner = client(&format!("owner-{n}"))?;
        let name = format!("Holding {n}");
        let home = id(&must(&owner, "organization/v1/create", json!({ "type": "TRUST_OR_LLC", "name": name })).await?)?;
        let owner = Client { organization: Some(home), ..owner };
        if n % 2 == 0 {
            let input = json!({ "kind": "ENGAGEMENT", "granteeOrganizationId": desk, "scopes": ["ACT"] });
            let offered = must(&owner, "accessGrant/v1/grant", input).await?;
            must(&staff, "accessGrant/v1/accept", json!({ "id": offered["id"] })).await?;
            let grant = offered["id"].as_str().map(str::to_owned);
            cared_for.push((owner.clone(), Client { grant, ..worker.clone() }));
        }
        owners.push((owner, home));
    }
    Ok(Cast { owners, staff, cared_for })
}

async fn cursor(client: &Client) -> Result<Value, Fault> {
    match client.rpc("change/v1/list", &json!({ "kinds": ["property"] })).await {
        Came::Answer(answer) => Ok(answer["result"]["cursor"].clone()),
        _ => Err("no cursor".into()),
    }
}

pub async fn run() -> Result<(), Fault> {
    let setting = |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (seed, seconds) = (setting("CHAOS_SEED", 1), setting("CHAOS_SECONDS", 300));
    println!("seed {seed}, {seconds} s");
    let mut dice = Dice(seed);
    let mut stage = Stage::set().await?;
    let book = Book::new();
    let Cast { owners, staff, cared_for } = cast(&stage, &book, &mut dice).await?;
    check::feed_knows(&stage.ground, OWNERS.div_ceil(2)).await?;

    let (mut writers, mut readers, mut followers, mut copies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // Whoever follows begins before anything is written: all of it is theirs.
    for (owner, home) in &owners {
        let from = cursor(owner).await?;
        for _ in 0..2 {
            let follower = Client { dice: Dice(dice.next()), ..owner.clone() };
            followers.push(Follower::begin(Some(*home), follower, &from));
        }
        let keeper = Client { dice: Dice(dice.next()), ..owner.clone() };
        copies.push((owner.clone(), tokio::spawn(keeper.sync(from))));
    }
    let from = cursor(&staff).await?;
    for _ in 0..2 {
        let staff = Client { dice: Dice(dice.next()), ..staff.clone() };
        followers.push(Follower::begin(None, staff, &from));
    }
    for (n, (owner, _)) in owners.iter().enumerate() {
        let mut fresh = || Client { dice: Dice(dice.next()), ..owner.clone() };
        for w in 0..WRITERS {
            writers.push(tokio::spawn(fresh().write(format!("Holding {n} writer {w}"))));
        }
        readers.push(tokio::spawn(fresh().read()));
    }
    for (owner, desk) in cared_for {
        for _ in 0..2 {
            let [owner, desk] = [&owner, &desk].map(|client| Client { dice: Dice(dice.next()), ..client.clone() });
            writers.push(tokio::spawn(owner.care(desk)));
        }
    }

    let began = Instant::now();
    stage.began = began;
    book.begins(began);
    let mut round = Vec::new();
    while began.elapsed() < Duration::from_secs(seconds) {
        stage.rest(Duration::from_millis(2_000 + dice.below(6_000))).await?;
        // Each once before any comes again, in an order that the seed decides.
        if round.is_empty() {
            round = ALL.to_vec();
        }
        let what = round.swap_remove(usize::try_from(dice.below(round.len() as u64))?);
        println!("{:>4.0} s {what:?}", began.elapsed().as_secs_f64());
        stage.break_it(what, &mut dice).await?;
    }
    stage.rest(Duration::from_secs(3)).await?;
    book.stop.store(true, Ordering::Relaxed);
    // Whatever was broken last is still being mended.
    let clients: Vec<_> = writers.into_iter().chain(readers).collect();
    let ending = Instant::now();
    while clients.iter().any(|client| !client.is_finished()) {
        if ending.elapsed() > Duration::from_secs(120) {
            check::explain(&stage.ground, &book).await?;
            return Err("a client has no end".into());
        }
        stage.rest(Duration::from_millis(200)).await?;
    }
    for client in clients {
        client.await?;
    }
    check::at_rest(&stage.ground, &book).await?;
    check::on_time(&stage.ground, &book).await?;
    // What was committed last is told, and then no more is waited for.
    let heard: Vec<_> = followers.iter().map(|follower| (follower.home, Arc::clone(&follower.heard))).collect();
    check::heard(&stage.ground, &heard).await?;
    book.done.store(true, Ordering::Relaxed);
    let mut told = Vec::new();
    for Follower { home, task, .. } in followers {
        told.push((home, timeout(Duration::from_secs(60), task).await.map_err(|_| "a follower has no end")??));
    }
    check::acknowledged(&stage.ground, &book).await?;
    check::unasked(&stage.ground, &book).await?;
    check::told(&stage.ground, &book, &owners.iter().map(|(_, home)| *home).collect::<Vec<_>>(), told).await?;
    for (owner, task) in copies {
        let copy = timeout(Duration::from_secs(60), task).await.map_err(|_| "a copy has no end")??;
        check::copy(&stage.ground, &book, &owner, copy).await?;
    }
    let broken = std::mem::take(&mut stage.broken);
    for replica in stage.replicas.into_iter().flatten() {
        replica.stop().await?;
    }
    stage.ground.stop().await;
    book.with(|kept| {
        println!("acknowledged {}, given up {}", kept.acknowledged.len(), kept.given_up.len());
        println!("broken {broken:?}");
        println!("answers {:?}", kept.answers);
        let (longest, until) = kept.longest;
        println!("nobody was answered for {:.1} s at the longest, until {:.0} s", longest.as_secs_f64(), until.as_secs_f64());
        println!("{} violations", kept.violations.len());
        if kept.violations.is_empty() { Ok(()) } else { Err(format!("{:#?}", kept.violations).into()) }
    })
}
