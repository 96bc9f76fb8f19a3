//! Deadlines: which procedure is due for which row, and when. Triggers keep them with the rows that they follow from; the
//! gateway's timer takes those that are due.

use chrono::{DateTime, Utc};
use schema::{OrganizationId, Result};
use sqlx::PgConnection;
use uuid::Uuid;

/// One deadline. Its procedure takes the `id` of its row, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    pub organization: OrganizationId,
    pub procedure: String,
    pub id: Uuid,
    pub at: DateTime<Utc>,
}

/// Due deadlines of these procedures, across organizations, at most `most`. Organizations take turns, and of each those come
/// first that were taken least often. A deadline stays until its row says that it is met, so that none is lost when the
/// process that took it dies.
pub async fn take(connection: &mut PgConnection, now: DateTime<Utc>, procedures: &[&str], most: i32) -> Result<Vec<Deadline>> {
    let rows: Vec<(Uuid, String, Uuid, DateTime<Utc>)> =
        sqlx::query_as("SELECT organization_id, procedure, id, at FROM app.deadlines_take($1, $2, $3)")
            .bind(now)
            .bind(procedures)
            .bind(most)
            .fetch_all(connection)
            .await?;
    let due = |(organization, procedure, id, at)| Deadline { organization: OrganizationId(organization), procedure, id, at };
    Ok(rows.into_iter().map(due).collect())
}
