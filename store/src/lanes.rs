//! Recently used connections, taken again as they are, the last used first. A pool spends a task and a ping on each connection
//! that comes back, which costs as much as a small statement. A few connections in constant use also keep their plans and caches
//! warm; many that take turns do not. An idle connection goes back to the pool.

use crate::{
    Mode,
    failure::broken,
    turns::{self, Turns, Whose},
    unseen::unseen,
};
use sqlx::{
    Connection, Error, Executor, FromRow, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};
use tracing::Instrument;
use uuid::Uuid;

/// An idle connection returns to the pool after this; the pool pings it before reuse.
const RESTS: Duration = Duration::from_millis(500);
/// An unused snapshot is rolled back after this, unless its connection is taken again before. Parked connections are also looked
/// through at this interval.
const LINGERS: Duration = Duration::from_millis(10);
/// A connection in constant use returns to the pool after this, so that the pool can close it when it is old.
const RETURNS: Duration = Duration::from_secs(300);
/// The time limit for ending a transaction that was left on a connection.
const FAREWELL: Duration = Duration::from_secs(6);
/// The same for a read that was given up in the midst of a statement. The connection is closed after that, and PostgreSQL ends
/// the statement when it next looks whether anybody is there.
const GIVEN_UP: Duration = Duration::from_millis(200);
/// The interval at which PostgreSQL looks whether anybody waits for a statement (`client_connection_check_interval`).
const NOTICES: Duration = Duration::from_millis(500);
/// The longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Lanes(Arc<Inner>);

struct Inner {
    pool: PgPool,
    turns: Turns,
    /// Turns of transactions, fewer than all. One turn is left for a single statement, which a task may send from within its
    /// transaction.
    standing: Turns,
    /// Turns of writes, fewer still: reads go on while commits are stuck.
    writing: Turns,
    parked: Mutex<Parked>,
}

#[derive(Default)]
struct Parked {
    /// The parked connections, the last used at the end.
    lanes: Vec<Rested>,
    watched: bool,
    closed: bool,
    /// The number of tasks that wait for the pool. While there are any, a connection goes to the pool instead of being parked.
    waiting: usize,
}

struct Rested {
    connection: PoolConnection<Postgres>,
    /// Whether the connection is still inside a transaction that only read.
    open: bool,
    since: Instant,
    /// The time when the connection came from the pool.
    taken: Instant,
}

impl Rested {
    /// Goes back to the pool, its transaction ended.
    fn leave(self, turn: Turn) {
        give_back(self.connection, self.open.then_some(FAREWELL), turn);
    }
}

/// A connection, held until this is dropped.
pub(crate) struct Lane {
    connection: Option<PoolConnection<Postgres>>,
    pub(crate) stands: Stands,
    writes: bool,
    /// Whether the last statement succeeded. A cancelled statement did not.
    sound: bool,
    taken: Instant,
    lanes: Lanes,
    turn: Turn,
}

/// The permits of one turn: one of all, and one of each narrower kind that applies.
type Turn = Vec<turns::Turn>;

/// The most of one organization that wait for a turn.
const MOST_WAITING: usize = 2_000;

/// The most connections that are left for direct use of the pool, by housekeeping such as heartbeats and the timer.
const HOUSE: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    Outside,
    /// Inside a transaction that must be ended before anything else.
    Reading,
    Writing,
}

impl Lanes {
    /// Lanes over a pool, some of whose connections are left for direct use.
    pub fn over(pool: PgPool) -> Lanes {
        let most = pool.options().get_max_connections() as usize;
        let most = (most - (most / 4).min(HOUSE)).max(1);
        let standing = (most - 1).max(2).min(most);
        let writing = (standing - (standing / 4).max(1)).max(1);
        let [turns, standing, writing] = [most, standing, writing].map(|turns| Turns::new(turns, MOST_WAITING));
        Lanes(Arc::new(Inner { pool, turns, standing, writing, parked: Mutex::default() }))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Parked) -> T) -> T {
        work(&mut self.0.parked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The row of a single statement outside any transaction, read as a `T`. It waits for its turn as a tenant's.
    pub async fn once<'q, T: for<'r> FromRow<'r, PgRow>>(
        &self,
        mode: Mode,
        tenant: Uuid,
        statement: &'static str,
        bind: impl Fn(Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments>,
    ) -> Result<Option<T>, Error> {
        let row = self.row(mode, tenant, statement, bind).await?;
        row.as_ref().map(T::from_row).transpose()
    }

    /// The row of a single statement outside any transaction. A read is sent once more if its connection turns out to be lost.
    pub async fn row<'q>(
        &self,
        mode: Mode,
        tenant: Uuid,
        statement: &'static str,
        bind: impl Fn(Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments>,
    ) -> Result<Option<PgRow>, Error> {
        let mut again = mode == Mode::Read;
        loop {
            let mut lane = self.next(mode, false, tenant).await?;
            let query = bind(sqlx::query(statement));
            let ask = async {
                if lane.stands != Stands::Outside {
                    lane.on(async |connection| connection.execute("ROLLBACK").await).await?;
                    lane.stands = Stands::Outside;
                }
                lane.on(async |connection| query.fetch_optional(connection).await).await
            };
            match ask.instrument(span(statement)).await {
                Err(error) if broken(&error) => {
                    self.clear();
                    if !std::mem::take(&mut again) {
                        return Err(error);
                    }
                }
                done => return done,
            }
        }
    }

    /// A connection for a transaction. The connection may still be inside an earlier one that nobody comes back to.
    pub(crate) async fn stand(&self, mode: Mode, tenant: Uuid) -> Result<Lane, Error> {
        self.next(mode, true, tenant).await
    }

    async fn turn(&self, mode: Mode, stands: bool, tenant: Uuid) -> Result<Turn, turns::Crowded> {
        let writes = mode == Mode::Write;
        // A task sends single statements from within its transaction: they never wait for transactions of the same organization.
        let tenant = if stands { tenant } else { Uuid::from_u128(!tenant.as_u128()) };
        let whose = Whose { tenant, person: tenant };
        // The scarcest permit first. A single write takes a transaction's permit too, because its commit can get stuck.
        let turns = [writes.then_some(&self.0.writing), (writes || stands).then_some(&self.0.standing), Some(&self.0.turns)];
        let mut turn = Turn::with_capacity(turns.len());
        for turns in turns.into_iter().flatten() {
            turn.push(turns.take(whose, 1).await?);
        }
        Ok(turn)
    }

    async fn next(&self, mode: Mode, stands: bool, tenant: Uuid) -> Result<Lane, Error> {
        let turn = tokio::time::timeout(PATIENCE, self.turn(mode, stands, tenant)).await;
        let Ok(Ok(turn)) = turn else { return Err(Error::PoolTimedOut) };
        let taken = Instant::now();
        let writes = mode == Mode::Write;
        let mut lane = Lane { connection: None, stands: Stands::Outside, writes, sound: true, taken, lanes: self.clone(), turn };
        let rested = self.with(|parked| {
            let at = parked.lanes.iter().rposition(|lane| stands || !lane.open).or(parked.lanes.len().checked_sub(1))?;
            Some(parked.lanes.remove(at))
        });
        match rested {
            Some(rested) if rested.since.elapsed() < 2 * RESTS => {
                lane.stands = if rested.open { Stands::Reading } else { Stands::Outside };
                lane.taken = rested.taken;
                lane.connection = Some(rested.connection);
            }
            // The process was suspended for a while, so the connection may be broken.
            Some(rested) => {
                rested.leave(Turn::new());
                lane.connection = Some(self.pooled().await?);
            }
            None => lane.connection = Some(self.pooled().await?),
        }
        Ok(lane)
    }

    async fn pooled(&self) -> Result<PoolConnection<Postgres>, Error> {
        let _waiting = Waiting::begin(self);
        self.0.pool.acquire().await
    }

    /// Parks a connection, as the last used or as the one to be taken last. Returns the connection if it cannot be parked.
    fn park(&self, rested: Rested, last: bool) -> Option<Rested> {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Some(rested) };
        self.with(|parked| {
            if parked.closed || parked.waiting > 0 {
                return Some(rested);
            }
            parked.lanes.insert(if last { parked.lanes.len() } else { 0 }, rested);
            if !parked.watched {
                parked.watched = true;
                runtime.spawn(watch(Arc::downgrade(&self.0)));
            }
            None
        })
    }

    /// Sends all parked connections back to the pool, and parks none from now on.
    pub fn close(&self) {
        self.with(|parked| parked.closed = true);
        self.clear();
    }

    /// Sends all parked connections back to the pool.
    pub(crate) fn clear(&self) {
        for rested in self.with(|parked| std::mem::take(&mut parked.lanes)) {
            rested.leave(Turn::new());
        }
    }
}

/// A task that waits for the pool, counted until this is dropped.
struct Waiting<'a>(&'a Lanes);

impl Waiting<'_> {
    fn begin(lanes: &Lanes) -> Waiting<'_> {
        lanes.with(|parked| parked.waiting += 1);
        Waiting(lanes)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.with(|parked| parked.waiting -= 1);
    }
}

/// Ends lingering snapshots and returns idle connections to the pool, as long as any are parked.
async fn watch(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(LINGERS).await;
        let Some(inner) = inner.upgrade() else { return };
        let lanes = Lanes(inner);
        let (ended, watched) = lanes.with(|parked| {
            let due = |lane: &Rested| lane.since.elapsed() >= if lane.open { LINGERS } else { RESTS };
            let (ended, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut parked.lanes).into_iter().partition(due);
            parked.lanes = kept;
            parked.watched = !parked.lanes.is_empty();
            (ended, parked.watched)
        });
        for rested in ended {
            if rested.open {
                tokio::spawn(let_go(lanes.clone(), rested));
            } else {
                give_back(rested.connection, None, Turn::new());
            }
        }
        if !watched {
            return;
        }
    }
}

/// Ends a connection's transaction and parks the connection again, to be taken last: those used since are warmer.
async fn let_go(lanes: Lanes, mut rested: Rested) {
    if let Some(connection) = ended(rested.connection, FAREWELL).await {
        (rested.connection, rested.open) = (connection, false);
        // A connection that cannot be parked goes to the pool when it is dropped.
        drop(lanes.park(rested, false));
    }
}

/// The connection, outside any transaction. A connection that does not confirm its rollback is closed.
async fn ended(mut connection: PoolConnection<Postgres>, within: Duration) -> Option<PoolConnection<Postgres>> {
    if let Ok(Ok(_)) = tokio::time::timeout(within, connection.execute("ROLLBACK")).await {
        return Some(connection);
    }
    connection.detach().close_hard().await.ok();
    // Its statement may run until then, and counts as long.
    tokio::time::sleep(NOTICES).await;
    None
}

/// Gives the connection back to the pool, which checks it, and frees its turn. A transaction that may be open is ended first,
/// within this time.
fn give_back(connection: PoolConnection<Postgres>, open: Option<Duration>, turn: Turn) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        drop(connection.detach());
        return;
    };
    if let Some(within) = open {
        runtime.spawn(async move {
            drop(ended(connection, within).await);
            drop(turn);
        });
    }
}

pub(crate) fn span(statement: &str) -> tracing::Span {
    tracing::info_span!("sql", otel.kind = "client", db.system.name = "postgresql", db.query.text = statement)
}

impl Lane {
    pub(crate) async fn on<T>(&mut self, work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>) -> Result<T, Error> {
        let Some(connection) = self.connection.as_mut() else { return Err(Error::PoolClosed) };
        // A cancelled or failed statement leaves a connection that must be checked.
        self.sound = false;
        let done = unseen(work(connection)).await;
        self.sound = done.is_ok();
        done
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let open = self.stands != Stands::Outside;
        if !self.sound || self.stands == Stands::Writing {
            // The rollback at once frees the transaction's locks.
            let within = if self.writes { FAREWELL } else { GIVEN_UP };
            return give_back(connection, Some(within), std::mem::take(&mut self.turn));
        }
        if self.taken.elapsed() >= RETURNS {
            return give_back(connection, open.then_some(FAREWELL), std::mem::take(&mut self.turn));
        }
        let rested = Rested { connection, open, since: Instant::now(), taken: self.taken };
        if let Some(rested) = self.lanes.park(rested, true) {
            rested.leave(std::mem::take(&mut self.turn));
        }
    }
}
