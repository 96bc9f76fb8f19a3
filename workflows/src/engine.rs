//! The engine, DBOS. Every workflow here is step-less: its body is one domain transaction that claims its operation first, so
//! running it twice does nothing twice. The engine only makes sure that the body runs. Its tables lie outside row security and
//! hold ids alone.

use async_trait::async_trait;
use dbos::{
    Config, DBOS, EngineOnly, StartOptions, WorkflowRef,
    sysdb::{
        INTERNAL_QUEUE, SystemDatabase,
        postgres::{self, PostgresSystemDatabase},
    },
};
use schema::{Engine, Entry, Error, Gateway, Result, Run, Runs, Workflow, execute};
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};
use tokio::sync::oneshot;

/// The engine's application and its version, shared by all replicas and deploys: the versions of procedures are in the workflows'
/// names, and every live version stays registered.
pub const APP_NAME: &str = "hestami";
const APP_VERSION: &str = "1";

#[derive(Debug, Clone)]
pub struct Settings {
    /// The URL of the database, for the role `hestami_workflow`, which reaches the schema `dbos` only.
    pub url: String,
    /// The id of this process among the replicas, never used twice.
    pub executor_id: String,
    pub connections: u32,
    /// The interval at which a second holder of a running workflow looks for its outcome.
    pub poll: Duration,
}

pub struct Durable {
    dbos: DBOS,
    workflows: HashMap<Workflow, WorkflowRef<Run, (), EngineOnly>>,
    gateway: Arc<OnceLock<Weak<Gateway>>>,
    pool: PgPool,
    pub executor_id: String,
}

impl Durable {
    /// Registers the workflow of every mutation. Nothing runs before [`launch`](Self::launch).
    pub async fn new(settings: Settings, table: &[Entry]) -> Result<Self> {
        let mut config = Config::new(APP_NAME, &settings.url);
        config.app_version = Some(APP_VERSION.to_owned());
        config.executor_id = Some(settings.executor_id.clone());
        config.max_connections = settings.connections;
        config.migrate = false;
        config.outcome_poll_interval = Some(settings.poll);
        config.listen_queues = Some(Vec::new());
        let dbos = DBOS::new(config);
        let gateway: Arc<OnceLock<Weak<Gateway>>> = Arc::default();
        let mut workflows = HashMap::new();
        for entry in table {
            let Runs::Mutation(workflow) = entry.runs() else { continue };
            if workflows.contains_key(&workflow) {
                continue;
            }
            let gateway = Arc::clone(&gateway);
            let body = move |run: Run| {
                let gateway = gateway.get().and_then(Weak::upgrade);
                async move {
                    // Without a gateway the process is going away: the run stays for another.
                    match gateway {
                        Some(gateway) => execute(&gateway, run).await,
                        None => std::future::pending().await,
                    }
                    Ok::<(), dbos::Error>(())
                }
            };
            let registered = dbos.register_workflow(&workflow.name(), body).map_err(Error::internal)?;
            workflows.insert(workflow, registered);
        }
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .acquire_timeout(Duration::from_secs(2))
            .connect_lazy(&settings.url)
            .map_err(Error::from)?;
        Ok(Durable { dbos, workflows, gateway, pool, executor_id: settings.executor_id })
    }

    pub async fn launch(&self, gateway: &Arc<Gateway>) -> Result<()> {
        let _ = self.gateway.set(Arc::downgrade(gateway));
        self.dbos.launch().await.map_err(Error::unavailable)
    }

    pub async fn shutdown(&self) {
        self.dbos.shutdown().await;
    }

    /// Puts the work of dead executors back, for any live executor to take.
    pub async fn adopt(&self, dead: &[String]) -> Result<Vec<String>> {
        adopt(&self.pool, APP_NAME, APP_VERSION, dead).await
    }

    /// Resumes runs that this process began long ago and that never ended, because a finishing update was lost. A resumed run
    /// finds its outcome and ends.
    pub async fn unstick(&self, older_than: Duration) -> Result<usize> {
        let before = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
        let stuck: Vec<String> = sqlx::query_scalar(
            "SELECT workflow_uuid FROM dbos.workflow_status
             WHERE status = 'PENDING' AND executor_id = $1 AND application_name = $3 AND updated_at < (extract(epoch FROM now()) * 1000)::bigint - $2 LIMIT 100",
        )
        .bind(&self.executor_id)
        .bind(before)
        .bind(APP_NAME)
        .fetch_all(&self.pool)
        .await?;
        for id in &stuck {
            self.dbos.resume::<(), EngineOnly>(id).await.map_err(Error::unavailable)?;
        }
        Ok(stuck.len())
    }

    /// Forgets workflows that ended longer ago than outcomes are kept.
    pub async fn forget(&self, older_than: Duration) -> Result<u64> {
        let before = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
        // The inner query reads by the index from the oldest on, and runs once. As a join it may run for each row of a table that
        // grew faster than its statistics.
        let gone = sqlx::query(
            "DELETE FROM dbos.workflow_status WHERE workflow_uuid = ANY (ARRAY(
               SELECT workflow_uuid FROM dbos.workflow_status, (SELECT (extract(epoch FROM now()) * 1000)::bigint - $1) AS t(before)
               WHERE created_at < before AND updated_at < before AND status IN ('SUCCESS', 'ERROR', 'CANCELLED')
               ORDER BY created_at LIMIT 1000))",
        )
        .bind(before)
        .execute(&self.pool)
        .await?;
        Ok(gone.rows_affected())
    }

    pub async fn reachable(&self) -> Result<()> {
        sqlx::query("SELECT 1 FROM dbos.workflow_status LIMIT 1").execute(&self.pool).await?;
        Ok(())
    }
}

#[async_trait]
impl Engine for Durable {
    async fn start(&self, workflow: Workflow, run: Run) -> Result<oneshot::Receiver<()>> {
        let registered = self.workflows.get(&workflow).ok_or_else(|| Error::internal("an unregistered workflow"))?;
        let id = run.workflow_id();
        let options = StartOptions { workflow_id: Some(&id), ..Default::default() };
        // DBOS waits for a lost database without end: every wait has our own limit.
        let started = tokio::time::timeout(Duration::from_secs(3), registered.start_with(run, options));
        let handle = started.await.map_err(Error::unavailable)?.map_err(Error::unavailable)?;
        let (ended, receiver) = oneshot::channel();
        tokio::spawn(async move {
            // A panic in the body comes out here; the body catches its own.
            let result = tokio::spawn(async move { handle.result().await });
            if let Ok(Ok(Ok(()))) = tokio::time::timeout(Duration::from_secs(30), result).await {
                let _ = ended.send(());
            }
        });
        Ok(receiver)
    }

    fn ready(&self) -> bool {
        self.dbos.is_launched()
    }
}

/// Puts the work of an application's dead executors back.
pub async fn adopt(pool: &PgPool, application: &str, version: &str, dead: &[String]) -> Result<Vec<String>> {
    if dead.is_empty() {
        return Ok(Vec::new());
    }
    let dead: Vec<&str> = dead.iter().map(String::as_str).collect();
    let settings = postgres::Settings { application_name: Some(application), ..Default::default() };
    let system = PostgresSystemDatabase::from_pool(pool.clone(), &settings);
    system.reenqueue_for_recovery(&dead, version, INTERNAL_QUEUE).await.map_err(Error::unavailable)
}

/// Brings the schema `dbos` up to date, as its owner, and gives the workflow role its privileges.
pub async fn migrate(owner_url: &str) -> Result<()> {
    let config = postgres::Config { max_connections: 2, ..postgres::Config::new(owner_url) };
    let system = PostgresSystemDatabase::connect(&config).await.map_err(Error::internal)?;
    drop(system);
    let pool = PgPoolOptions::new().max_connections(1).connect(owner_url).await?;
    sqlx::raw_sql(
        "REVOKE ALL ON SCHEMA dbos FROM PUBLIC;
         GRANT USAGE ON SCHEMA dbos TO hestami_workflow;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dbos TO hestami_workflow;
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA dbos TO hestami_workflow;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbos TO hestami_workflow;",
    )
    .execute(&pool)
    .await?;
    pool.close().await;
    Ok(())
}
