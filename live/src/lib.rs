//! The event log, followed: whoever waits for it is woken after a commit, here at once and on other
//! replicas by one notification each few milliseconds; one statement a second finds what no notification
//! told. Idle followers cost no SQL. What someone may see of it is decided where it is delivered.

mod follow;
mod metrics;
mod news;
mod relay;
mod tail;

pub use follow::{Follow, Key, Log, Told, Watched};

use entities::feed;
use follow::Logs;
use news::{News, Outbox};
use schema::{Clock, Error, Expired, Live, LogId, OperationId, OrganizationId, Place, Result};
use sqlx::{PgPool, Row, postgres::PgPoolOptions};
use std::{
    sync::{Arc, Mutex, PoisonError},
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
}

impl Settings {
    pub fn new(url: impl Into<String>) -> Self {
        Settings { url: url.into(), backstop: Duration::from_secs(1), kept: 512, trim: Duration::from_secs(60) }
    }
}

/// One a process.
pub struct Hub {
    settings: Settings,
    /// How long a cursor can be gone on from.
    window: Duration,
    clock: Arc<dyn Clock>,
    pool: PgPool,
    logs: Mutex<Logs>,
    /// What was told and not yet looked at.
    due: Mutex<News>,
    wake: Notify,
    relay: Notify,
    out: Outbox,
    closing: watch::Sender<bool>,
}

/// So many connections read logs, whatever the number of followers.
const CONNECTIONS: u32 = 3;

impl Hub {
    /// Begins to listen, to tell, to look and to relay, until it is closed or nobody holds it.
    pub fn start(settings: Settings, window: Duration, clock: Arc<dyn Clock>) -> Result<Arc<Hub>> {
        let options =
            PgPoolOptions::new().max_connections(CONNECTIONS).min_connections(0).acquire_timeout(Duration::from_secs(5));
        let pool = options.connect_lazy(&settings.url).map_err(Error::internal)?;
        let hub = Arc::new(Hub {
            settings,
            window,
            clock,
            pool,
            logs: Mutex::default(),
            due: Mutex::default(),
            wake: Notify::new(),
            relay: Notify::new(),
            out: Outbox::default(),
            closing: watch::channel(false).0,
        });
        tokio::spawn(tail::keep(Arc::downgrade(&hub)));
        tokio::spawn(news::exchange(Arc::downgrade(&hub)));
        tokio::spawn(relay::keep(Arc::downgrade(&hub)));
        Ok(hub)
    }

    /// Lets everyone who follows go, with a word that means "come back".
    pub fn close(&self) {
        self.closing.send_replace(true);
        self.wake.notify_one();
        self.relay.notify_one();
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
        self.heard(News::of([id]));
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
        let relay = news.events();
        self.due.lock().unwrap_or_else(PoisonError::into_inner).merge(news);
        self.wake.notify_one();
        if relay {
            self.relay.notify_one();
        }
    }

    /// The same, for all replicas.
    fn tell(&self, news: News) {
        self.out.put(news.clone());
        self.heard(news);
    }
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
