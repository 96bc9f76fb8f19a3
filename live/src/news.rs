//! News between replicas, gathered for a few milliseconds and sent as one notification. The notification has a connection of
//! its own, so that no domain transaction ever waits for the notifications' lock.

use crate::Hub;
use schema::{LogId, OperationId, OrganizationId};
use sqlx::{
    Executor,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::Notify;
use uuid::Uuid;

/// Logs that grew and operations that moved. `anything` stands for all of them, after too many names or a missed notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub logs: BTreeSet<LogId>,
    pub operations: BTreeSet<OperationId>,
    pub anything: bool,
}

const CHANNEL: &str = "hestami_live";
const GATHER: Duration = Duration::from_millis(4);
const HELD: usize = 10_000;
/// The most names in one notification, which carries some 8,000 bytes.
const MOST: usize = 200;

impl News {
    pub fn of(logs: impl IntoIterator<Item = LogId>) -> Self {
        News { logs: logs.into_iter().collect(), ..News::default() }
    }

    pub fn anything() -> Self {
        News { anything: true, ..News::default() }
    }

    pub fn operation(&mut self, id: OperationId) {
        self.operations.insert(id);
    }

    pub fn merge(&mut self, mut other: News) {
        self.logs.append(&mut other.logs);
        self.operations.append(&mut other.operations);
        self.anything |= other.anything;
        // News that nobody takes must not grow without end.
        if self.logs.len() + self.operations.len() > HELD {
            *self = News::anything();
        }
    }

    /// The part that concerns the relay: the organizations' own logs.
    pub fn grown(&self) -> Option<News> {
        let own = self.logs.iter().copied().filter(|log| matches!(log, LogId::Own(_)));
        let grown = News { anything: self.anything, ..News::of(own) };
        (!grown.is_empty()).then_some(grown)
    }

    fn is_empty(&self) -> bool {
        *self == News::default()
    }

    fn write(&self) -> String {
        if self.anything || self.logs.len() + self.operations.len() > MOST {
            return "*".into();
        }
        let logs = self.logs.iter().map(|log| match log {
            LogId::Own(id) => format!("e{}", id.0.simple()),
            LogId::Feed(id) => format!("f{}", id.0.simple()),
        });
        let operations = self.operations.iter().map(|id| format!("o{}", id.0.simple()));
        logs.chain(operations).collect::<Vec<_>>().join(" ")
    }

    fn read(text: &str) -> News {
        let mut news = News::default();
        for word in text.split(' ') {
            let id = word.get(1..).and_then(|id| Uuid::try_parse(id).ok());
            match (word.get(..1), id) {
                (Some("e"), Some(id)) => drop(news.logs.insert(LogId::Own(OrganizationId(id)))),
                (Some("f"), Some(id)) => drop(news.logs.insert(LogId::Feed(OrganizationId(id)))),
                (Some("o"), Some(id)) => drop(news.operations.insert(OperationId(id))),
                _ => news.anything = true,
            }
        }
        news
    }
}

/// News that the other replicas were not sent yet.
#[derive(Default)]
pub(crate) struct Outbox {
    news: Mutex<News>,
    some: Notify,
}

impl Outbox {
    pub fn put(&self, news: News) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).merge(news);
        self.some.notify_one();
    }

    fn take(&self) -> News {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sends and receives news until the hub stops. A broken connection is opened again.
pub(crate) async fn run(hub: Weak<Hub>) {
    while let Some(here) = hub.upgrade() {
        let ended = connected(&here).await;
        here.hears(false);
        match ended {
            Ok(()) => return,
            Err(problem) => tracing::warn!(%problem, "notifications are away"),
        }
        if *here.stopped().borrow() {
            return;
        }
        drop(here);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn connected(hub: &Hub) -> Result<(), sqlx::Error> {
    let options: PgConnectOptions = hub.settings.url.parse()?;
    // A pool for this one connection, dropped together with the connection.
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.application_name("hestami-news"));
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    let own: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut listener).await?;
    // Both sides may have missed news while there was no connection.
    hub.announce(News::anything());
    hub.hears(true);
    let mut stopped = hub.stopped();
    loop {
        tokio::select! {
            heard = listener.try_recv() => match heard? {
                Some(notification) if u32::try_from(own) == Ok(notification.process_id()) => {}
                Some(notification) => hub.heard(News::read(notification.payload())),
                None => return Err(sqlx::Error::WorkerCrashed),
            },
            () = hub.out.some.notified() => {
                tokio::time::sleep(GATHER).await;
                send(hub, &mut listener).await?;
            }
            () = crate::closed(&mut stopped) => return send(hub, &mut listener).await,
        }
    }
}

async fn send(hub: &Hub, listener: &mut PgListener) -> Result<(), sqlx::Error> {
    let news = hub.out.take();
    if news.is_empty() {
        return Ok(());
    }
    let sent = listener.execute(sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(news.write())).await;
    if sent.is_err() {
        hub.out.put(news);
    }
    sent.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_reads_as_it_was_written() {
        let mut news =
            News::of([LogId::Own(OrganizationId(Uuid::from_u128(1))), LogId::Feed(OrganizationId(Uuid::from_u128(2)))]);
        news.operation(OperationId(Uuid::from_u128(3)));
        assert_eq!(News::read(&news.write()), news);
        assert!(News::read("*").anything && News::read("x").anything);
        let many = News::of((0..1_000).map(|id| LogId::Own(OrganizationId(Uuid::from_u128(id)))));
        assert_eq!(many.write(), "*");
    }
}
