//! Replicas: the processes of the gateway, with their heartbeats. The living carry on the work of the dead.

use chrono::{DateTime, Utc};
use schema::Result;
use sqlx::PgPool;
use std::time::Duration;

/// Enters a replica, by the database's clock: the clocks of replicas may differ.
pub async fn enter(pool: &PgPool, id: &str) -> Result<()> {
    sqlx::query("INSERT INTO replica (id, started_at, heartbeat_at) VALUES ($1, now(), now())").bind(id).execute(pool).await?;
    Ok(())
}

/// The database's time.
pub async fn time(pool: &PgPool) -> Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(pool).await?)
}

/// Renews a replica's heartbeat. False: others took it for dead meanwhile.
pub async fn beat(pool: &PgPool, id: &str) -> Result<bool> {
    let sql = "UPDATE replica SET heartbeat_at = now() WHERE id = $1 AND ended_at IS NULL";
    let beaten = sqlx::query(sql).bind(id).execute(pool).await?;
    Ok(beaten.rows_affected() == 1)
}

pub async fn leave(pool: &PgPool, id: &str) -> Result<()> {
    sqlx::query("UPDATE replica SET ended_at = now() WHERE id = $1").bind(id).execute(pool).await?;
    Ok(())
}

/// Declares replicas dead that were silent for too long, and names all dead ones, whose work may still lie there.
pub async fn bury(pool: &PgPool, silent: Duration) -> Result<Vec<String>> {
    sqlx::query(
        "UPDATE replica SET ended_at = now() WHERE ended_at IS NULL AND heartbeat_at < now() - make_interval(secs => $1)",
    )
    .bind(silent.as_secs_f64())
    .execute(pool)
    .await?;
    Ok(sqlx::query_scalar("SELECT id FROM replica WHERE ended_at IS NOT NULL").fetch_all(pool).await?)
}

/// Deletes dead replicas after a day: their work was taken over long ago.
pub async fn forget(pool: &PgPool) -> Result<()> {
    sqlx::query("DELETE FROM replica WHERE ended_at < now() - interval '1 day'").execute(pool).await?;
    Ok(())
}
