//! Prepared statements that a connection of the pool keeps, and those that it let go of to keep others.

use opentelemetry::{global, metrics::Counter};
use sqlx::{Connection, PgConnection};
use std::sync::LazyLock;

static EVICTED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("hestami")
        .u64_counter("hestami.database.statements.evicted")
        .with_description("Prepared statements that connections let go of to keep others, counted when a connection rests")
        .build()
});

/// Counts the statements that a connection evicted since its last count. Only a connection whose cache is full can have evicted
/// any.
pub async fn count_evicted(connection: &mut PgConnection, most: usize) {
    if connection.cached_statements_size() < most {
        return;
    }
    match evicted(connection).await {
        Ok(evicted) => EVICTED.add(evicted, &[]),
        Err(problem) => tracing::debug!(%problem, "evicted statements were not counted"),
    }
}

/// The number of statements evicted since the last count. The driver does not report it, but numbers the statements that it
/// prepares, and PostgreSQL lists those that are left. The session itself keeps the last count.
pub async fn evicted(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let (evicted, _): (i64, String) = sqlx::query_as(
        "SELECT evicted - counted, set_config('hestami.statements_evicted', evicted::text, false)
         FROM (SELECT coalesce(max(substr(name, 8)::bigint), 0) - count(*) AS evicted,
                      coalesce(nullif(current_setting('hestami.statements_evicted', true), ''), '0')::bigint AS counted
               FROM pg_prepared_statements WHERE name ~ '^sqlx_s_[0-9]+$') AS statements",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    Ok(evicted.unsigned_abs())
}
