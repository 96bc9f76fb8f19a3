use super::{
    cluster::{Cluster, cluster, root},
    people::{AUDIENCE, ISSUER, Person, SECRETS},
};
use chrono::{DateTime, Utc};
use schema::{Chance, Clock, Faults, Limits, NoFaults};
use serde_json::{Map, Value, json};
use server::{
    app::{App, Parts},
    identity::{KeySource, Verifier},
};
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;
use workflows::Supervision;

/// Every world begins at this second.
pub const START: i64 = 1_790_000_000;

/// A clock that stands still until the test moves it. Processes read it from a file.
pub struct TestClock {
    micros: AtomicI64,
    file: OnceLock<PathBuf>,
}

impl TestClock {
    pub fn advance(&self, by: Duration) {
        self.micros.fetch_add(by.as_micros().try_into().expect("a short time"), Ordering::SeqCst);
        if let Some(file) = self.file.get() {
            self.write(file);
        }
    }

    /// Keeps the time in a file as well.
    pub fn keep_in(&self, file: &Path) {
        self.write(file);
        self.file.set(file.to_owned()).expect("one file");
    }

    fn write(&self, file: &Path) {
        let whole = file.with_extension("next");
        std::fs::write(&whole, self.micros.load(Ordering::SeqCst).to_string()).expect("a file");
        std::fs::rename(whole, file).expect("a file");
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros.load(Ordering::SeqCst)).expect("a time")
    }
}

/// The real time, and some seconds.
struct Ahead(Arc<AtomicI64>);

impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        schema::SystemClock.now() + chrono::Duration::seconds(self.0.load(Ordering::SeqCst))
    }
}

/// Ids in order, the same in every run.
struct Counted(AtomicU64);

impl Chance for Counted {
    fn id(&self, now: DateTime<Utc>) -> Uuid {
        let millis = u128::try_from(now.timestamp_millis()).expect("after 1970");
        let count = u128::from(self.0.fetch_add(1, Ordering::SeqCst));
        Uuid::from_u128((millis << 80) | (0x7 << 76) | (0x8 << 60) | count)
    }
}

pub struct Options {
    pub faults: Arc<dyn Faults>,
    pub limits: Limits,
    pub supervision: Supervision,
    /// The long-lived workflows that the gateway knows.
    pub lives: Vec<schema::Life>,
    pub attempts: i32,
    pub real_time: bool,
    /// The seconds by which its clock is ahead of the real time.
    pub ahead: Option<Arc<AtomicI64>>,
    pub connections: u32,
    /// The most that the clock may differ from the database's by. None: a test sets its clock.
    pub clock_bound: Option<Duration>,
    /// Whether statements have time limits.
    pub bounded: bool,
    pub token_life: Duration,
    pub trusted: server::networks::Networks,
    pub rates: schema::RateLimits,
    pub doors: server::connections::Limits,
    /// The number of a log's entries that stay in memory.
    pub kept: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            faults: Arc::new(NoFaults),
            limits: Limits::default(),
            lives: resolvers::LIVES.to_vec(),
            supervision: Supervision { heartbeat: Duration::from_millis(200), ..Default::default() },
            attempts: 12,
            real_time: false,
            ahead: None,
            connections: 6,
            clock_bound: None,
            bounded: true,
            // The tokens of tests are good for ten years, and some for longer.
            token_life: Duration::from_secs(100 * 365 * 86_400),
            trusted: server::networks::Networks::default(),
            rates: schema::RateLimits::default(),
            doors: server::connections::Limits::default(),
            kept: 512,
        }
    }
}

pub struct World {
    pub cluster: &'static Cluster,
    pub database: String,
    pub clock: Arc<TestClock>,
    ids: Arc<dyn Chance>,
    pub app: App,
    http: reqwest::Client,
    keys: Mutex<u64>,
    /// Who answers for a principal, or for an organization that they founded.
    people: Mutex<HashMap<Uuid, Person>>,
    real_time: bool,
    /// A pool for the superuser, who sees everything.
    pub sql: PgPool,
}

/// A response: its status and its body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn ok(&self) -> &Value {
        assert_eq!(self.status, 200, "{:#}", self.body);
        &self.body["result"]
    }

    /// The code of an RPC refusal.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or("")
    }

    /// The code of the first GraphQL error.
    pub fn gql_code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or("")
    }

    #[track_caller]
    /// Refused for the mistake in a field.
    pub fn refused_at(&self, field: &str, code: &str) {
        assert_eq!(self.code(), "INVALID_INPUT", "{:#}", self.body);
        let first = &self.body["field_errors"][0];
        let at = first["field"].as_str().unwrap_or_default();
        assert!(at == field || at.starts_with(&format!("{field}.")), "{:#}", self.body);
        assert_eq!(first["code"], code, "{:#}", self.body);
    }

    pub fn refused(&self, code: &str) {
        assert_eq!(self.code(), code, "{:#}", self.body);
        assert_eq!(self.body["trace_id"].as_str().map(str::len), Some(32), "a refusal carries its trace id: {:#}", self.body);
    }

    #[track_caller]
    pub fn data(&self) -> &Value {
        assert!(self.body["errors"].is_null(), "{:#}", self.body);
        &self.body["data"]
    }
}

impl World {
    pub async fn new() -> World {
        World::with(Options::default()).await
    }

    pub async fn with(options: Options) -> World {
        let cluster = cluster().await;
        World::on(cluster, cluster.database().await, options).await
    }

    pub async fn on(cluster: &'static Cluster, database: String, options: Options) -> World {
        let clock = Arc::new(TestClock { micros: AtomicI64::new(START * 1_000_000), file: OnceLock::new() });
        let real_time = options.real_time;
        let ids: Arc<dyn Chance> = if real_time { Arc::new(schema::RandomIds) } else { Arc::new(Counted(AtomicU64::new(1))) };
        let app = start(cluster, &database, Arc::clone(&clock), Arc::clone(&ids), options).await;
        let sql = PgPoolOptions::new().max_connections(2).connect(&cluster.url("postgres", &database)).await.expect("a pool");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        World { cluster, database, clock, ids, app, http, keys: Mutex::new(0), people: Mutex::default(), real_time, sql }
    }

    /// Another replica on the same database, with the same clock.
    pub async fn replica(&self, options: Options) -> App {
        start(
            self.cluster,
            &self.database,
            Arc::clone(&self.clock),
            Arc::clone(&self.ids),
            Options { real_time: self.real_time, ..options },
        )
        .await
    }

    /// Fresh idempotency keys, the same in every run.
    pub fn key(&self) -> Uuid {
        let mut keys = self.keys.lock().expect("no panic holds it");
        *keys += 1;
        Uuid::from_u128((0x4b65_7900_0000_4000_8000_u128 << 48) | u128::from(*keys))
    }

    pub async fn rpc(&self, who: &Person, organization: Option<Uuid>, procedure: &str, body: Value) -> Answer {
        self.rpc_at(&self.app.url(), who, organization, procedure, body).await
    }

    pub async fn rpc_at(&self, url: &str, who: &Person, organization: Option<Uuid>, procedure: &str, body: Value) -> Answer {
        let request = self.http.post(format!("{url}/api/v1/rpc/{procedure}")).bearer_auth(&who.token).json(&body);
        send(scoped(request, organization)).await
    }

    /// A mutation with a fresh key.
    pub async fn call(&self, who: &Person, organization: Uuid, procedure: &str, mut body: Value) -> Answer {
        body["idempotencyKey"] = self.key().to_string().into();
        self.rpc(who, Some(organization), procedure, body).await
    }

    /// A mutation with a fresh key, in another organization by its grant.
    pub async fn call_through(&self, who: &Person, acting: Uuid, grant: &Value, procedure: &str, mut body: Value) -> Answer {
        body["idempotencyKey"] = self.key().to_string().into();
        self.read_through(who, acting, grant, procedure, body).await
    }

    pub async fn read_through(&self, who: &Person, acting: Uuid, grant: &Value, procedure: &str, body: Value) -> Answer {
        let request = self.http.post(format!("{}/api/v1/rpc/{procedure}", self.app.url())).bearer_auth(&who.token).json(&body);
        let request = request.header("x-grant-id", grant.as_str().expect("an id"));
        send(scoped(request, Some(acting))).await
    }

    pub async fn gql_through(&self, who: &Person, acting: Uuid, grant: &Value, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let request = self.http.post(format!("{}/graphql", self.app.url())).bearer_auth(&who.token).json(&body);
        send(scoped(request.header("x-grant-id", grant.as_str().expect("an id")), Some(acting))).await
    }

    /// Lets a concierge's organization in, by a grant.
    pub async fn engage(&self, owner: &Person, home: Uuid, desk: Uuid, scope: &str) -> Value {
        let input = json!({ "kind": "ENGAGEMENT", "granteeOrganizationId": desk, "scopes": [scope] });
        self.engage_by(owner, home, input).await
    }

    /// Lets a concierge's organization in, by a grant that its founder accepts.
    pub async fn engage_by(&self, owner: &Person, home: Uuid, input: Value) -> Value {
        let offered = self.call(owner, home, "accessGrant/v1/grant", input).await.ok().clone();
        let desk: Uuid = offered["granteeOrganizationId"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let founder = self.people.lock().expect("no panic holds it").get(&desk).cloned().expect("somebody founded it here");
        self.call(&founder, desk, "accessGrant/v1/accept", json!({ "id": offered["id"] })).await.ok().clone()
    }

    /// Delegates something, to somebody whose id was asked for here, and who accepts it if they are no member.
    pub async fn delegate(&self, by: &Person, home: Uuid, input: Value) -> Value {
        let offered = self.call(by, home, "delegation/v1/grant", input).await.ok().clone();
        self.accepted(offered).await
    }

    /// A delegation once its holder accepted it.
    pub async fn accepted(&self, delegation: Value) -> Value {
        if delegation["state"] != "OFFERED" {
            return delegation;
        }
        let holder: Uuid = delegation["holderId"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let holder = self.people.lock().expect("no panic holds it").get(&holder).cloned().expect("their id was asked for here");
        let body = json!({ "idempotencyKey": self.key(), "id": delegation["id"] });
        self.rpc(&holder, None, "delegation/v1/accept", body).await.ok().clone()
    }

    /// A person's principal id.
    pub async fn principal(&self, who: &Person) -> Value {
        let id = self.gql(who, None, "{ viewer { id } }", json!({})).await.data()["viewer"]["id"].clone();
        self.know(&id, who);
        id
    }

    /// Keeps who answers for an id: a principal's, or that of an organization that they founded.
    pub fn know(&self, id: &Value, who: &Person) {
        let id = id.as_str().and_then(|id| id.parse().ok()).expect("an id");
        self.people.lock().expect("no panic holds it").insert(id, who.clone());
    }

    pub async fn gql(&self, who: &Person, organization: Option<Uuid>, query: &str, variables: Value) -> Answer {
        self.gql_at(&self.app.url(), who, organization, query, variables).await
    }

    pub async fn gql_at(&self, url: &str, who: &Person, organization: Option<Uuid>, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let request = self.http.post(format!("{url}/graphql")).bearer_auth(&who.token).json(&body);
        send(scoped(request, organization)).await
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.app.url()))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        send(request).await
    }

    /// An organization that this person founds.
    pub async fn found(&self, who: &Person, r#type: &str) -> Uuid {
        let body = json!({ "idempotencyKey": self.key(), "type": r#type, "name": format!("{}'s", who.subject) });
        let answer = self.rpc(who, None, "organization/v1/create", body).await;
        self.know(&answer.ok()["id"], who);
        answer.ok()["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
    }

    /// Makes someone a member of an organization, in a role.
    pub async fn join(&self, owner: &Person, organization: Uuid, who: &Person, role: &str) -> Value {
        let invited = self.call(owner, organization, "membership/v1/invite", json!({ "email": who.email, "role": role })).await;
        let body = json!({ "idempotencyKey": self.key(), "id": invited.ok()["id"] });
        self.rpc(who, None, "membership/v1/accept", body).await.ok().clone()
    }

    pub fn property(line1: &str) -> Value {
        json!({ "kind": "LAND", "timeZone": "America/Phoenix", "address": { "line1": line1, "locality": "Tucson", "country": "US" } })
    }

    pub async fn create_property(&self, who: &Person, organization: Uuid, line1: &str) -> Value {
        self.call(who, organization, "property/v1/create", World::property(line1)).await.ok().clone()
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.http
    }

    /// The status of a request; None if a kill cut it off.
    pub async fn send_quietly(&self, request: reqwest::RequestBuilder) -> Option<u16> {
        request.send().await.ok().map(|response| response.status().as_u16())
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.sql).await.expect("a count")
    }
}

fn scoped(request: reqwest::RequestBuilder, organization: Option<Uuid>) -> reqwest::RequestBuilder {
    match organization {
        Some(organization) => request.header("x-organization-id", organization.to_string()),
        None => request,
    }
}

async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let body = response.bytes().await.expect("a body");
    Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
}

async fn start(cluster: &Cluster, database: &str, clock: Arc<TestClock>, ids: Arc<dyn Chance>, options: Options) -> App {
    let keys = KeySource::Fixed(serde_json::from_value(SECRETS.jwks().expect("keys")).expect("a key set"));
    let parts = Parts {
        listener: tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port"),
        operators: tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port"),
        trusted: options.trusted,
        database_url: cluster.url("hestami_app", database),
        database_connections: options.connections,
        bounded: options.bounded,
        database_statements: 400,
        workflow_url: cluster.url("hestami_workflow", database),
        workflow_connections: 4,
        live: live::Settings {
            kept: options.kept,
            trim: Duration::from_millis(100),
            // All gateways here have one clock, which stands still.
            skew: Duration::ZERO,
            ..live::Settings::new(cluster.url("hestami_relay", database))
        },
        cerbos: authz::Settings::new(cluster.cerbos_url()),
        verifier: Verifier::new(
            ISSUER.into(),
            format!("{ISSUER}/services"),
            AUDIENCE.into(),
            Duration::from_secs(30),
            options.token_life,
            keys,
        ),
        fingerprint_key: b"the same for every replica of a test".to_vec(),
        body_limit: 65_536,
        clock_bound: options.clock_bound,
        rates: options.rates,
        doors: options.doors,
        origins: surface::Origins::parse("https://portal.example").expect("origins"),
        limits: options.limits,
        lives: options.lives,
        supervision: options.supervision,
        attempts: options.attempts,
        patience: Duration::from_secs(1),
        graphiql: Some(root().join("embedded/node_modules")),
        metrics: prometheus::Registry::new(),
        clock: match options.ahead {
            Some(ahead) => Arc::new(Ahead(ahead)),
            None if options.real_time => Arc::new(schema::SystemClock),
            None => clock,
        },
        ids,
        faults: options.faults,
    };
    App::start(parts).await.expect("a gateway")
}

/// The settings of a gateway in a process of its own, on this world's database.
pub fn process_environment(world: &World, keys: &std::path::Path) -> Map<String, Value> {
    let url = |role: &str| world.cluster.url(role, &world.database);
    let settings = json!({
        "DATABASE_URL": url("hestami_app"),
        "HESTAMI_OPERATORS": "127.0.0.1:0",
        "HESTAMI_TOKEN_LIFE": "36500d",
        "HESTAMI_DATABASE_WORKFLOW_URL": url("hestami_workflow"),
        "HESTAMI_DATABASE_RELAY_URL": url("hestami_relay"),
        "CERBOS_URL": world.cluster.cerbos_url(),
        "HESTAMI_ISSUER": ISSUER,
        "HESTAMI_JWKS": keys.display().to_string(),
        "HESTAMI_FINGERPRINT_KEY": "the same for every replica of a test",
        "HESTAMI_LISTEN": "127.0.0.1:0",
        "HESTAMI_DATABASE_CONNECTIONS": "30",
        "HESTAMI_HEARTBEAT": "200ms",
        "HESTAMI_DEAD_AFTER": "2s",
        "HESTAMI_ABANDONED_AFTER": "2s",
        "HESTAMI_LOG": "warn",
    });
    settings.as_object().cloned().expect("an object")
}
