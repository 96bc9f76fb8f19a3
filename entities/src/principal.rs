//! Principals: the people, agents and services that act. They belong to no organization; the application reaches them through
//! definer functions only, so there is no entity to query.

use schema::{PrincipalId, Result, Tx};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

/// The gateway itself, as which timers act.
pub const SYSTEM: PrincipalId = PrincipalId(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));

/// Registers an agent or a service. False if issuer and subject are taken.
pub async fn register(
    tx: &Tx,
    id: PrincipalId,
    kind: &str,
    issuer: &str,
    subject: &str,
    name: &str,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<bool> {
    let values = [id.0.into(), kind.into(), issuer.into(), subject.into(), name.into(), now.into()];
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT id FROM app.principal_register($1, $2, $3, $4, $5, $6)",
        values,
    );
    Ok(tx.query_one_raw(statement).await?.is_some())
}

/// The person who signed in with an e-mail address, if it is one person.
pub async fn by_email(tx: &Tx, email: &str) -> Result<Option<PrincipalId>> {
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT app.principal_by_email($1) AS id", [email.into()]);
    let Some(row) = tx.query_one_raw(statement).await? else { return Ok(None) };
    Ok(row.try_get("", "id")?)
}

/// The machines that the acting organization has registered, as far as they are counted.
pub async fn machines(tx: &Tx, most: u32) -> Result<u64> {
    let values = [i32::try_from(most).unwrap_or(i32::MAX).into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT app.machines($1) AS n", values);
    let many: i64 = tx.query_one_raw(statement).await?.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0);
    Ok(many.unsigned_abs())
}
