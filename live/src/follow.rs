//! The end of each followed log, shared in memory, and the position of each follower. A slow follower falls behind; no
//! entries are queued for it.

use crate::{Hub, news::News};
use entities::feed::{self, Content, Entry};
use kind::Rights;
use schema::{Code, Error, Expired, LogId, OperationId, OrganizationId, Result};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync::watch;
use uuid::Uuid;

pub struct Log {
    pub id: LogId,
    last: Mutex<VecDeque<Arc<Entry>>>,
    tail: watch::Sender<i64>,
    marks: watch::Sender<Marks>,
}

/// The positions of the last entries in a log that changed rights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// The last change of a membership, a delegation, a grant, or the organization itself.
    pub rights: i64,
    /// The last change of a portfolio's contents, by which things are delegated.
    pub groups: i64,
}

impl Marks {
    /// The marks once this entry is added to the log.
    pub fn after(self, entry: &Entry) -> Marks {
        let Content::Event(event) = &entry.what else { return self };
        match entities::kind(&event.resource_kind).map(|kind| kind.rights) {
            Some(Rights::Decides) => Marks { rights: entry.position, ..self },
            Some(Rights::Groups) => Marks { groups: entry.position, ..self },
            Some(Rights::None) | None => self,
        }
    }
}

enum Next {
    Entry(Arc<Entry>),
    /// The follower has read the whole log.
    End,
    /// The next entry is no longer in memory.
    Older,
}

impl Log {
    fn new(id: LogId, head: i64) -> Self {
        Log { id, last: Mutex::default(), tail: watch::channel(head).0, marks: watch::channel(Marks::default()).0 }
    }

    pub fn tail(&self) -> i64 {
        *self.tail.borrow()
    }

    /// A receiver that changes with each entry that changes rights.
    pub fn marks(&self) -> watch::Receiver<Marks> {
        self.marks.subscribe()
    }

    /// Adds the next entry, and ignores an entry that is known already. Entries that were trimmed before this process read
    /// them leave a gap. A follower that stands before a gap is disconnected, and its cursor is too old to go on from.
    pub(crate) fn push(&self, entry: Entry, kept: usize) -> bool {
        let (position, tail) = (entry.position, self.tail());
        if position <= tail {
            return false;
        }
        let before = *self.marks.borrow();
        // A gap may hide changes of either kind.
        let hidden = if position > tail + 1 { Marks { rights: position, groups: position } } else { before };
        let marks = hidden.after(&entry);
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if position > tail + 1 {
                last.clear();
            }
            last.push_back(Arc::new(entry));
            if last.len() > kept {
                last.pop_front();
            }
        }
        if marks != before {
            self.marks.send_replace(marks);
        }
        self.tail.send_replace(position);
        true
    }

    fn after(&self, position: i64) -> Next {
        if position >= self.tail() {
            return Next::End;
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let first = last.front().map(|entry| entry.position);
        match first.map(|first| usize::try_from(position + 1 - first)) {
            Some(Ok(at)) => last.get(at).map_or(Next::End, |entry| Next::Entry(Arc::clone(entry))),
            _ => Next::Older,
        }
    }
}

/// A reader of a log, and its position.
pub struct Follow {
    hub: Arc<Hub>,
    log: Arc<Log>,
    tail: watch::Receiver<i64>,
    position: i64,
    fetched: VecDeque<Arc<Entry>>,
    /// Whether the end was reached once. After that, entries that left memory are not fetched again.
    caught_up: bool,
}

/// The number of entries that are fetched at once for a follower that catches up.
const PAGE: i64 = 100;

impl Follow {
    /// A follower behind this position, or at the end of the log.
    pub async fn from(hub: &Arc<Hub>, log: LogId, position: Option<i64>) -> Result<Follow> {
        let log = hub.open(log).await?;
        let position = match position {
            Some(position) => position,
            // Memory may be some milliseconds behind: what was committed before is not told as new.
            None => feed::head(&hub.pool, log.id).await?.max(log.tail()),
        };
        let tail = log.tail.subscribe();
        Ok(Follow { hub: Arc::clone(hub), log, tail, position, fetched: VecDeque::new(), caught_up: false })
    }

    pub fn position(&self) -> i64 {
        self.position
    }

    /// The next entry, as soon as there is one. A caller that stops waiting loses nothing.
    pub async fn next(&mut self) -> Result<Arc<Entry>> {
        loop {
            if let Some(entry) = self.fetched.pop_front() {
                self.position = entry.position;
                return Ok(entry);
            }
            self.tail.mark_unchanged();
            match self.log.after(self.position) {
                Next::Entry(entry) => {
                    self.caught_up = true;
                    self.position = entry.position;
                    return Ok(entry);
                }
                Next::End => {
                    self.caught_up = true;
                    if self.tail.changed().await.is_err() {
                        return Err(Error::unavailable("the log is no longer followed"));
                    }
                }
                Next::Older if self.caught_up => return Err(Error::new(Code::SLOW_READER)),
                Next::Older => {
                    let page = feed::after(&self.hub.pool, &[(self.log.id, self.position)], PAGE).await?;
                    // The next entry was trimmed after the cursor was checked.
                    if page.first().is_none_or(|(_, entry)| entry.position != self.position + 1) {
                        return Err(Expired::TooOld.into());
                    }
                    self.fetched.extend(page.into_iter().map(|(_, entry)| Arc::new(entry)));
                }
            }
        }
    }
}

/// An operation that subscribers wait for.
pub struct OperationWatch {
    moved: watch::Sender<u64>,
    /// The time of the last move that the periodic look saw.
    seen: Mutex<Option<chrono::DateTime<chrono::Utc>>>,
}

impl OperationWatch {
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    pub(crate) fn bump(&self) {
        self.moved.send_modify(|count| *count += 1);
    }

    pub(crate) fn saw(&self, at: chrono::DateTime<chrono::Utc>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the first look, the operation may have moved after its subscriber read it.
        if seen.replace(at) != Some(at) {
            self.bump();
        }
    }
}

/// The watched operations with their keys.
pub(crate) type Awaited = Vec<((OrganizationId, OperationId), Arc<OperationWatch>)>;

/// The logs and operations that are followed in this process.
#[derive(Default)]
pub(crate) struct Logs {
    logs: HashMap<LogId, Weak<Log>>,
    operations: BTreeMap<(OperationId, OrganizationId), Weak<OperationWatch>>,
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

    pub fn watch(&mut self, organization: OrganizationId, id: OperationId) -> Arc<OperationWatch> {
        if let Some(known) = self.operations.get(&(id, organization)).and_then(Weak::upgrade) {
            return known;
        }
        let watched = Arc::new(OperationWatch { moved: watch::channel(0).0, seen: Mutex::default() });
        self.operations.insert((id, organization), Arc::downgrade(&watched));
        watched
    }

    /// The followed logs and operations that the news names.
    pub fn named(&self, news: &News) -> (Vec<Arc<Log>>, Awaited) {
        let logs = news.logs.iter().filter_map(|id| self.get(*id)).collect();
        let any = (OrganizationId(Uuid::nil()), OrganizationId(Uuid::max()));
        let operations = news.operations.iter().flat_map(|id| self.operations.range((*id, any.0)..=(*id, any.1)));
        (logs, operations.filter_map(held).collect())
    }

    /// All logs and operations that somebody still follows.
    pub fn held(&mut self) -> (Vec<Arc<Log>>, Awaited) {
        self.logs.retain(|_, log| log.strong_count() > 0);
        self.operations.retain(|_, watched| watched.strong_count() > 0);
        (self.logs.values().filter_map(Weak::upgrade).collect(), self.operations.iter().filter_map(held).collect())
    }
}

fn held(
    (of, watched): (&(OperationId, OrganizationId), &Weak<OperationWatch>),
) -> Option<((OrganizationId, OperationId), Arc<OperationWatch>)> {
    Some(((of.1, of.0), watched.upgrade()?))
}
