//! Denials: people who are blocked, and tokens that were taken back.

use schema::{Denials, Result, short_hash};
use sqlx::PgPool;

/// All that is denied now, by the database's clock.
pub async fn all(pool: &PgPool) -> Result<Denials> {
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT kind, subject FROM app.denials()").fetch_all(pool).await?;
    let mut denials = Denials::default();
    for (kind, subject) in rows {
        match (kind.as_str(), subject.parse()) {
            ("PRINCIPAL", Ok(id)) => drop(denials.principals.insert(id)),
            ("TOKEN", _) => drop(denials.tokens.insert(short_hash(&subject))),
            _ => {}
        }
    }
    Ok(denials)
}
