//! A log as it is held by those who follow it: its last places in memory, shared, and each follower's own
//! position. A follower that is slow is behind, and nothing is kept for it.

use crate::{Hub, news::News};
use entities::feed::{self, Entry, What};
use schema::{Code, Error, Expired, LogId, OperationId, OrganizationId, Result};
use std::{
    any::Any,
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{OnceCell, watch};
use tracing::Instrument;

/// What a key stands for is made once, however many ask for it.
pub type Key = [u8; 32];
type Kept = Arc<OnceCell<Arc<dyn Any + Send + Sync>>>;

/// A place of a log, with what was made of it for each distinct view.
pub struct Told {
    pub entry: Entry,
    made: Mutex<HashMap<Key, Kept>>,
    stale: AtomicBool,
}

impl Told {
    pub fn new(entry: Entry) -> Arc<Self> {
        Arc::new(Told { entry, made: Mutex::default(), stale: AtomicBool::new(false) })
    }

    /// Made by the first who asks. A failure is not kept; nor is anything beyond what is worth it.
    /// In a task of its own: whoever stops to look, in the midst of it, keeps nobody else waiting.
    pub async fn made<T: Send + Sync + 'static>(
        &self,
        key: Key,
        make: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<Arc<T>> {
        let cell = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            let full = made.len() >= VIEWS || self.stale.load(Ordering::Relaxed);
            if full && !made.contains_key(&key) { None } else { Some(Arc::clone(made.entry(key).or_default())) }
        };
        let Some(cell) = cell else { return make.await.map(Arc::new) };
        let made = match cell.get() {
            Some(made) => Arc::clone(made),
            None => {
                let task = async move {
                    let made = cell.get_or_try_init(async || Ok::<_, Error>(Arc::new(make.await?) as Arc<dyn Any + Send + Sync>));
                    made.await.map(Arc::clone)
                };
                tokio::spawn(task.in_current_span()).await.map_err(Error::internal)??
            }
        };
        made.downcast().map_err(|_| Error::internal("a key stands for one type"))
    }

    /// For those who come later it is made anew.
    fn forget(&self) {
        self.stale.store(true, Ordering::Relaxed);
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// So many distinct answers of one place are kept.
const VIEWS: usize = 64;
/// From so many on, those that nobody holds are cleared away.
const PAST: usize = 1_000;
/// Behind these, what was made is no longer kept.
const FRESH: usize = 16;

pub struct Log {
    pub id: LogId,
    last: Mutex<VecDeque<Arc<Told>>>,
    /// Older places that someone goes through just now: many come back at once, after a restart.
    past: Mutex<HashMap<i64, Weak<Told>>>,
    tail: watch::Sender<i64>,
    marks: watch::Sender<Marks>,
}

/// Where a log last told of something that decides who sees what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Memberships, delegations, grants, the organization itself.
    pub rights: i64,
    /// What is in portfolios, by which things are delegated.
    pub groups: i64,
}

impl Marks {
    fn after(self, entry: &Entry) -> Marks {
        let What::Event(event) = &entry.what else { return self };
        match event.resource_kind.as_str() {
            "membership" | "delegation" | "access_grant" | "organization" => Marks { rights: entry.position, ..self },
            "portfolio" => Marks { groups: entry.position, ..self },
            _ => self,
        }
    }
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
        Log {
            id,
            last: Mutex::default(),
            past: Mutex::default(),
            tail: watch::channel(head).0,
            marks: watch::channel(Marks::default()).0,
        }
    }

    pub fn tail(&self) -> i64 {
        *self.tail.borrow()
    }

    /// Changes when something is told that decides who sees what.
    pub fn marks(&self) -> watch::Receiver<Marks> {
        self.marks.subscribe()
    }

    /// Takes what stands behind its end; anything else it knows already. What was forgotten before anyone looked leaves a
    /// hole: whoever stands before it is sent away, and finds that its cursor is too old.
    pub(crate) fn push(&self, entry: Entry, kept: usize) -> bool {
        let (position, tail) = (entry.position, self.tail());
        if position <= tail {
            return false;
        }
        let before = *self.marks.borrow();
        // What a hole hides may have been anything.
        let hidden = if position > tail + 1 { Marks { rights: position, groups: position } } else { before };
        let marks = hidden.after(&entry);
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if position > tail + 1 {
                last.clear();
            }
            last.push_back(Told::new(entry));
            if last.len() > kept {
                last.pop_front();
            }
            if let Some(stale) = last.len().checked_sub(FRESH).and_then(|at| last.get(at)) {
                stale.forget();
            }
        }
        if marks != before {
            self.marks.send_replace(marks);
        }
        self.tail.send_replace(position);
        true
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
        // Seen for the first time it may have moved since its follower looked.
        if seen.replace(at) != Some(at) {
            self.bump();
        }
    }
}

/// The operations that someone waits for.
pub(crate) type Awaited = Vec<((OrganizationId, OperationId), Arc<Watched>)>;

/// All that is followed in this process.
#[derive(Default)]
pub(crate) struct Logs {
    logs: HashMap<LogId, Weak<Log>>,
    operations: HashMap<(OrganizationId, OperationId), Weak<Watched>>,
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

    pub fn watch(&mut self, of: (OrganizationId, OperationId)) -> Arc<Watched> {
        if let Some(known) = self.operations.get(&of).and_then(Weak::upgrade) {
            return known;
        }
        let watched = Arc::new(Watched { moved: watch::channel(0).0, seen: Mutex::default() });
        self.operations.insert(of, Arc::downgrade(&watched));
        watched
    }

    /// Of what was told, what somebody holds.
    pub fn named(&self, news: &News) -> (Vec<Arc<Log>>, Awaited) {
        let logs = news.logs.iter().filter_map(|id| self.get(*id)).collect();
        if news.operations.is_empty() {
            return (logs, Vec::new());
        }
        let told = self.operations.iter().filter(|((_, id), _)| news.operations.contains(id));
        (logs, told.filter_map(|(of, watched)| Some((*of, watched.upgrade()?))).collect())
    }

    /// Everything that somebody still holds.
    pub fn held(&mut self) -> (Vec<Arc<Log>>, Awaited) {
        self.logs.retain(|_, log| log.strong_count() > 0);
        self.operations.retain(|_, watched| watched.strong_count() > 0);
        let logs = self.logs.values().filter_map(Weak::upgrade).collect();
        (logs, self.operations.iter().filter_map(|(of, watched)| Some((*of, watched.upgrade()?))).collect())
    }
}
