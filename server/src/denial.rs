//! `hestami deny` and `hestami allow`: tools of whoever holds the deployment.

use crate::Fault;
use sqlx::PgPool;

pub async fn put(owner: &PgPool, kind: &str, subject: &str, reason: Option<&str>, hours: Option<u32>) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO denial (kind, subject, reason, ends_at) VALUES ($1, $2, $3, now() + make_interval(hours => $4))
         ON CONFLICT (kind, subject) DO UPDATE SET reason = excluded.reason, ends_at = excluded.ends_at",
    )
    .bind(kind)
    .bind(subject)
    .bind(reason)
    .bind(hours.map(|hours| i32::try_from(hours).unwrap_or(i32::MAX)))
    .execute(owner)
    .await?;
    Ok(())
}

/// Whether there was one.
pub async fn take(owner: &PgPool, kind: &str, subject: &str) -> Result<bool, Fault> {
    let gone = sqlx::query("DELETE FROM denial WHERE kind = $1 AND subject = $2").bind(kind).bind(subject).execute(owner).await?;
    Ok(gone.rows_affected() > 0)
}
