//! The event log as its readers follow it. A commit wakes the readers in this process at once, and those of other replicas by one
//! notification each few milliseconds. One statement a second finds entries that no notification announced. Idle followers add no
//! SQL. The right to see an entry is judged where the entry is delivered, never here.

mod answers;
mod follow;
mod metrics;
mod news;
mod relay;
mod tail;

pub use answers::{Answer, Key};
pub use follow::{Follow, Log, Marks, OperationWatch};

use answers::AnswerCache;
use entities::feed;
use follow::Logs;
use news::{News, Outbox};
use schema::{Clock, Error, Expired, Live, LogId, LogPosition, OperationId, OrganizationId, Result};
use sqlx::{PgPool, Row, postgres::PgPoolOptions};
use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};

#[derive(Debug, Clone)]
pub struct Settings {
    /// The URL of the database, for the role `hestami_relay`.
    pub url: String,
    /// The interval at which logs are read without a notification.
    pub backstop: Duration,
    /// The number of entries of a log that stay in memory; a reader that falls further behind is disconnected.
    pub kept: usize,
    /// The interval at which feeds are trimmed of entries that are too old.
    pub trim: Duration,
    /// The greatest difference between the clocks of replicas.
    pub skew: Duration,
}

impl Settings {
    pub fn new(url: impl Into<String>) -> Self {
        Settings {
            url: url.into(),
            backstop: Duration::from_secs(1),
            kept: 512,
            trim: Duration::from_secs(60),
            skew: Duration::from_millis(250),
        }
    }
}

/// The process's one link between commits and followers.
pub struct Hub {
    settings: Settings,
    /// The greatest age of a cursor.
    window: Duration,
    clock: Arc<dyn Clock>,
    /// Connections for followers that catch up.
    pool: PgPool,
    /// The connection that reads new entries, so that reading them never waits for a follower.
    tail: PgPool,
    logs: Mutex<Logs>,
    answers: AnswerCache,
    /// News whose entries were not read yet.
    due: Mutex<News>,
    wake: Notify,
    /// Logs that grew and were not relayed yet.
    grown: Mutex<News>,
    relay: Notify,
    out: Outbox,
    hears: AtomicBool,
    /// A sender that turns true when followers are to disconnect.
    closing: watch::Sender<bool>,
    /// A sender that turns true when the hub's tasks are to end.
    stopped: watch::Sender<bool>,
    /// A counter of the connections that follow.
    guests: Arc<()>,
}

/// A connection that follows, as the hub counts them.
pub struct Guest(#[expect(dead_code, reason = "it is counted")] Arc<()>);

/// The number of connections that read logs, whatever the number of followers.
const CONNECTIONS: u32 = 3;

impl Hub {
    /// Starts the tasks that read logs, exchange news and relay. They run until `stop`.
    pub fn start(settings: Settings, window: Duration, clock: Arc<dyn Clock>) -> Result<Arc<Hub>> {
        let pool = |connections| {
            let options = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(5));
            options.connect_lazy(&settings.url).map_err(Error::internal)
        };
        let (pool, tail) = (pool(CONNECTIONS)?, pool(1)?);
        let hub = Arc::new(Hub {
            settings,
            window,
            clock,
            pool,
            tail,
            logs: Mutex::default(),
            answers: AnswerCache::default(),
            due: Mutex::default(),
            wake: Notify::new(),
            grown: Mutex::default(),
            relay: Notify::new(),
            out: Outbox::default(),
            hears: AtomicBool::new(false),
            closing: watch::channel(false).0,
            stopped: watch::channel(false).0,
            guests: Arc::default(),
        });
        supervise(&hub, "the look at logs", tail::run);
        supervise(&hub, "the exchange of news", news::run);
        supervise(&hub, "the relay", relay::run);
        Ok(hub)
    }

    /// Disconnects all followers, with a code that means "come back".
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Disconnects all followers, sends the last news and ends the tasks.
    pub fn stop(&self) {
        self.close();
        self.stopped.send_replace(true);
    }

    /// A token for a connection that follows, so that a shutdown can wait for its last message.
    pub fn guest(&self) -> Guest {
        Guest(Arc::clone(&self.guests))
    }

    pub fn guests(&self) -> usize {
        Arc::strong_count(&self.guests) - 1
    }

    /// Whether notifications of other replicas arrive.
    pub fn ready(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }

    fn hears(&self, hears: bool) {
        self.hears.store(hears, Ordering::Relaxed);
    }

    fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    /// A receiver that turns true when this process shuts down.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    fn logs<T>(&self, work: impl FnOnce(&mut Logs) -> T) -> T {
        work(&mut self.logs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The shared log; a new one begins at its present end.
    pub async fn open(&self, id: LogId) -> Result<Arc<Log>> {
        if let Some(log) = self.logs(|logs| logs.get(id)) {
            return Ok(log);
        }
        let head = feed::head(&self.pool, id).await?;
        // Entries that came since are found by the next look.
        let log = self.logs(|logs| logs.keep(id, head));
        self.due.lock().unwrap_or_else(PoisonError::into_inner).merge(News::of([id]));
        self.wake.notify_one();
        Ok(log)
    }

    /// Refuses a cursor that is unknown or too old.
    pub async fn check(&self, place: &LogPosition) -> Result<()> {
        let own = "SELECT h.event_seq AS head, (
                     SELECT e.at < $3 FROM event e WHERE e.organization_id = $1 AND e.seq = $2 + 1) AS old
                   FROM org_head h WHERE h.organization_id = $1";
        let fed =
            "SELECT position AS head, gone > $2 AS old FROM feed_head WHERE organization_id = $1 AND $3::timestamptz IS NOT NULL";
        let sql = if matches!(place.log, LogId::Own(_)) { own } else { fed };
        let row = sqlx::query(sql)
            .bind(place.log.organization().0)
            .bind(place.position)
            .bind(self.clock.now() - self.window)
            .fetch_optional(&self.pool)
            .await?;
        let (head, old) = match row {
            Some(row) => (row.try_get("head")?, row.try_get::<Option<bool>, _>("old")?),
            None => (0_i64, None),
        };
        match old {
            _ if place.position > head => Err(Expired::Unknown.into()),
            Some(true) => Err(Expired::TooOld.into()),
            _ => Ok(()),
        }
    }

    /// A watch that wakes whenever this operation may have moved.
    pub fn watch(&self, organization: OrganizationId, id: OperationId) -> Arc<OperationWatch> {
        self.logs(|logs| logs.watch(organization, id))
    }

    /// Takes news of this process's own commits, or of a notification.
    fn heard(&self, news: News) {
        if let Some(grown) = news.grown() {
            self.grown.lock().unwrap_or_else(PoisonError::into_inner).merge(grown);
            self.relay.notify_one();
        }
        self.due.lock().unwrap_or_else(PoisonError::into_inner).merge(news);
        self.wake.notify_one();
    }

    /// Takes news, and sends it to the other replicas as well.
    fn announce(&self, news: News) {
        self.out.put(news.clone());
        self.heard(news);
    }
}

/// Runs a task, and restarts it after a panic, since all followers depend on it.
fn supervise<F>(hub: &Arc<Hub>, name: &'static str, task: impl Fn(Weak<Hub>) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let hub = Arc::downgrade(hub);
    tokio::spawn(async move {
        while let Err(problem) = tokio::spawn(task(Weak::clone(&hub))).await {
            tracing::error!(%problem, "{name} ended, and begins anew");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

/// Resolves once the receiver turns true.
pub async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

impl Live for Hub {
    fn committed(&self, organizations: &[OrganizationId], operation: (OrganizationId, OperationId)) {
        let mut news = News::of(organizations.iter().copied().map(LogId::Own));
        news.operation(operation.1);
        self.announce(news);
    }
}
