//! The wiring: every port gets its implementation here, and nowhere else.

use crate::{
    Fault, connections, http,
    identity::{Registry, Verifier},
    networks::Networks,
    operators::{self, Health},
    statements,
};
use authz::Cerbos;
use entities::{denial, operation, replica};
use schema::{
    Chance, Clock, Decide, Denied, Drift, Faults, Gateway, Limits, Operations, PeopleAct, Presence, RateLimits, Rates, Turns,
};
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use surface::Origins;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use workflows::{Durable, Lives, Supervision, Supervisor};

/// All that differs between one gateway and another.
pub struct Parts {
    pub listener: TcpListener,
    /// The listener for operators' pages.
    pub operators: TcpListener,
    /// Whose word is taken for whom a request comes, and for its trace.
    pub trusted: Networks,
    /// The URL of the database, for the role hestami_app.
    pub database_url: String,
    pub database_connections: u32,
    /// Whether statements have time limits. Without, a test's wait for as long as it likes.
    pub bounded: bool,
    /// Prepared statements that each of these connections keeps.
    pub database_statements: usize,
    /// The URL of the database, for the role hestami_workflow.
    pub workflow_url: String,
    pub workflow_connections: u32,
    /// Settings for following and relaying the event log, as hestami_relay.
    pub live: live::Settings,
    pub cerbos: authz::Settings,
    pub verifier: Verifier,
    pub fingerprint_key: Vec<u8>,
    pub body_limit: usize,
    pub doors: connections::Limits,
    pub origins: Origins,
    pub limits: Limits,
    /// The most that the clock may differ from the database's by. None: they are not compared.
    pub clock_bound: Option<Duration>,
    pub rates: RateLimits,
    pub supervision: Supervision,
    /// The long-lived workflows that this process knows.
    pub lives: Vec<schema::Life>,
    /// The attempts after which an operation ends as FAILED, if it is also older than `patience`.
    pub attempts: i32,
    pub patience: Duration,
    /// The npm packages with GraphiQL, if GraphiQL is served. Introspection is served with it only.
    pub graphiql: Option<PathBuf>,
    pub metrics: prometheus::Registry,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Chance>,
    pub faults: Arc<dyn Faults>,
}

pub struct App {
    pub address: SocketAddr,
    operators: SocketAddr,
    pub gateway: Arc<Gateway>,
    pub engine: Arc<Durable>,
    pub lives: Arc<Lives>,
    pub cerbos: Arc<Cerbos>,
    pub live: Arc<live::Hub>,
    /// A receiver that turns true when other replicas took this process for dead.
    pub buried: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
}

/// The connections that no request takes.
const HOUSE: u32 = 5;
/// The most reads of one organization that wait for their turn.
const WAITING: usize = 1_000;
/// The most operations of one organization that wait to be carried out.
const CHANGES_WAITING: usize = 10_000;

/// The longest time that a stop waits for live subscribers to leave.
const GOODBYE: Duration = Duration::from_secs(3);

impl App {
    pub async fn start(parts: Parts) -> Result<App, Fault> {
        let pool = pool(&parts.database_url, parts.database_connections, parts.database_statements, parts.bounded).await?;
        let lanes = schema::Lanes::over(pool.clone());
        let cerbos = Arc::new(Cerbos::new(parts.cerbos).map_err(told)?);
        cerbos.watch();
        let executor_id = parts.ids.id(parts.clock.now()).to_string();
        let workflows = workflows::Settings {
            url: parts.workflow_url,
            executor_id,
            connections: parts.workflow_connections,
            poll: Duration::from_millis(25),
        };
        let lives = Lives::new(&workflows, &parts.lives).map_err(told)?;
        let engine = Arc::new(Durable::new(workflows, resolvers::TABLE).await.map_err(told)?);
        let operations = operation::Store {
            pool: pool.clone(),
            lanes: lanes.clone(),
            clock: Arc::clone(&parts.clock),
            retention: parts.supervision.retention,
            attempts: parts.attempts,
            patience: parts.patience,
        };
        let denied = Arc::<Denied>::default();
        denied.now(denial::all(&pool).await.map_err(told)?);
        let drift = Arc::new(Drift::within(parts.clock_bound));
        let identity = Registry::new(
            parts.verifier,
            lanes.clone(),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.ids),
            Arc::clone(&drift),
            Arc::clone(&denied),
        );
        let live = live::Hub::start(parts.live, parts.limits.window, Arc::clone(&parts.clock)).map_err(told)?;
        // A read takes a connection at a time, and a part of a core: more of them would only wait elsewhere, where nobody takes turns.
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let turns = (parts.database_connections.saturating_sub(HOUSE).max(2) as usize).min(4 * cores);
        let changes = parts.database_connections.max(8) as usize;
        // Whoever reads is there for those who write, too.
        let presence = Presence::default();
        let gateway = Arc::new(Gateway {
            pool,
            lanes,
            clock: parts.clock,
            ids: parts.ids,
            identity: Arc::new(identity),
            decide: Arc::clone(&cerbos) as Arc<dyn Decide>,
            guard: Arc::new(PeopleAct),
            operations: Arc::new(operations) as Arc<dyn Operations>,
            engine: Arc::clone(&engine) as Arc<dyn schema::Engine>,
            live: Arc::clone(&live) as Arc<dyn schema::Live>,
            faults: parts.faults,
            fingerprint: schema::FingerprintKey::new(&parts.fingerprint_key),
            limits: parts.limits,
            drift,
            denied,
            rates: Rates::new(parts.rates),
            things: Default::default(),
            turns: Turns::shared(turns, turns / 4, WAITING, presence.clone()),
            changes: Turns::shared(changes, (changes / 4).min(cores), CHANGES_WAITING, presence.clone()),
            answers: Turns::shared(ROOM, ROOM / 4, ROOM_WAITING, presence),
            table: schema::Table::new(resolvers::TABLE),
            flights: Arc::default(),
            waits: schema::Waits::default(),
            tasks: schema::Tasks::default(),
        });
        engine.launch(&gateway).await.map_err(told)?;
        lives.launch(&gateway).await.map_err(told)?;
        let buried = Supervisor::start(&gateway, &engine, &lives, parts.supervision).await.map_err(told)?;

        let (listener, operators) = (parts.listener, parts.operators);
        let (address, operators_address) = (listener.local_addr()?, operators.local_addr()?);
        let router = http::router(http::Served {
            mount: surface::Mount { gateway: Arc::clone(&gateway), body_limit: parts.body_limit, origins: parts.origins },
            live: Arc::clone(&live),
            graphiql: parts.graphiql,
            trusted: parts.trusted,
        });
        let health = Health {
            gateway: Arc::clone(&gateway),
            engine: Arc::clone(&engine),
            cerbos: Arc::clone(&cerbos),
            live: Arc::clone(&live),
        };
        let pages = operators::router(health, parts.metrics);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(connections::serve(operators, pages, connections::Limits::default(), stopped.clone()));
        let server = tokio::spawn(connections::serve(listener, router, parts.doors, stopped));
        Ok(App { address, operators: operators_address, gateway, engine, lives, cerbos, live, buried, stop, server })
    }

    /// The address of operators' pages.
    pub fn operators(&self) -> String {
        format!("http://{}", self.operators)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no more work, waits for running work, and hands unfinished work on to other replicas.
    pub async fn stop(self, grace: Duration) {
        let until = Instant::now() + grace;
        self.gateway.tasks.close();
        self.live.close();
        let _ = self.stop.send(true);
        // Live subscribers get their last message over connections that the server no longer tracks.
        let goodbye = until.min(Instant::now() + GOODBYE);
        while self.live.guests() > 0 && Instant::now() < goodbye {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut server = self.server;
        if tokio::time::timeout(grace, &mut server).await.is_err() {
            server.abort();
        }
        while self.gateway.tasks.running() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.live.stop();
        self.lives.shutdown().await;
        self.engine.shutdown().await;
        // The other replicas learn of the end at once, instead of waiting for this one's silence.
        if let Err(error) = replica::leave(&self.gateway.pool, &self.engine.executor_id).await {
            error.trace();
        }
        self.gateway.lanes.close();
        let _ = tokio::time::timeout(Duration::from_secs(2), self.gateway.pool.close()).await;
    }
}

pub fn told(error: schema::Error) -> Fault {
    format!("{} {:?}", error.text(), error.cause()).into()
}

/// The kibibytes of answers that clients have not taken yet.
const ROOM: usize = 48 * 1_024;

/// The answers of one organization that wait for room.
const ROOM_WAITING: usize = 16;

/// The time limits of statements.
const BOUNDS: [(&str, &str); 3] =
    [("statement_timeout", "5s"), ("lock_timeout", "500ms"), ("idle_in_transaction_session_timeout", "2s")];

/// The pool of database connections, kept full. After a cold start or a lost server, requests that each open a connection and
/// each give up would keep one another from ever having one. Here one task opens them, one after the other.
///
/// A connection that was used a moment ago is taken as it is; an older one is pinged first.
async fn pool(url: &str, connections: u32, statements: usize, bounded: bool) -> Result<PgPool, Fault> {
    let options = PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(connections)
        .idle_timeout(None)
        // The pool's limit is shorter than the limits of requests and runs, so that a wait for a connection never uses one of
        // them up.
        .acquire_timeout(Duration::from_secs(2))
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > Duration::from_secs(1) {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_release(move |connection, _| {
            Box::pin(async move {
                statements::count_evicted(connection, statements).await;
                Ok(true)
            })
        });
    let problem = |problem: sqlx::Error| format!("PostgreSQL: {problem}");
    // A first connection shows whether the database can be reached, before anything waits for it.
    PgConnection::connect(url).await.map_err(problem)?.close().await.map_err(problem)?;
    // Said at the beginning of a connection, they outrank whatever a statement made of the role's own settings.
    let known: PgConnectOptions = url.parse().map_err(problem)?;
    // The end of a transaction that never began is no news: a request that is given up may end so.
    let known = known.options([("client_min_messages", "error")]);
    let known = if bounded { known.options(BOUNDS) } else { known };
    Ok(options.connect_lazy_with(known.statement_cache_capacity(statements)))
}
