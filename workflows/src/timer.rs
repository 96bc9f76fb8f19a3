//! The timer: calls the procedures whose deadlines have come, as the system. Rights end by themselves with their term; the timer
//! notes the end, once.

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

/// The most deadlines that are taken in a round, and the most that are called at a time.
const MOST: i32 = 100;
const AT_ONCE: usize = 8;

/// Takes the deadlines that are due, in one statement, and calls their procedures; those of lives have workflows of their own. A call that hangs holds its place no longer
/// than any request may take.
pub async fn round(gateway: &Arc<Gateway>, connection: &mut PgConnection, lives: &[&str]) -> Result<()> {
    // A procedure that this build does not know is left to the replicas that know it.
    let inside = gateway.table.entries().iter().filter(|entry| entry.surface() == Surface::Inside);
    let procedures: Vec<&str> = inside.map(schema::Entry::name).filter(|name| !lives.contains(name)).collect();
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

/// Calls the procedure of a deadline. The key follows from the row, its deadline and the hour, so that the work is done once,
/// however often the timer runs and on however many replicas. The hour is in the key, so that a failure is tried anew and a
/// success never is.
pub(crate) async fn call(gateway: &Arc<Gateway>, deadline: &Deadline) -> Result<()> {
    let Deadline { organization, procedure, id, at } = deadline;
    let entry = gateway.table.get(procedure).ok_or_else(|| Error::internal(format!("no procedure {procedure}")))?;
    let until = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    let caller = Caller {
        principal: SYSTEM,
        kind: PrincipalKind::System,
        organization: Some(*organization),
        grant: None,
        client: None,
        token: None,
        until,
    };
    let hour = gateway.clock.now().timestamp() / 3_600;
    let key = Uuid::new_v5(id, format!("{procedure}/{organization}/{}/{hour}", at.timestamp_micros()).as_bytes());
    let body = [("id", id), ("idempotencyKey", &key)].map(|(name, id)| (name.to_owned(), Value::from(id.to_string())));
    entry.call(gateway, &caller, Map::from_iter(body)).await.map(drop)
}
