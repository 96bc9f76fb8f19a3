//! A log as it is held by those who follow it: its last places in memory, shared, and each follower's own
//! position. A follower that is slow is behind, and nothing is kept for it.

use crate::{Hub, news::News};
use entities::feed::{self, Entry, What};
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

/// Where a log last told of something that decides who sees what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Memberships, delegations, grants, the organization itself.
    pub rights: i64,
    /// What is in portfolios, by which things are delegated.
    pub groups: i64,
}

impl Marks {
    /// Of a log as it stands behind this place.
    pub fn after(self, entry: &Entry) -> Marks {
        let What::Event(event) = &entry.what else { return self };
        match entities::kind(&event.resource_kind).map(|kind| kind.rights) {
            Some(Rights::Decides) => Marks { rights: entry.position, ..self },
            Some(Rights::Groups) => Marks { groups: entry.position, ..self },
            Some(Rights::None) | None => self,
        }
    }
}

enum Next {
    Told(Arc<Entry>),
    /// There is nothing more.
    End,
    /// It is no longer at hand.
    Older,
}

impl Log {
    fn new(id: LogId, head: i64) -> Self {
        Log { id, last: Mutex::default(), tail: watch::channel(head).0, marks: watch::channel(Marks::default()).0 }
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
        let first = last.front().map(|told| told.position);
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
    fetched: VecDeque<Arc<Entry>>,
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
    pub async fn next(&mut self) -> Result<Arc<Entry>> {
        loop {
            if let Some(told) = self.fetched.pop_front() {
                self.position = told.position;
                return Ok(told);
            }
            self.tail.mark_unchanged();
            match self.log.after(self.position) {
                Next::Told(told) => {
                    self.caught_up = true;
                    self.position = told.position;
                    return Ok(told);
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
                    // What is missing was forgotten since the cursor was checked.
                    if page.first().is_none_or(|(_, entry)| entry.position != self.position + 1) {
                        return Err(Expired::TooOld.into());
                    }
                    self.fetched.extend(page.into_iter().map(|(_, entry)| Arc::new(entry)));
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
    operations: BTreeMap<(OperationId, OrganizationId), Weak<Watched>>,
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
        if let Some(known) = self.operations.get(&(id, organization)).and_then(Weak::upgrade) {
            return known;
        }
        let watched = Arc::new(Watched { moved: watch::channel(0).0, seen: Mutex::default() });
        self.operations.insert((id, organization), Arc::downgrade(&watched));
        watched
    }

    /// Of what was told, what somebody holds.
    pub fn named(&self, news: &News) -> (Vec<Arc<Log>>, Awaited) {
        let logs = news.logs.iter().filter_map(|id| self.get(*id)).collect();
        let any = (OrganizationId(Uuid::nil()), OrganizationId(Uuid::max()));
        let told = news.operations.iter().flat_map(|id| self.operations.range((*id, any.0)..=(*id, any.1)));
        (logs, told.filter_map(held).collect())
    }

    /// Everything that somebody still holds.
    pub fn held(&mut self) -> (Vec<Arc<Log>>, Awaited) {
        self.logs.retain(|_, log| log.strong_count() > 0);
        self.operations.retain(|_, watched| watched.strong_count() > 0);
        (self.logs.values().filter_map(Weak::upgrade).collect(), self.operations.iter().filter_map(held).collect())
    }
}

fn held(
    (of, watched): (&(OperationId, OrganizationId), &Weak<Watched>),
) -> Option<((OrganizationId, OperationId), Arc<Watched>)> {
    Some(((of.1, of.0), watched.upgrade()?))
}
