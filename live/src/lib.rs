//! The event log, followed: whoever waits for it is woken after a commit, here at once and on other
//! replicas by one notification each few milliseconds; one statement a second finds what no notification
//! told. Idle followers cost no SQL. What someone may see of it is decided where it is delivered.

mod answers;
mod follow;
mod metrics;
mod news;
mod relay;
mod tail;

pub use answers::{Answer, Key};
pub use follow::{Follow, Log, Marks, Watched};

use answers::Answers;
use entities::feed;
use follow::Logs;
use news::{News, Outbox};
use schema::{Clock, Error, Expired, Live, LogId, OperationId, OrganizationId, Place, Result};
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
    /// As `hestami_relay`.
    pub url: String,
    /// How often it looks without having been told.
    pub backstop: Duration,
    /// How many places of a log are kept at hand; a reader that falls behind by more is sent away.
    pub kept: usize,
    /// How often it looks for what is too old.
    pub trim: Duration,
    /// So far apart may the clocks of replicas be.
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

/// One a process.
pub struct Hub {
    settings: Settings,
    /// How long a cursor can be gone on from.
    window: Duration,
    clock: Arc<dyn Clock>,
    /// For those who catch up.
    pool: PgPool,
    /// For the look at what grew, which waits for nobody.
    tail: PgPool,
    logs: Mutex<Logs>,
    answers: Answers,
    /// What was told and not yet looked at.
    due: Mutex<News>,
    wake: Notify,
    /// What grew, and was not yet relayed.
    grown: Mutex<News>,
    relay: Notify,
    out: Outbox,
    hears: AtomicBool,
    /// Those who follow are to go.
    closing: watch::Sender<bool>,
    /// Nothing is told any more.
    stopped: watch::Sender<bool>,
    /// Connections that follow.
    guests: Arc<()>,
}

/// A connection that follows.
pub struct Guest(#[expect(dead_code, reason = "it is counted")] Arc<()>);

/// So many connections read logs, whatever the number of followers.
const CONNECTIONS: u32 = 3;

impl Hub {
    /// Begins to listen, to tell, to look and to relay, until it is stopped.
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
            answers: Answers::default(),
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
        upheld(&hub, "the look at logs", tail::keep);
        upheld(&hub, "the exchange of news", news::exchange);
        upheld(&hub, "the relay", relay::keep);
        Ok(hub)
    }

    /// Lets everyone who follows go, with a word that means "come back".
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Tells what is still to be told, and no more.
    pub fn stop(&self) {
        self.close();
        self.stopped.send_replace(true);
    }

    /// Held by a connection that follows, so that a stop can wait for its last word.
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

    /// Turns true when this process goes away.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    fn logs<T>(&self, work: impl FnOnce(&mut Logs) -> T) -> T {
        work(&mut self.logs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A log, and where it ends at least.
    pub async fn open(&self, id: LogId) -> Result<Arc<Log>> {
        if let Some(log) = self.logs(|logs| logs.get(id)) {
            return Ok(log);
        }
        let head = feed::head(&self.pool, id).await?;
        // Whatever came since is found by the next look.
        let log = self.logs(|logs| logs.keep(id, head));
        self.due.lock().unwrap_or_else(PoisonError::into_inner).merge(News::of([id]));
        self.wake.notify_one();
        Ok(log)
    }

    /// Whether one can go on from here.
    pub async fn check(&self, place: &Place) -> Result<()> {
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

    /// Wakes whenever this operation may stand elsewhere.
    pub fn watch(&self, organization: OrganizationId, id: OperationId) -> Arc<Watched> {
        self.logs(|logs| logs.watch(organization, id))
    }

    /// Something was told: by this process's own commits, or by a notification.
    fn heard(&self, news: News) {
        if let Some(grown) = news.grown() {
            self.grown.lock().unwrap_or_else(PoisonError::into_inner).merge(grown);
            self.relay.notify_one();
        }
        self.due.lock().unwrap_or_else(PoisonError::into_inner).merge(news);
        self.wake.notify_one();
    }

    /// The same, for all replicas.
    fn tell(&self, news: News) {
        self.out.put(news.clone());
        self.heard(news);
    }
}

/// Begins a task, and begins it again should it panic: without it nobody would be told any more.
fn upheld<F>(hub: &Arc<Hub>, what: &'static str, task: impl Fn(Weak<Hub>) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let hub = Arc::downgrade(hub);
    tokio::spawn(async move {
        while let Err(problem) = tokio::spawn(task(Weak::clone(&hub))).await {
            tracing::error!(%problem, "{what} ended, and begins anew");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

/// Resolves when the process goes away.
pub async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

impl Live for Hub {
    fn committed(&self, organizations: &[OrganizationId], operation: (OrganizationId, OperationId)) {
        let mut news = News::of(organizations.iter().copied().map(LogId::Own));
        news.operation(operation.1);
        self.tell(news);
    }
}
