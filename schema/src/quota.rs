//! Quotas: how many of something there may be at a time.

use crate::{Code, Error, Result};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

/// The most of something that may be there.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// The things, as a client reads them in `details.quota`.
    pub name: &'static str,
    pub most: u32,
}

impl Quota {
    /// Refuses one more, if as many are there as may be.
    pub fn ensure(self, there: u64) -> Result<()> {
        if there < u64::from(self.most) {
            return Ok(());
        }
        Err(Error::new(Code::QUOTA_EXCEEDED).details(serde_json::json!({ "quota": self.name, "most": self.most })))
    }

    /// The same of the rows that a query finds. It stops to count at the most.
    pub async fn ensure_rows(self, db: &impl ConnectionTrait, rows: &str, values: impl IntoIterator<Item = Value>) -> Result<()> {
        let sql = format!("SELECT count(*) AS there FROM ({rows} LIMIT {}) AS rows", self.most);
        let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
        let there: i64 = row.map(|row| row.try_get("", "there")).transpose()?.unwrap_or_default();
        self.ensure(there.unsigned_abs())
    }
}
