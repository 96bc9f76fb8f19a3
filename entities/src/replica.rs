//! Which processes are alive, so that others carry on the work of those that are not.

use chrono::{DateTime, Utc};
use schema::Result;
use sqlx::PgPool;

pub async fn enter(pool: &PgPool, id: &str, now: DateTime<Utc>) -> Result<()> {
    sqlx::query("INSERT INTO replica (id, started_at, heartbeat_at) VALUES ($1, $2, $2)")
        .bind(id)
        .bind(now)
        .execute(pool)
        .await?;
    Ok(())
}

/// False if others took it for dead meanwhile.
pub async fn beat(pool: &PgPool, id: &str, now: DateTime<Utc>) -> Result<bool> {
    let beaten = sqlx::query("UPDATE replica SET heartbeat_at = $2 WHERE id = $1 AND ended_at IS NULL")
        .bind(id)
        .bind(now)
        .execute(pool)
        .await?;
    Ok(beaten.rows_affected() == 1)
}

pub async fn leave(pool: &PgPool, id: &str, now: DateTime<Utc>) -> Result<()> {
    sqlx::query("UPDATE replica SET ended_at = $2 WHERE id = $1").bind(id).bind(now).execute(pool).await?;
    Ok(())
}

/// Declares those dead that were silent since, and names all whose work may still lie there.
pub async fn bury(pool: &PgPool, silent_since: DateTime<Utc>, now: DateTime<Utc>) -> Result<Vec<String>> {
    sqlx::query("UPDATE replica SET ended_at = $2 WHERE ended_at IS NULL AND heartbeat_at < $1")
        .bind(silent_since)
        .bind(now)
        .execute(pool)
        .await?;
    Ok(sqlx::query_scalar("SELECT id FROM replica WHERE ended_at IS NOT NULL").fetch_all(pool).await?)
}

/// Forgets the dead after a day: whatever they left was taken over long ago.
pub async fn forget(pool: &PgPool, ended_before: DateTime<Utc>) -> Result<()> {
    sqlx::query("DELETE FROM replica WHERE ended_at < $1").bind(ended_before).execute(pool).await?;
    Ok(())
}
