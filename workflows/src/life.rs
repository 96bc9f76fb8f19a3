//! Lives: workflows that wait for months. A life is a chain of short workflows, one after the other. Each waits for the next time of its
//! row, acts once, and starts the next. While it waits it is a row of the engine's and no more. Truth is the row's own deadline: what is
//! lost of the engine is begun anew from there.

use crate::timer;
use chrono::{DateTime, TimeDelta, Utc};
use dbos::{Config, DBOS, EngineOnly, Enqueue, QueueConflict, QueueOptions, StartOptions, WorkflowDelay, WorkflowRef};
use entities::{
    deadline::Deadline,
    life::{self, Living, Look},
};
use futures_util::{StreamExt, stream};
use schema::{Carried, Error, Gateway, Life, OrganizationId, Result};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tracing::Instrument;
use uuid::Uuid;

/// The engine's application of lives. Its commits wait for the disk: nothing else tells that a workflow waits.
const APP_NAME: &str = "hestami_lives";
/// A version belongs to one application.
const APP_VERSION: &str = "lives-1";
const QUEUE: &str = "lives";
/// The connections that are enough for lives, which wait most of the time.
const CONNECTIONS: u32 = 4;

/// The whole input of one workflow of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Epoch {
    organization: Uuid,
    id: Uuid,
    number: i32,
}

/// The most lives that one look takes, and how many are planned at a time.
const MOST: i32 = 500;
const AT_ONCE: usize = 8;
/// The lives that one replica goes on with at a time.
const AT_A_TIME: usize = 16;
/// A life is looked at if its time came so long ago and nothing happened.
const GRACE: TimeDelta = TimeDelta::milliseconds(700);
/// The times that one workflow goes on with what is due at once, before it leaves the rest to the next.
const TURNS: usize = 5;
const LIMIT: Duration = Duration::from_secs(3);

pub struct Lives {
    dbos: DBOS,
    known: Vec<(Life, WorkflowRef<Epoch, (), EngineOnly>)>,
    gateway: Arc<OnceLock<Weak<Gateway>>>,
    pool: PgPool,
    /// The lives that go on at a time.
    turns: tokio::sync::Semaphore,
}

impl Lives {
    /// Registers the workflows of these lives. Nothing runs before [`launch`](Self::launch).
    pub fn new(settings: &crate::Settings, lives: &[Life]) -> Result<Arc<Self>> {
        let url = durable(&settings.url);
        let mut config = Config::new(APP_NAME, &url);
        config.app_version = Some(APP_VERSION.to_owned());
        config.executor_id = Some(settings.executor_id.clone());
        config.max_connections = settings.connections.min(CONNECTIONS);
        config.migrate = false;
        config.outcome_poll_interval = Some(settings.poll);
        config.listen_queues = Some(vec![QUEUE.to_owned()]);
        let dbos = DBOS::new(config);
        let this: Arc<OnceLock<Weak<Lives>>> = Arc::default();
        let mut known = Vec::new();
        for life in lives.iter().copied() {
            let this = Arc::clone(&this);
            let body = move |epoch: Epoch| {
                let lives = this.get().and_then(Weak::upgrade);
                async move {
                    let Some(lives) = lives else { return std::future::pending().await };
                    // What it does is no part of the engine's own bookkeeping: it has an operation of its own.
                    let done = tokio::spawn(async move { lives.lived(life, epoch).await }).await;
                    if let Err(error) = done.map_err(Error::internal).flatten() {
                        error.trace();
                    }
                    Ok::<(), dbos::Error>(())
                }
            };
            known.push((life, dbos.register_workflow(&life.workflow.name(), body).map_err(Error::internal)?));
        }
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .acquire_timeout(Duration::from_secs(2))
            .connect_lazy(&url)
            .map_err(Error::from)?;
        let lives = Arc::new(Lives { dbos, known, gateway: Arc::default(), pool, turns: tokio::sync::Semaphore::new(AT_A_TIME) });
        let _ = this.set(Arc::downgrade(&lives));
        Ok(lives)
    }

    pub async fn launch(&self, gateway: &Arc<Gateway>) -> Result<()> {
        let _ = self.gateway.set(Arc::downgrade(gateway));
        self.dbos.launch().await.map_err(Error::unavailable)?;
        let options = QueueOptions {
            worker_concurrency: Some(AT_A_TIME as i32),
            polling_interval: Duration::from_millis(250),
            ..Default::default()
        };
        self.dbos.register_queue(QUEUE, options, QueueConflict::AlwaysUpdate).await.map_err(Error::unavailable)?;
        Ok(())
    }

    pub async fn shutdown(&self) {
        self.dbos.shutdown().await;
    }

    /// Puts the work of dead executors back, for any live executor to take.
    pub async fn adopt(&self, dead: &[String]) -> Result<Vec<String>> {
        crate::engine::adopt(&self.pool, APP_NAME, APP_VERSION, dead).await
    }

    fn life(&self, procedure: &str) -> Result<(Life, &WorkflowRef<Epoch, (), EngineOnly>)> {
        let known = self.known.iter().find(|(life, _)| life.procedure == procedure);
        known.map(|(life, workflow)| (*life, workflow)).ok_or_else(|| Error::internal(format!("{procedure} has no life")))
    }

    /// The procedures that lives call, which the timer leaves alone.
    pub fn procedures(&self) -> Vec<&'static str> {
        self.known.iter().map(|(life, _)| life.procedure).collect()
    }

    /// One workflow of a life: does what is due, and starts the next.
    async fn lived(self: Arc<Self>, life: Life, epoch: Epoch) -> Result<()> {
        let Some(gateway) = self.gateway.get().and_then(Weak::upgrade) else { return Ok(()) };
        // After an outage very many may be due at once.
        let _turn = self.turns.acquire().await.map_err(Error::internal)?;
        let Epoch { organization, id, number } = epoch;
        let living = Living { organization: OrganizationId(organization), procedure: life.procedure.to_owned(), id };
        for _ in 0..TURNS {
            let Some(due) = life::due(&gateway.pool, &living).await? else { return Ok(()) };
            if due.at > gateway.clock.now() {
                // Another workflow may have taken over meanwhile.
                if due.epoch <= number {
                    self.wait(&gateway, &living, number + 1, due.at).await?;
                }
                return Ok(());
            }
            let deadline = Deadline { organization: living.organization, procedure: life.procedure.to_owned(), id, at: due.at };
            let of: &'static str = life.procedure.split('/').next().unwrap_or_default();
            let called = async {
                // All spans of it name the thing, this one as well.
                Carried::about(of, id);
                let span =
                    tracing::info_span!("life", otel.name = life.workflow.name(), family = life.workflow.family, epoch = number);
                if let Some(traceparent) = &due.traceparent {
                    schema::continue_from(&span, traceparent);
                }
                timer::call(&gateway, &deadline).instrument(span).await
            };
            Carried::with(Vec::new(), called).await?;
        }
        Ok(())
    }

    /// Lets a workflow of this number wait for a time, and notes it. One that waits already is told the new time.
    async fn wait(&self, gateway: &Gateway, living: &Living, number: i32, at: DateTime<Utc>) -> Result<()> {
        let delay = (at - gateway.clock.now()).to_std().unwrap_or_default();
        let queue = Enqueue { delay: Some(delay).filter(|delay| !delay.is_zero()), ..Enqueue::new(QUEUE) };
        self.begin(living, number, Some(queue)).await?;
        let id = self.life(&living.procedure)?.0.workflow_id(living.id, number);
        let told = self.dbos.set_workflow_delay(&id, WorkflowDelay::For(delay));
        tokio::time::timeout(LIMIT, told).await.map_err(Error::unavailable)?.map_err(Error::unavailable)?;
        life::planned(&gateway.pool, living, number, at).await
    }

    /// Begins a workflow: in a queue, or here and now. One of this number that there is stays as it is.
    async fn begin(&self, living: &Living, number: i32, queue: Option<Enqueue<'_>>) -> Result<()> {
        let (life, workflow) = self.life(&living.procedure)?;
        let id = life.workflow_id(living.id, number);
        let options = StartOptions { workflow_id: Some(&id), queue, ..Default::default() };
        let epoch = Epoch { organization: living.organization.0, id: living.id, number };
        // The engine waits for a lost database without end.
        let begun = tokio::time::timeout(LIMIT, workflow.start_with(epoch, options)).await;
        begun.map_err(Error::unavailable)?.map_err(Error::unavailable).map(drop)
    }

    /// Looks at the lives whose time is new or overdue. Every replica looks: two that begin the same workflow begin it once, and none
    /// waits for another that stands still.
    pub async fn round(&self, gateway: &Arc<Gateway>) -> Result<()> {
        loop {
            let looks = life::take(&gateway.pool, gateway.clock.now(), GRACE, &self.procedures(), MOST).await?;
            let (full, failed) = (looks.len() >= MOST as usize, AtomicBool::new(false));
            let states = self.states(&looks).await?;
            stream::iter(looks)
                .for_each_concurrent(AT_ONCE, async |look| {
                    if let Err(error) = self.looked_at(gateway, &look, &states).await {
                        failed.store(true, Ordering::Relaxed);
                        error.trace();
                    }
                })
                .await;
            // What failed is looked at again at the next beat.
            if !full || failed.load(Ordering::Relaxed) || gateway.tasks.closing() {
                return Ok(());
            }
        }
    }

    /// The states of the workflows that waited last.
    async fn states(&self, looks: &[Look]) -> Result<HashMap<String, String>> {
        let ids = looks.iter().filter(|look| look.epoch > 0);
        let ids: Vec<String> = ids
            .map(|look| Ok(self.life(&look.living.procedure)?.0.workflow_id(look.living.id, look.epoch)))
            .collect::<Result<_>>()?;
        let sql = "SELECT workflow_uuid, status FROM dbos.workflow_status WHERE workflow_uuid = ANY ($1)";
        let rows: Vec<(String, String)> = sqlx::query_as(sql).bind(ids).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().collect())
    }

    /// One that still waits is told the new time. One that is gone, has ended or hangs has a successor; if it is late already, here
    /// and now, since the queue may have been put off by a replica that stands still.
    async fn looked_at(&self, gateway: &Gateway, look: &Look, states: &HashMap<String, String>) -> Result<()> {
        let Look { living, at, epoch, late } = look;
        let (life, _) = self.life(&living.procedure)?;
        let state = states.get(&life.workflow_id(living.id, *epoch)).map(String::as_str);
        match (late, state) {
            (true, _) => self.begin(living, *epoch + 1, None).await?,
            (false, Some("DELAYED" | "ENQUEUED")) => return self.wait(gateway, living, *epoch, *at).await,
            (false, _) => return self.wait(gateway, living, *epoch + 1, *at).await,
        }
        life::planned(&gateway.pool, living, *epoch + 1, *at).await
    }
}

/// The URL with commits that wait for the disk, whatever the role's own setting is.
fn durable(url: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}options=-c%20synchronous_commit%3Don")
}
