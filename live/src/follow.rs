//! A log as it is held by those who follow it: its last places in memory, shared, and each follower's own
//! position. A follower that is slow is behind, and nothing is kept for it.

use crate::{Hub, news::News};
use entities::feed::{self, Entry};
use schema::{Code, Error, Expired, LogId, OperationId, OrganizationId, Result};
use std::{
    any::Any,
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync::{OnceCell, watch};

/// What a key stands for is made once, however many ask for it.
pub type Key = [u8; 32];
type Kept = Arc<OnceCell<Arc<dyn Any + Send + Sync>>>;

/// A place of a log, with what was made of it for each distinct view.
pub struct Told {
    pub entry: Entry,
    made: Mutex<HashMap<Key, Kept>>,
}

impl Told {
    pub fn new(entry: Entry) -> Arc<Self> {
        Arc::new(Told { entry, made: Mutex::default() })
    }

    /// Made by the first who asks. A failure is not kept.
    pub async fn made<T: Send + Sync + 'static>(&self, key: Key, make: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        let cell = Arc::clone(self.made.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        let made = cell.get_or_try_init(async || Ok::<_, Error>(Arc::new(make.await?) as Arc<dyn Any + Send + Sync>)).await?;
        Arc::clone(made).downcast().map_err(|_| Error::internal("a key stands for one type"))
    }

    /// For those who come later it is made anew.
    fn forget(&self) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// From so many on, those that nobody holds are cleared away.
const PAST: usize = 1_000;
/// Behind these, what was made is no longer kept.
const FRESH: usize = 64;

pub struct Log {
    pub id: LogId,
    last: Mutex<VecDeque<Arc<Told>>>,
    /// Older places that someone goes through just now: many come back at once, after a restart.
    past: Mutex<HashMap<i64, Weak<Told>>>,
    tail: watch::Sender<i64>,
}

enum Next {
    Told(Arc<Told>),
    /// There is nothing more.
    End,
    /// It is no longer at hand.
    Older,
}

impl Log {
    fn new(id: LogId, head: i64) -> Self {
        Log { id, last: Mutex::default(), past: Mutex::default(), tail: watch::channel(head).0 }
    }

    pub fn tail(&self) -> i64 {
        *self.tail.borrow()
    }

    /// Takes what stands behind its end; anything else it knows already.
    pub(crate) fn push(&self, entry: Entry, kept: usize) {
        let position = entry.position;
        if position != self.tail() + 1 {
            return;
        }
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.push_back(Told::new(entry));
            if last.len() > kept {
                last.pop_front();
            }
            if let Some(stale) = last.len().checked_sub(FRESH).and_then(|at| last.get(at)) {
                stale.forget();
            }
        }
        self.tail.send_replace(position);
    }

    fn shared(&self, entry: Entry) -> Arc<Told> {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = past.get(&entry.position).and_then(Weak::upgrade) {
            return known;
        }
        if past.len() >= PAST {
            past.retain(|_, told| told.strong_count() > 0);
        }
        let position = entry.position;
        let told = Told::new(entry);
        past.insert(position, Arc::downgrade(&told));
        told
    }

    fn after(&self, position: i64) -> Next {
        if position >= self.tail() {
            return Next::End;
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let first = last.front().map(|told| told.entry.position);
        match first.map(|first| usize::try_from(position + 1 - first)) {
            Some(Ok(at)) => last.get(at).map_or(Next::End, |told| Next::Told(Arc::clone(told))),
            _ => Next::Older,
        }
    }
}

/// Someone who goes through a log, from one place to the next.
pub struct Follow {
    hub: Arc<Hub>,
    log: Arc<Log>,
    tail: watch::Receiver<i64>,
    position: i64,
    fetched: VecDeque<Arc<Told>>,
    /// It has caught up once: from then on, what it does not read in time is not fetched for it again.
    caught_up: bool,
}

/// So many places are fetched at once for one who catches up.
const PAGE: i64 = 100;

impl Follow {
    /// From this position on, or from where the log ends.
    pub async fn from(hub: &Arc<Hub>, log: LogId, position: Option<i64>) -> Result<Follow> {
        let log = hub.open(log).await?;
        let position = position.unwrap_or_else(|| log.tail());
        let tail = log.tail.subscribe();
        Ok(Follow { hub: Arc::clone(hub), log, tail, position, fetched: VecDeque::new(), caught_up: false })
    }

    pub fn position(&self) -> i64 {
        self.position
    }

    /// The next place, as soon as there is one. Whoever stops waiting loses nothing.
    pub async fn next(&mut self) -> Result<Arc<Told>> {
        loop {
            if let Some(told) = self.fetched.pop_front() {
                self.position = told.entry.position;
                return Ok(told);
            }
            self.tail.mark_unchanged();
            match self.log.after(self.position) {
                Next::Told(told) => {
                    self.caught_up = true;
                    self.position = told.entry.position;
                    return Ok(told);
                }
                Next::End => {
                    self.caught_up = true;
                    if self.tail.changed().await.is_err() {
                        return Err(Error::unavailable("the log is no longer followed"));
                    }
                }
                Next::Older if self.caught_up => return Err(Error::new(Code::SlowReader)),
                Next::Older => {
                    let page = feed::after(&self.hub.pool, &[(self.log.id, self.position)], PAGE).await?;
                    // What is missing was forgotten since the cursor was checked.
                    if page.first().is_none_or(|(_, entry)| entry.position != self.position + 1) {
                        return Err(Expired::TooOld.into());
                    }
                    self.fetched.extend(page.into_iter().map(|(_, entry)| self.log.shared(entry)));
                }
            }
        }
    }
}

/// An operation that someone waits for.
pub struct Watched {
    pub organization: OrganizationId,
    moved: watch::Sender<u64>,
    /// When it last moved, as far as the backstop saw.
    seen: Mutex<Option<chrono::DateTime<chrono::Utc>>>,
}

impl Watched {
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    pub(crate) fn bump(&self) {
        self.moved.send_modify(|count| *count += 1);
    }

    pub(crate) fn saw(&self, at: chrono::DateTime<chrono::Utc>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.replace(at).is_some_and(|before| before != at) {
            self.bump();
        }
    }
}

/// The operations that someone waits for.
pub(crate) type Awaited = Vec<(OperationId, Arc<Watched>)>;

/// All that is followed in this process.
#[derive(Default)]
pub(crate) struct Logs {
    logs: HashMap<LogId, Weak<Log>>,
    operations: HashMap<OperationId, Weak<Watched>>,
}

impl Logs {
    pub fn get(&self, id: LogId) -> Option<Arc<Log>> {
        self.logs.get(&id).and_then(Weak::upgrade)
    }

    pub fn keep(&mut self, id: LogId, head: i64) -> Arc<Log> {
        if let Some(known) = self.get(id) {
            return known;
        }
        let log = Arc::new(Log::new(id, head));
        self.logs.insert(id, Arc::downgrade(&log));
        log
    }

    pub fn watch(&mut self, organization: OrganizationId, id: OperationId) -> Arc<Watched> {
        if let Some(known) = self.operations.get(&id).and_then(Weak::upgrade) {
            return known;
        }
        let watched = Arc::new(Watched { organization, moved: watch::channel(0).0, seen: Mutex::default() });
        self.operations.insert(id, Arc::downgrade(&watched));
        watched
    }

    /// Of what was told, what somebody holds.
    pub fn named(&self, news: &News) -> (Vec<Arc<Log>>, Awaited) {
        let logs = news.logs.iter().filter_map(|id| self.get(*id)).collect();
        let awaited = |id: &OperationId| Some((*id, self.operations.get(id)?.upgrade()?));
        (logs, news.operations.iter().filter_map(awaited).collect())
    }

    /// Everything that somebody still holds.
    pub fn held(&mut self) -> (Vec<Arc<Log>>, Awaited) {
        self.logs.retain(|_, log| log.strong_count() > 0);
        self.operations.retain(|_, watched| watched.strong_count() > 0);
        let logs = self.logs.values().filter_map(Weak::upgrade).collect();
        (logs, self.operations.iter().filter_map(|(id, watched)| Some((*id, watched.upgrade()?))).collect())
    }
}
