//! One PostgreSQL and one Cerbos for all tests of the process. They die with it.

use server::{
    embedded::{Folders, Stack, Tuning},
    serve,
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{Mutex, OnceCell};

pub struct Cluster {
    stack: Stack,
    home: PathBuf,
    /// The turn to clone: a template takes no connection while it is cloned.
    cloning: Mutex<()>,
    clones: AtomicUsize,
}

const TEMPLATE: &str = "hestami_template";
pub const PASSWORD: &str = "0123456789abcdef";

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();

pub async fn cluster() -> &'static Cluster {
    CLUSTER
        .get_or_init(|| async {
            let _ = rustls::crypto::ring::default_provider().install_default();
            // Telemetry gives traces their ids here too. TEST_LOG=info shows the log of the gateways.
            let log = std::env::var("TEST_LOG").unwrap_or_else(|_| "off,dbos=off,sqlx=off".to_owned());
            let reader = server::config::Reader::new([("HESTAMI_LOG".to_owned(), log)].into_iter());
            let telemetry = server::telemetry::Telemetry::start(&reader.finish().expect("a configuration")).expect("telemetry");
            std::mem::forget(telemetry);
            Cluster::start("shared", Tuning { durable: false, connections: 800 }).await
        })
        .await
}

/// A folder that goes with this process. Folders of processes that are gone are removed.
pub fn folder(name: &str) -> PathBuf {
    let place = std::env::temp_dir();
    for entry in std::fs::read_dir(&place).into_iter().flatten().flatten() {
        let Some(owner) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix("hestami-test-")?.split('-').next()?.parse::<i32>().ok())
        else {
            continue;
        };
        if nix::sys::signal::kill(nix::unistd::Pid::from_raw(owner), None).is_err() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let path = place.join(format!("hestami-test-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a folder for the test");
    path
}

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

impl Cluster {
    pub async fn start(name: &str, tuning: Tuning) -> Cluster {
        let home = folder(name);
        let folders = Folders::lay_out(&home, &root().join("embedded/node_modules")).expect("folders");
        let policies = root().join("authz/policies");
        let stack = Stack::start(folders, PASSWORD, Some(&policies), tuning).await.expect("the servers start");
        let cluster = Cluster { stack, home, cloning: Mutex::new(()), clones: AtomicUsize::new(0) };
        cluster.stack.postgres.prepare(TEMPLATE).await.expect("a template");
        serve::migrate(&cluster.url("hestami_owner", TEMPLATE)).await.expect("migrations");
        cluster.stack.postgres.open().await.expect("roles");
        cluster
    }

    pub fn url(&self, role: &str, database: &str) -> String {
        self.stack.postgres.url(role, database)
    }

    /// The log of PostgreSQL.
    pub fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    pub fn cerbos_url(&self) -> &str {
        &self.stack.cerbos_url
    }

    pub async fn connect(&self, role: &str, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(role, database)).await.expect("a connection")
    }

    /// A fresh, migrated database.
    pub async fn database(&self) -> String {
        let name = format!("world_{}", self.clones.fetch_add(1, Ordering::Relaxed));
        let _turn = self.cloning.lock().await;
        let mut connection = self.connect("postgres", "postgres").await;
        let sql = format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER hestami_owner");
        connection.execute(AssertSqlSafe(sql)).await.expect("a clone");
        name
    }

    /// A second pair of servers, to be stopped and started.
    pub async fn own(name: &str) -> &'static Cluster {
        cluster().await;
        Box::leak(Box::new(Cluster::start(name, Tuning::default()).await))
    }

    pub fn postgres(&self) -> u32 {
        self.stack.postgres.id()
    }

    pub fn cerbos(&self) -> u32 {
        self.stack.cerbos.as_ref().map(server::embedded::Child::id).expect("a Cerbos")
    }
}
