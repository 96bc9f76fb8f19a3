//! The timer: calls the procedures whose deadlines have come, as the system. Rights end with a term by themselves; here its end
//! is noted, once.

use entities::{
    deadline::{self, Deadline},
    principal::SYSTEM,
};
use futures_util::{StreamExt, stream};
use schema::{Caller, Error, Gateway, PrincipalKind, Result, Surface};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use std::sync::Arc;
use uuid::Uuid;

/// So many are taken in a round, of which so many are called at a time.
const MOST: i32 = 100;
const AT_ONCE: usize = 8;

/// Takes what is due, in one statement, and calls it. One that hangs costs its place for as long as any request may take.
pub async fn round(gateway: &Arc<Gateway>, connection: &mut PgConnection) -> Result<()> {
    // What this build does not know is left to those who do.
    let inside = gateway.table.entries().iter().filter(|entry| entry.surface() == Surface::Inside);
    let procedures: Vec<&str> = inside.map(schema::Entry::name).collect();
    let due = deadline::take(connection, gateway.clock.now(), &procedures, MOST).await?;
    stream::iter(due)
        .for_each_concurrent(AT_ONCE, async |deadline| {
            let called = tokio::time::timeout(gateway.limits.answer, call(gateway, &deadline)).await;
            if let Err(error) = called.unwrap_or_else(|elapsed| Err(Error::unavailable(elapsed))) {
                error.trace();
            }
        })
        .await;
    Ok(())
}

/// The key follows from the row, its deadline and the hour, so however often and on however many replicas this runs, it is done
/// once. The hour is in the key, so that a failure is tried anew and a success never is.
async fn call(gateway: &Arc<Gateway>, deadline: &Deadline) -> Result<()> {
    let Deadline { organization, procedure, id, at } = deadline;
    let entry = gateway.table.get(procedure).ok_or_else(|| Error::internal(format!("no procedure {procedure}")))?;
    let until = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    let caller = Caller { principal: SYSTEM, kind: PrincipalKind::System, organization: Some(*organization), grant: None, until };
    let hour = gateway.clock.now().timestamp() / 3_600;
    let key = Uuid::new_v5(id, format!("{procedure}/{organization}/{}/{hour}", at.timestamp_micros()).as_bytes());
    let body = [("id", id), ("idempotencyKey", &key)].map(|(name, id)| (name.to_owned(), Value::from(id.to_string())));
    entry.call(gateway, &caller, Map::from_iter(body)).await.map(drop)
}
