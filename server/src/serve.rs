//! `hestami serve`: starts missing servers, serves, and stops everything cleanly.

use crate::{
    Fault,
    app::{App, Parts},
    clock_file::ClockFile,
    config::{Config, Mode},
    connections, demo,
    embedded::{Folders, Lock, Stack, Tuning},
    identity::{KeySource, Verifier},
    park::Park,
    rehearsal,
    secrets::{ISSUER, Secrets},
    telemetry::Telemetry,
    token,
};
use migration::{Migrator, MigratorTrait};
use schema::{Chance, Clock, Faults, Limits, NoFaults, RandomIds, SystemClock};
use sqlx::{PgPool, Row};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use workflows::Supervision;

pub const DATABASE: &str = "hestami";

/// The servers below the gateway: embedded ones, if any, and the URLs of all.
struct Ground {
    stack: Option<Stack>,
    secrets: Option<Secrets>,
    database_url: String,
    workflow_url: String,
    relay_url: String,
    owner_url: Option<String>,
    cerbos_url: String,
    _lock: Option<Lock>,
}

/// Starts the embedded servers, unless the configuration names both a database and a Cerbos. Those that it names are checked.
async fn ground(config: &Config) -> Result<Ground, Fault> {
    check_own_servers(config).await?;
    let own_database = match (&config.database_url, &config.database_workflow_url, &config.database_relay_url) {
        (Some(app), Some(workflow), Some(relay)) => Some((app.clone(), workflow.clone(), relay.clone())),
        _ => None,
    };
    let (Some((database_url, workflow_url, relay_url)), Some(cerbos_url)) = (own_database.clone(), config.cerbos_url.clone())
    else {
        let lock = Lock::take(&config.data)?;
        let folders = Folders::lay_out(&config.data, &config.servers)?;
        let secrets = Secrets::load_or_make(&folders.home)?;
        let policies = config.cerbos_url.is_none().then_some(config.policies.as_path());
        let stack = Stack::start(folders, &secrets.database_password, policies, Tuning::default()).await?;
        stack.postgres.prepare(DATABASE).await?;
        let owner_url = stack.postgres.url("hestami_owner", DATABASE);
        migrate(&owner_url).await?;
        stack.postgres.open().await?;
        let app = stack.postgres.url("hestami_app", DATABASE);
        let workflow = stack.postgres.url("hestami_workflow", DATABASE);
        let relay = stack.postgres.url("hestami_relay", DATABASE);
        let (database_url, workflow_url, relay_url) = own_database.unwrap_or((app, workflow, relay));
        let cerbos_url = config.cerbos_url.clone().unwrap_or_else(|| stack.cerbos_url.clone());
        return Ok(Ground {
            owner_url: config.database_url.is_none().then_some(owner_url),
            stack: Some(stack),
            secrets: Some(secrets),
            database_url,
            workflow_url,
            relay_url,
            cerbos_url,
            _lock: Some(lock),
        });
    };
    Ok(Ground { stack: None, secrets: None, database_url, workflow_url, relay_url, owner_url: None, cerbos_url, _lock: None })
}

/// Applies pending migrations as the owner of the database, and names them. A database of one's own is migrated by `hestami
/// migrate` only, never silently.
pub async fn migrate(owner_url: &str) -> Result<Vec<String>, Fault> {
    let connection = migration::sea_orm::Database::connect(owner_url).await?;
    let pending: Vec<String> =
        Migrator::get_pending_migrations(&connection).await?.iter().map(|migration| migration.name().to_owned()).collect();
    Migrator::up(&connection, None).await?;
    connection.close().await?;
    workflows::migrate(owner_url).await.map_err(crate::app::told)?;
    Ok(pending)
}

async fn check_migrated(database_url: &str) -> Result<(), Fault> {
    let pool = PgPool::connect(database_url).await.map_err(|problem| format!("DATABASE_URL: {problem}"))?;
    let missing = missing_migrations(&pool).await;
    pool.close().await;
    match missing {
        Ok(missing) if missing.is_empty() => Ok(()),
        Ok(missing) => Err(format!("the database lacks {}; run `hestami migrate` first", missing.join(", ")).into()),
        Err(_) => Err("the database was never migrated; run `hestami migrate` first".into()),
    }
}

async fn missing_migrations(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    let applied: Vec<String> = sqlx::query_scalar("SELECT version FROM seaql_migrations").fetch_all(pool).await?;
    Ok(migration::names().into_iter().filter(|name| !applied.contains(name)).collect())
}

/// Checks the servers that are not embedded. The three database URLs must mean one database of one cluster, whose migrations are
/// applied; no role may pass by row security.
pub async fn check_own_servers(config: &Config) -> Result<Vec<String>, Fault> {
    let mut said = Vec::new();
    if let (Some(app), Some(workflow), Some(relay)) =
        (&config.database_url, &config.database_workflow_url, &config.database_relay_url)
    {
        let mut places = Vec::new();
        for (name, url) in
            [("DATABASE_URL", app), ("HESTAMI_DATABASE_WORKFLOW_URL", workflow), ("HESTAMI_DATABASE_RELAY_URL", relay)]
        {
            let pool = PgPool::connect(url).await.map_err(|problem| format!("{name}: {problem}"))?;
            let row = sqlx::query(
                "SELECT current_database()::text, pg_postmaster_start_time()::text, current_user::text, current_setting('server_version'),
                        (SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user)",
            )
            .fetch_one(&pool)
            .await?;
            let (database, started, user, version): (String, String, String, String) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            if row.get::<bool, _>(4) {
                return Err(format!(
                    "{name} connects as {user}, who could pass by row security; use hestami_app, hestami_workflow and hestami_relay"
                )
                .into());
            }
            said.push(format!("{name}: PostgreSQL {version}, database {database}, as {user}"));
            places.push((database, started));
            pool.close().await;
        }
        if places.iter().any(|place| *place != places[0]) {
            return Err(
                "DATABASE_URL, HESTAMI_DATABASE_WORKFLOW_URL and HESTAMI_DATABASE_RELAY_URL reach different databases".into()
            );
        }
        check_migrated(app).await?;
        said.push("the database is migrated".into());
    }
    if let Some(url) = &config.cerbos_url {
        let cerbos = authz::Cerbos::new(authz::Settings::new(url)).map_err(crate::app::told)?;
        let version = cerbos.version().await.map_err(|error| format!("CERBOS_URL: {:?}", error.cause()))?;
        let bundle = cerbos.sentinel().await.map_err(|error| format!("CERBOS_URL: {:?}", error.cause()))?;
        said.push(format!("CERBOS_URL: Cerbos {version}, policies {}", bundle.hash));
    }
    Ok(said)
}

fn parts(
    config: &Config,
    ground: &Ground,
    telemetry: &Telemetry,
    [listener, operators]: [TcpListener; 2],
) -> Result<Parts, Fault> {
    let source = match (&config.jwks, &ground.secrets) {
        (Some(place), _) => KeySource::named(place)?,
        (None, Some(secrets)) => KeySource::Fixed(serde_json::from_value(secrets.jwks()?)?),
        (None, None) => return Err("HESTAMI_JWKS is not set".into()),
    };
    let issuer = config.issuer.clone().unwrap_or_else(|| ISSUER.to_owned());
    let service_issuer = config.service_issuer.clone().unwrap_or_else(|| format!("{issuer}/services"));
    let fingerprint_key = match (&config.fingerprint_key, &ground.secrets) {
        (Some(key), _) => key.clone(),
        (None, Some(secrets)) => secrets.fingerprint_key.clone(),
        (None, None) => return Err("HESTAMI_FINGERPRINT_KEY is not set".into()),
    };
    let graphiql: Option<PathBuf> = (config.mode == Mode::Development).then(|| config.servers.clone());
    Ok(Parts {
        listener,
        operators,
        trusted: config.trusted.clone(),
        database_url: ground.database_url.clone(),
        database_connections: config.database_connections,
        bounded: true,
        database_statements: config.database_statements,
        workflow_url: ground.workflow_url.clone(),
        workflow_connections: config.workflow_connections,
        live: live::Settings::new(&ground.relay_url),
        cerbos: authz::Settings::new(&ground.cerbos_url),
        verifier: Verifier::new(issuer, service_issuer, config.audience.clone(), config.token_leeway, config.token_life, source),
        fingerprint_key: fingerprint_key.into_bytes(),
        body_limit: config.body_limit,
        clock_bound: Some(config.clock_bound).filter(|_| config.clock_file.is_none()),
        rates: config.rates,
        doors: connections::within_descriptors(config.doors),
        origins: config.origins.clone(),
        limits: Limits {
            window: config.cursor_window,
            cost: config.cost,
            size: config.answer_size,
            time: config.read_time,
            connections: config.connections_per_person,
            ..Limits::default()
        },
        lives: resolvers::LIVES.to_vec(),
        supervision: Supervision {
            heartbeat: config.heartbeat,
            dead_after: config.dead_after,
            abandoned_after: config.abandoned_after,
            retention: config.outcome_retention,
        },
        attempts: 12,
        patience: Duration::from_secs(3_600),
        graphiql,
        metrics: telemetry.registry.clone(),
        clock: match &config.clock_file {
            Some(file) => Arc::new(ClockFile::read(file.clone())?) as Arc<dyn Clock>,
            None => Arc::new(SystemClock),
        },
        ids: Arc::new(RandomIds) as Arc<dyn Chance>,
        faults: match config.park_at {
            Some(boundary) => Arc::new(Park::at(boundary)?) as Arc<dyn Faults>,
            None => Arc::new(NoFaults),
        },
    })
}

pub async fn serve(config: Config, telemetry: &Telemetry, only_demo: bool) -> Result<(), Fault> {
    let began = Instant::now();
    let mut told = stops(config.shutdown_grace)?;
    // The port is bound first, so that a taken port is reported before anything is started.
    let mut listeners = Vec::new();
    for (name, address) in [("HESTAMI_LISTEN", config.listen), ("HESTAMI_OPERATORS", config.operators)] {
        listeners.push(TcpListener::bind(address).await.map_err(|problem| format!("{name} {address}: {problem}"))?);
    }
    let listeners = <[TcpListener; 2]>::try_from(listeners).map_err(|_| "two listeners")?;
    // A stop may come while things start.
    let starting = async {
        let ground = ground(&config).await?;
        let cerbos = authz::Cerbos::new(authz::Settings::new(&ground.cerbos_url)).map_err(crate::app::told)?;
        rehearsal::once(&cerbos, &config, &ground.database_url).await?;
        let app = App::start(parts(&config, &ground, telemetry, listeners)?).await?;
        Ok::<_, Fault>((ground, app))
    };
    let (mut ground, app) = tokio::select! {
        started = starting => started?,
        _ = told.wait_for(|stop| *stop) => return Ok(()),
    };
    if let (Some(owner), true) = (&ground.owner_url, (config.demo && config.park_at.is_none()) || only_demo) {
        let owner = token::owner_pool(owner).await?;
        if demo::load(&app.gateway, &owner).await? {
            tracing::info!("loaded the demo");
        }
        owner.close().await;
    }
    if !only_demo {
        announce(&config, &ground, &app, began.elapsed()).await?;
    }
    let mut buried = app.buried.clone();
    let taken_for_dead = async { buried.wait_for(|buried| *buried).await.is_ok() };
    let keeping = async {
        match &mut ground.stack {
            Some(stack) => stack.keep().await,
            None => std::future::pending().await,
        }
    };
    let come_back = tokio::select! {
        never = keeping => match never {},
        () = std::future::ready(()), if only_demo => false,
        _ = told.wait_for(|stop| *stop) => false,
        dead = taken_for_dead => dead,
    };
    tracing::info!("stopping");
    app.stop(config.shutdown_grace).await;
    if let Some(stack) = ground.stack {
        stack.stop().await;
    }
    tracing::info!("stopped");
    if come_back { Err(Box::new(ComeBack)) } else { Ok(()) }
}

/// A receiver that turns true at SIGINT or SIGTERM. A thread of its own hears the signals, however busy the others are, and ends
/// the process if stopping hangs.
fn stops(grace: Duration) -> Result<watch::Receiver<bool>, Fault> {
    let (tell, told) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let hear = async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
            return;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let _ = tell.send(true);
        tokio::time::sleep(grace + Duration::from_secs(30)).await;
        eprintln!("hestami: stopping hangs; ending");
        std::process::exit(1);
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(hear))?;
    Ok(told)
}

/// The end of a process that other replicas took for dead: it comes back under a new id.
#[derive(Debug)]
pub struct ComeBack;

impl std::fmt::Display for ComeBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("taken for dead by other replicas")
    }
}

impl std::error::Error for ComeBack {}

async fn announce(config: &Config, ground: &Ground, app: &App, took: Duration) -> Result<(), Fault> {
    let url = app.url();
    println!("hestami serves {url} after {:.1} s", took.as_secs_f64());
    println!("  operators  {}/readyz", app.operators());
    let (Some(secrets), Some(owner), Mode::Development) = (&ground.secrets, &ground.owner_url, config.mode) else {
        return Ok(());
    };
    println!("  GraphQL  {url}/graphql\n  RPC      {url}/api/v1/rpc/property/v1/create\n  OpenAPI  {url}/openapi.json\n");
    let owner = token::owner_pool(owner).await?;
    let now = app.gateway.clock.now().timestamp();
    for (role, person, organization) in demo::CAST {
        let id: Option<uuid::Uuid> = sqlx::query_scalar(
            "SELECT o.id FROM organization o JOIN principal p ON p.subject = $2
             WHERE o.name = $1 AND (
               EXISTS (SELECT FROM membership m WHERE m.organization_id = o.id AND m.principal_id = p.id AND m.state = 'ACTIVE')
               OR EXISTS (SELECT FROM delegation d WHERE d.organization_id = o.id AND d.holder_id = p.id AND d.state = 'ACTIVE'))
             ORDER BY o.created_at LIMIT 1",
        )
        .bind(organization)
        .bind(person.subject)
        .fetch_optional(&owner)
        .await?;
        let Some(id) = id else { continue };
        let token = token::for_person(config, secrets, person, now)?;
        println!(
            "{role}: {} in {organization}, X-Organization-Id {id}\n  {url}/graphiql#organization={id}&token={token}\n",
            person.name
        );
    }
    owner.close().await;
    println!("More tokens: hestami token --role OWNER --organization \"Alvarez Family Trust\". Stop with Ctrl-C.");
    Ok(())
}
