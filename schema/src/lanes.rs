//! Connections that were used a moment ago, taken again as they are, the last one first. What a pool does with each that comes
//! back (a task, and a message that asks if it lives) costs as much as a small statement; and a few that are always used have
//! their plans and caches warm, where many that take turns have not. One that rests goes back to the pool.

use crate::{Error, Result};
use sqlx::{Connection, Executor, PgPool, Postgres, pool::PoolConnection};
use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// After that it is the pool's again, which asks whether it lives before anyone has it.
const RESTS: Duration = Duration::from_millis(500);
/// A snapshot that nobody reads any more is let go of after that, unless the connection is taken again before.
const LINGERS: Duration = Duration::from_millis(10);
/// How long one waits for a turn.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Lanes(Arc<Inner>);

struct Inner {
    pool: PgPool,
    turns: Arc<Semaphore>,
    parked: Mutex<Parked>,
}

#[derive(Default)]
struct Parked {
    /// The last used is the last.
    lanes: Vec<Rested>,
    watched: bool,
    closed: bool,
}

struct Rested {
    connection: PoolConnection<Postgres>,
    /// It stands inside a transaction that only read.
    open: bool,
    since: Instant,
}

/// A connection with which one may do as one likes.
pub struct Lane {
    connection: Option<PoolConnection<Postgres>>,
    pub(crate) stands: Stands,
    /// Its last statement ended, and well.
    sound: bool,
    lanes: Lanes,
    _turn: OwnedSemaphorePermit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    Outside,
    /// Inside a transaction that must be ended before anything else.
    Reading,
    Writing,
}

impl Lanes {
    /// Over a pool, of which some are left to those who ask it directly.
    pub fn over(pool: PgPool) -> Lanes {
        let most = pool.options().get_max_connections() as usize;
        let most = (most - most / 4).max(1);
        Lanes(Arc::new(Inner { pool, turns: Arc::new(Semaphore::new(most)), parked: Mutex::default() }))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Parked) -> T) -> T {
        work(&mut self.0.parked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One outside any transaction.
    pub async fn take(&self) -> Result<Lane> {
        let mut lane = self.next(false).await?;
        if lane.stands != Stands::Outside {
            lane.on(async |connection| connection.execute("ROLLBACK").await).await?;
            lane.stands = Stands::Outside;
        }
        Ok(lane)
    }

    /// The next, also one inside a transaction to which nobody comes back.
    pub(crate) async fn any(&self) -> Result<Lane> {
        self.next(true).await
    }

    async fn next(&self, open: bool) -> Result<Lane> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0.turns).acquire_owned());
        let turn = turn.await.map_err(Error::unavailable)?.map_err(Error::unavailable)?;
        let mut lane = Lane { connection: None, stands: Stands::Outside, sound: true, lanes: self.clone(), _turn: turn };
        let rested = self.with(|parked| {
            let at = parked.lanes.iter().rposition(|lane| open || !lane.open).or(parked.lanes.len().checked_sub(1))?;
            Some(parked.lanes.remove(at))
        });
        match rested {
            Some(rested) if rested.since.elapsed() < 2 * RESTS => {
                lane.stands = if rested.open { Stands::Reading } else { Stands::Outside };
                lane.connection = Some(rested.connection);
            }
            // This process stood still for a while: whatever happened meanwhile.
            Some(rested) => {
                give_back(rested.connection, rested.open);
                lane.connection = Some(self.0.pool.acquire().await?);
            }
            None => lane.connection = Some(self.0.pool.acquire().await?),
        }
        Ok(lane)
    }

    fn park(&self, rested: Rested) -> Option<Rested> {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Some(rested) };
        self.with(|parked| {
            if parked.closed {
                return Some(rested);
            }
            parked.lanes.push(rested);
            if !parked.watched {
                parked.watched = true;
                runtime.spawn(watch(Arc::downgrade(&self.0)));
            }
            None
        })
    }

    /// All go back to the pool, now and from now on.
    pub fn close(&self) {
        let all = self.with(|parked| {
            parked.closed = true;
            std::mem::take(&mut parked.lanes)
        });
        for rested in all {
            give_back(rested.connection, rested.open);
        }
    }
}

/// Lets go of snapshots that linger and gives back what rests, as long as there is any.
async fn watch(inner: Weak<Inner>) {
    let mut pause = LINGERS;
    loop {
        tokio::time::sleep(pause).await;
        let Some(inner) = inner.upgrade() else { return };
        let lanes = Lanes(inner);
        let now = Instant::now();
        let due = |lane: &Rested| lane.since + if lane.open { LINGERS } else { RESTS };
        let (ended, next) = lanes.with(|parked| {
            let (ended, kept): (Vec<_>, Vec<_>) =
                std::mem::take(&mut parked.lanes).into_iter().partition(|lane| due(lane) <= now);
            parked.lanes = kept;
            let next = parked.lanes.iter().map(due).min();
            parked.watched = next.is_some() || !ended.is_empty();
            (ended, next)
        });
        if next.is_none() && ended.is_empty() {
            return;
        }
        for mut rested in ended {
            if !rested.open {
                give_back(rested.connection, false);
                continue;
            }
            let lanes = lanes.clone();
            tokio::spawn(async move {
                if rested.connection.execute("ROLLBACK").await.is_err() {
                    rested.connection.detach().close_hard().await.ok();
                    return;
                }
                rested.open = false;
                // Before those that were used since.
                let rested = lanes.with(|parked| {
                    if parked.closed {
                        return Some(rested);
                    }
                    parked.lanes.insert(0, rested);
                    None
                });
                drop(rested);
            });
        }
        pause = next.map_or(LINGERS, |next| next.duration_since(now)).max(LINGERS);
    }
}

/// To the pool, which looks at what comes back. One that may stand inside a transaction is told before anyone has it, and
/// one that cannot be told is closed.
fn give_back(mut connection: PoolConnection<Postgres>, open: bool) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        drop(connection.detach());
        return;
    };
    if open {
        runtime.spawn(async move {
            if connection.execute("ROLLBACK").await.is_err() {
                connection.detach().close_hard().await.ok();
            }
        });
    }
}

impl Lane {
    pub async fn on<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut sqlx::PgConnection) -> std::result::Result<T, sqlx::Error>,
    ) -> std::result::Result<T, sqlx::Error> {
        let Some(connection) = self.connection.as_mut() else { return Err(sqlx::Error::PoolClosed) };
        // Whoever stops waiting, or meets an error, leaves it to be looked at.
        self.sound = false;
        let done = work(connection).await;
        self.sound = done.is_ok();
        done
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let open = self.stands != Stands::Outside;
        if !self.sound || self.stands == Stands::Writing {
            // What it locked is let go of at once.
            return give_back(connection, true);
        }
        if let Some(rested) = self.lanes.park(Rested { connection, open, since: Instant::now() }) {
            give_back(rested.connection, rested.open);
        }
    }
}
