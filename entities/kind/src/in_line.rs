//! Projections that are brought in line with grants, some rows after the others, so that giving and taking a grant is short.

use chrono::{DateTime, Utc};
use schema::Result;
use sqlx::PgConnection;

/// The most rows that are brought in line at a time, and how many times in a row.
const SOME: i32 = 1_000;
const TIMES: usize = 20;

/// Brings a projection in line by a statement that says whether there was something to do. It takes the most rows, and the time.
pub async fn catch_up(connection: &mut PgConnection, sql: &'static str, now: DateTime<Utc>) -> Result<()> {
    for _ in 0..TIMES {
        let more: bool = sqlx::query_scalar(sql).bind(SOME).bind(now).fetch_one(&mut *connection).await?;
        if !more {
            break;
        }
    }
    Ok(())
}
