//! A transaction under row security. One message begins it and sets the acting organization and the time. If the transaction
//! reaches other organizations, the message also sets those, and the role whose policies look at them.

use crate::{
    failure::broken,
    lanes::{Lane, Lanes, Stands, span},
};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::TryStreamExt;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::{AssertSqlSafe, Error, Executor, PgConnection, Row, postgres::PgRow};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
};
use tokio::sync::Mutex;
use tracing::Instrument;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One snapshot, no writes.
    Read,
    Write,
}

/// An organization's id, by which row security tells rows apart. Only the contract's organization id implements this trait, so no
/// other id can stand for one.
pub trait Tenant: Copy {
    fn uuid(self) -> Uuid;
}

/// The organizations whose rows a query can meet at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// The transaction reaches no other organization, so row security keeps to the acting one.
    Own,
    /// Other organizations as well, as far as grants cover them.
    Across,
}

/// The organizations that a transaction may touch, and the time that row security goes by.
#[derive(Debug, Clone)]
pub struct Reach {
    acting: Uuid,
    across: Vec<Uuid>,
    now: DateTime<Utc>,
}

impl Reach {
    pub fn of(acting: impl Tenant, now: DateTime<Utc>) -> Self {
        Reach { acting: acting.uuid(), across: Vec::new(), now }
    }

    /// Adds other organizations to the acting one. Row security keeps only those that an active grant covers.
    pub fn across<T: Tenant>(mut self, others: impl IntoIterator<Item = T>) -> Self {
        self.across.extend(others.into_iter().map(T::uuid));
        self
    }

    pub fn sight(&self) -> Sight {
        if self.across.is_empty() { Sight::Own } else { Sight::Across }
    }

    fn settings(&self) -> String {
        // Typed values only: a UUID and a time have no quotes to break out of.
        let mut sql = format!(
            "SET LOCAL app.organization_id = '{}'; SET LOCAL app.now = '{}'",
            self.acting,
            self.now.to_rfc3339_opts(SecondsFormat::Micros, true)
        );
        if !self.across.is_empty() {
            sql.push_str("; ");
            sql.push_str(&scope(self.acting, self.across.iter().copied()));
        }
        sql
    }
}

/// The statements that set the scope, and the role whose policies look at it. The other role's policies know the acting
/// organization only.
fn scope(acting: Uuid, across: impl Iterator<Item = Uuid>) -> String {
    let all: Vec<String> = across.chain([acting]).map(|id| id.to_string()).collect();
    format!("SET LOCAL app.scope = '{{{}}}'; SET LOCAL ROLE hestami_across", all.join(","))
}

/// The most organizations that a transaction reaches besides those that it began with.
pub const MOST_ACROSS: usize = 100;

/// The reason why a transaction reaches no further.
#[derive(Debug)]
pub enum Unreached {
    TooMany,
    Failed(DbErr),
}

/// A transaction, rolled back unless it is committed. A write rolls back at once. A read rolls back when its connection is next
/// taken, or after a short time by itself.
pub struct Tx {
    lane: Mutex<Lane>,
    across: AtomicBool,
    /// The other organizations of its scope: those that it began with, and those that it reached since.
    began: Vec<Uuid>,
    reached: Mutex<BTreeSet<Uuid>>,
    /// The bytes of rows that may still be read. None: as many as there are.
    left: Option<AtomicI64>,
}

impl Tx {
    /// Lets the transaction read rows of so many bytes. A statement beyond it fails.
    pub fn reads_at_most(mut self, bytes: i64) -> Tx {
        self.left = Some(AtomicI64::new(bytes));
        self
    }

    pub async fn begin(lanes: &Lanes, reach: &Reach, mode: Mode) -> Result<Tx, Error> {
        Ok(Tx::begin_with(lanes, reach, mode, "").await?.0)
    }

    /// Begins with a first query in the same message. A message of several statements takes no parameters, so the query has none.
    pub async fn begin_with(
        lanes: &Lanes,
        reach: &Reach,
        mode: Mode,
        question: &str,
    ) -> Result<(Tx, Option<QueryResult>), Error> {
        let (begin, stands) = match mode {
            Mode::Read => ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", Stands::Reading),
            Mode::Write => ("BEGIN", Stands::Writing),
        };
        let mut again = false;
        loop {
            let mut lane = lanes.stand(mode, reach.acting).await?;
            let end = if lane.stands == Stands::Outside { "" } else { "ROLLBACK; " };
            let sql = format!("{end}{begin}; {}; {question}", reach.settings());
            // Set before the message is sent, so that a drop ends the transaction whatever became of the message.
            lane.stands = stands;
            let tx = Tx {
                lane: Mutex::new(lane),
                across: AtomicBool::new(!reach.across.is_empty()),
                began: reach.across.clone(),
                reached: Mutex::default(),
                left: None,
            };
            match tx.on(begin, async |connection| connection.fetch_all(AssertSqlSafe(sql)).await).await {
                Ok(rows) => return Ok((tx, rows.into_iter().next().map(Into::into))),
                // Nothing was done yet, so the message can be sent once more. The cause has broken the parked connections as
                // well.
                Err(error) if !again && broken(&error) => lanes.clear(),
                Err(error) => return Err(error),
            }
            again = true;
        }
    }

    /// Moves the transaction into another organization, for procedures that create or join one.
    pub async fn rescope(&self, organization: impl Tenant) -> Result<(), Error> {
        self.say(&format!("SET LOCAL app.organization_id = '{}'", organization.uuid())).await
    }

    /// Lets the transaction reach these organizations as well, as far as grants to the acting one cover them.
    pub async fn reach<T: Tenant>(&self, acting: T, organizations: &[T]) -> Result<(), Unreached> {
        let mut reached = self.reached.lock().await;
        let mut others = reached.clone();
        let asked = organizations.iter().map(|other| other.uuid());
        others.extend(asked.filter(|other| *other != acting.uuid() && !self.began.contains(other)));
        if others.len() > MOST_ACROSS {
            return Err(Unreached::TooMany);
        }
        if others.len() > reached.len() {
            let all = self.began.iter().chain(&others).copied();
            self.say(&scope(acting.uuid(), all)).await.map_err(|error| Unreached::Failed(failed(error)))?;
            self.across.store(true, Ordering::Relaxed);
            *reached = others;
        }
        Ok(())
    }

    /// Runs a SELECT whose rows each name an organization, as `organization_id`, and reaches those as well: in one message, and as
    /// far as grants cover them.
    pub async fn reaching<T: Tenant>(
        &self,
        acting: T,
        select: &str,
        values: Vec<sea_orm::Value>,
    ) -> Result<Vec<QueryResult>, Unreached> {
        let mut reached = self.reached.lock().await;
        // The role changes once the statement is done, for those that follow.
        let sql = format!(
            "WITH found AS MATERIALIZED ({select}),
               known AS (SELECT coalesce(nullif(current_setting('app.scope', true), '')::uuid[], ARRAY[app.acting()]) AS ids),
               beyond AS (
                 SELECT array_agg(DISTINCT found.organization_id) AS ids FROM found, known WHERE found.organization_id <> ALL (known.ids)),
               reached AS MATERIALIZED (
                 SELECT set_config('app.scope', (beyond.ids || known.ids)::text, true), set_config('role', 'hestami_across', true)
                 FROM beyond, known WHERE cardinality(beyond.ids) + cardinality(known.ids) <= {} )
             SELECT found.*, (SELECT count(*) FROM reached) AS reached FROM found",
            // Besides those that it began with.
            MOST_ACROSS + 1 + self.began.len()
        );
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        let rows = self.query_all_raw(statement).await.map_err(Unreached::Failed)?;
        let mut others = reached.clone();
        for row in &rows {
            let organization: Uuid = row.try_get("", "organization_id").map_err(Unreached::Failed)?;
            if organization != acting.uuid() && !self.began.contains(&organization) {
                others.insert(organization);
            }
        }
        if others.len() > MOST_ACROSS {
            return Err(Unreached::TooMany);
        }
        if others.len() > reached.len() {
            self.across.store(true, Ordering::Relaxed);
            *reached = others;
        }
        Ok(rows)
    }

    pub fn sight(&self) -> Sight {
        if self.across.load(Ordering::Relaxed) { Sight::Across } else { Sight::Own }
    }

    /// The statement's text for the current role. Each role has its own, because a statement prepared under one role is planned
    /// again under the other.
    fn own(&self, sql: String) -> String {
        match self.sight() {
            Sight::Own => sql,
            Sight::Across => format!("/* across */ {sql}"),
        }
    }

    pub async fn commit(self) -> Result<(), Error> {
        self.say("COMMIT").await?;
        self.lane.into_inner().stands = Stands::Outside;
        Ok(())
    }

    async fn say(&self, sql: &str) -> Result<(), Error> {
        self.on(sql, async |connection| connection.execute(AssertSqlSafe(sql)).await.map(drop)).await
    }

    async fn on<T, F>(&self, statement: &str, work: F) -> Result<T, Error>
    where
        F: AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
    {
        let mut lane = self.lane.lock().await;
        lane.on(work).instrument(span(statement)).await
    }
}

/// The failure of a statement whose rows are more than the transaction may read.
#[derive(Debug)]
pub struct TooMuch;

impl std::fmt::Display for TooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the rows are larger than the transaction may read")
    }
}

impl std::error::Error for TooMuch {}

impl TooMuch {
    /// Whether this is why a statement failed.
    pub fn is(error: &DbErr) -> bool {
        matches!(error, DbErr::Query(RuntimeErr::SqlxError(inner))
            if matches!(&**inner, Error::Encode(cause) if cause.is::<TooMuch>()))
    }
}

/// The bytes of a row's values, which lie one behind the other.
fn size(row: &PgRow) -> i64 {
    let bytes = |at: usize| row.try_get_raw(at).ok().and_then(|value| value.as_bytes().ok());
    let first = (0..row.len()).find_map(bytes);
    let last = (0..row.len()).rev().find_map(bytes);
    let size = first.zip(last).map_or(0, |(first, last)| last.as_ptr() as usize + last.len() - first.as_ptr() as usize);
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn failed(error: Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

fn values(statement: &mut Statement) -> sea_query_sqlx::SqlxValues {
    sea_query_sqlx::SqlxValues(statement.values.take().unwrap_or(sea_orm::Values(Vec::new())))
}

#[async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, mut statement: Statement) -> Result<ExecResult, DbErr> {
        let values = values(&mut statement);
        let sql = self.own(statement.sql);
        self.on(&sql, async |connection| {
            sqlx::query_with(AssertSqlSafe(sql.as_str()), values).execute(connection).await.map(Into::into)
        })
        .await
        .map_err(failed)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.on(sql, async |connection| connection.execute(AssertSqlSafe(sql)).await.map(Into::into)).await.map_err(failed)
    }

    async fn query_one_raw(&self, mut statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let values = values(&mut statement);
        let sql = self.own(statement.sql);
        self.on(&sql, async |connection| {
            sqlx::query_with(AssertSqlSafe(sql.as_str()), values).fetch_optional(connection).await.map(|row| row.map(Into::into))
        })
        .await
        .map_err(failed)
    }

    async fn query_all_raw(&self, mut statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let values = values(&mut statement);
        let sql = self.own(statement.sql);
        self.on(&sql, async |connection| {
            let query = sqlx::query_with(AssertSqlSafe(sql.as_str()), values);
            let Some(left) = &self.left else {
                return query.fetch_all(connection).await.map(|rows| rows.into_iter().map(Into::into).collect());
            };
            if left.load(Ordering::Relaxed) < 0 {
                return Err(Error::Encode(Box::new(TooMuch)));
            }
            let mut rows = Vec::new();
            let mut found = query.fetch(connection);
            // The rows beyond are read as well, so that the connection stays in order, and dropped one by one.
            while let Some(row) = found.try_next().await? {
                let size = size(&row);
                if left.fetch_sub(size, Ordering::Relaxed) >= size {
                    rows.push(row.into());
                }
            }
            if left.load(Ordering::Relaxed) < 0 {
                return Err(Error::Encode(Box::new(TooMuch)));
            }
            Ok(rows)
        })
        .await
        .map_err(failed)
    }
}
