//! The counts of rates, as the replicas tell them to one another.

use schema::{Elsewhere, Paid, Result};
use sqlx::PgPool;
use std::collections::HashMap;
use uuid::Uuid;

/// Tells the others the counts of a replica, and answers with theirs of the same buckets.
pub async fn settle(pool: &PgPool, replica: &str, paid: &[Paid]) -> Result<HashMap<Uuid, Elsewhere>> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let keys: Vec<Uuid> = paid.iter().map(|paid| paid.payer.key()).collect();
    let counts: Vec<i64> = paid.iter().map(|paid| number(paid.paid)).collect();
    let missing: Vec<i64> = paid.iter().map(|paid| number(paid.missing)).collect();
    let sql = "SELECT key, paid, missing FROM app.rates_settle($1, $2, $3, $4)";
    let found = sqlx::query_as(sql).bind(replica).bind(&keys).bind(&counts).bind(&missing);
    let elsewhere: Vec<(Uuid, i64, i64)> = found.fetch_all(pool).await?;
    let of =
        |(key, paid, missing): (Uuid, i64, i64)| (key, Elsewhere { paid: paid.unsigned_abs(), missing: missing.unsigned_abs() });
    Ok(elsewhere.into_iter().map(of).collect())
}

/// Deletes counts that nobody renewed for a while: their buckets are full again, or their replica is gone.
pub async fn forget(pool: &PgPool) -> Result<()> {
    sqlx::query("SELECT app.rates_forget()").execute(pool).await?;
    Ok(())
}
