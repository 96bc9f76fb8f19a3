//! Connections that were used a moment ago, taken again as they are, the last one first. What a pool does with each that comes
//! back (a task, and a message that asks if it lives) costs as much as a small statement; and a few that are always used have
//! their plans and caches warm, where many that take turns have not. One that rests goes back to the pool.

use crate::{Mode, failure::broken, unseen::unseen};
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
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

/// An idle connection returns to the pool after this; the pool asks whether it lives before anyone has it.
const RESTS: Duration = Duration::from_millis(500);
/// A snapshot that nobody reads any more is let go of after this, unless the connection is taken again before. Also the
/// interval of the look at all that are parked.
const LINGERS: Duration = Duration::from_millis(10);
/// A connection that is always used returns to the pool after this; the pool ends those that are old.
const RETURNS: Duration = Duration::from_secs(300);
/// The time that a connection has to end a transaction that was left on it.
const FAREWELL: Duration = Duration::from_secs(6);
/// The longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Lanes(Arc<Inner>);

struct Inner {
    pool: PgPool,
    turns: Arc<Semaphore>,
    /// Fewer: whoever stands in a transaction may ask something besides, by a statement that ends by itself.
    standing: Arc<Semaphore>,
    /// Fewer still: when commits stand still, those who only read go on.
    writing: Arc<Semaphore>,
    parked: Mutex<Parked>,
}

#[derive(Default)]
struct Parked {
    /// The last used is the last.
    lanes: Vec<Rested>,
    watched: bool,
    closed: bool,
    /// The number of those who wait for the pool: a connection that comes back is theirs.
    waiting: usize,
}

struct Rested {
    connection: PoolConnection<Postgres>,
    /// It stands inside a transaction that only read.
    open: bool,
    since: Instant,
    /// When it came from the pool.
    taken: Instant,
}

/// A connection, taken until this is dropped.
pub(crate) struct Lane {
    connection: Option<PoolConnection<Postgres>>,
    pub(crate) stands: Stands,
    /// Its last statement ended, and well.
    sound: bool,
    taken: Instant,
    lanes: Lanes,
    turn: Turn,
}

/// One of all, and of each of the fewer that it counts among.
type Turn = Vec<OwnedSemaphorePermit>;

/// The most connections that are left to those who ask the pool directly: all that keeps house.
const HOUSE: usize = 4;

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
        let most = (most - (most / 4).min(HOUSE)).max(1);
        let standing = (most - 1).max(2).min(most);
        let writing = (standing - (standing / 4).max(1)).max(1);
        let [turns, standing, writing] = [most, standing, writing].map(|turns| Arc::new(Semaphore::new(turns)));
        Lanes(Arc::new(Inner { pool, turns, standing, writing, parked: Mutex::default() }))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Parked) -> T) -> T {
        work(&mut self.0.parked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The answer of one statement by itself.
    pub async fn once<'q, T: for<'r> FromRow<'r, PgRow>>(
        &self,
        mode: Mode,
        statement: &'static str,
        bind: impl Fn(Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments>,
    ) -> Result<Option<T>, Error> {
        let row = self.row(mode, statement, bind).await?;
        row.as_ref().map(T::from_row).transpose()
    }

    /// The row of one statement by itself. A question is asked once more where its connection turns out to be lost.
    pub async fn row<'q>(
        &self,
        mode: Mode,
        statement: &'static str,
        bind: impl Fn(Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments>,
    ) -> Result<Option<PgRow>, Error> {
        let mut again = mode == Mode::Read;
        loop {
            let mut lane = self.next(mode, false).await?;
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

    /// A connection to stand in a transaction with; it may still be inside one to which nobody comes back.
    pub(crate) async fn stand(&self, mode: Mode) -> Result<Lane, Error> {
        self.next(mode, true).await
    }

    async fn turn(&self, mode: Mode, stands: bool) -> Result<Turn, AcquireError> {
        let writes = mode == Mode::Write;
        // The fewest first. A write by itself may stand as well, at its commit.
        let turns = [writes.then_some(&self.0.writing), (writes || stands).then_some(&self.0.standing), Some(&self.0.turns)];
        let mut turn = Turn::with_capacity(turns.len());
        for turns in turns.into_iter().flatten() {
            turn.push(Arc::clone(turns).acquire_owned().await?);
        }
        Ok(turn)
    }

    async fn next(&self, mode: Mode, stands: bool) -> Result<Lane, Error> {
        let turn = tokio::time::timeout(PATIENCE, self.turn(mode, stands)).await;
        let turn = turn.map_err(|_| Error::PoolTimedOut)?.map_err(|_| Error::PoolClosed)?;
        let taken = Instant::now();
        let mut lane = Lane { connection: None, stands: Stands::Outside, sound: true, taken, lanes: self.clone(), turn };
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
            // This process stood still for a while: whatever happened meanwhile.
            Some(rested) => {
                give_back(rested.connection, rested.open, Turn::new());
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

    /// Behind those that were used before, or before all.
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

    /// All go back to the pool, now and from now on.
    pub fn close(&self) {
        self.with(|parked| parked.closed = true);
        self.clear();
    }

    /// All that are parked go back to the pool.
    pub(crate) fn clear(&self) {
        for rested in self.with(|parked| std::mem::take(&mut parked.lanes)) {
            give_back(rested.connection, rested.open, Turn::new());
        }
    }
}

/// Someone who waits for the pool, until this is dropped.
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

/// Lets go of snapshots that linger and gives back what rests, as long as there is any.
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
                give_back(rested.connection, false, Turn::new());
            }
        }
        if !watched {
            return;
        }
    }
}

/// Ends the transaction of a connection and parks it again, behind the others: those that were used since are warmer.
async fn let_go(lanes: Lanes, mut rested: Rested) {
    if let Some(connection) = ended(rested.connection).await {
        (rested.connection, rested.open) = (connection, false);
        // Else it goes to the pool by itself.
        drop(lanes.park(rested, false));
    }
}

/// The connection, outside any transaction. One that cannot be told so is closed.
async fn ended(mut connection: PoolConnection<Postgres>) -> Option<PoolConnection<Postgres>> {
    if let Ok(Ok(_)) = tokio::time::timeout(FAREWELL, connection.execute("ROLLBACK")).await {
        return Some(connection);
    }
    connection.detach().close_hard().await.ok();
    None
}

/// Gives the connection to the pool, which looks at each that comes back, and then its turn to whoever waits. A transaction
/// that may be open on it is ended before.
fn give_back(connection: PoolConnection<Postgres>, open: bool, turn: Turn) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        drop(connection.detach());
        return;
    };
    if open {
        runtime.spawn(async move {
            drop(ended(connection).await);
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
        // Whoever stops waiting, or meets an error, leaves a connection that must be looked at.
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
            // What it locked is let go of at once.
            return give_back(connection, true, std::mem::take(&mut self.turn));
        }
        if self.taken.elapsed() >= RETURNS {
            return give_back(connection, open, std::mem::take(&mut self.turn));
        }
        let rested = Rested { connection, open, since: Instant::now(), taken: self.taken };
        if let Some(rested) = self.lanes.park(rested, true) {
            give_back(rested.connection, rested.open, std::mem::take(&mut self.turn));
        }
    }
}
