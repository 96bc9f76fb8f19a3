//! The event log: changes, numbered densely in commit order within an organization.

use chrono::{DateTime, Utc};
use schema::{Context, Error, Log, NewEvent, OperationId, OperationState, OrganizationId, Result, Tx};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::collections::BTreeMap;

/// The last step before COMMIT. It ends the operation, takes the heads' row locks in id order, takes the next numbers and
/// writes the events, mostly in one message. Nothing may lock after it: no deferred constraint, and no trigger but the
/// one that counts the events on that same head.
pub async fn conclude(tx: &Tx, end: End, log: Option<Log<'_>>) -> Result<()> {
    let Some(Log { cx, events, elsewhere }) = log.filter(|log| !log.events.is_empty()) else {
        return end.write(tx).await;
    };
    let mut by_organization: BTreeMap<OrganizationId, Vec<NewEvent>> = BTreeMap::new();
    for event in events {
        by_organization.entry(event.organization).or_default().push(event);
    }
    let mut end = Some(end);
    if let Some(elsewhere) = elsewhere
        && let Some(end) = end.take()
    {
        end.write(tx).await?;
        tx.rescope(elsewhere).await?;
    }
    for (organization, events) in by_organization {
        append_to(tx, cx, organization, events, end.take()).await?;
    }
    Ok(())
}

/// The end of an operation, with its outcome.
pub struct End {
    pub organization: OrganizationId,
    pub id: OperationId,
    pub state: OperationState,
    /// The outcome's JSON, stored as this very text.
    pub outcome: String,
    pub now: DateTime<Utc>,
    pub expires: DateTime<Utc>,
}

impl End {
    /// The UPDATE of the operation, its parameters numbered from `from` on.
    fn sql(from: usize) -> String {
        let [organization, id, state, outcome, expires, now] = [0, 1, 2, 3, 4, 5].map(|k| from + k);
        format!(
            "UPDATE operation SET state = ${state}, outcome = ${outcome}::text::json, payload = NULL, due_at = NULL, expires_at = ${expires},
                                  updated_at = ${now}
             WHERE organization_id = ${organization} AND id = ${id}"
        )
    }

    fn values(self) -> [sea_orm::Value; 6] {
        let End { organization, id, state, outcome, now, expires } = self;
        [organization.0.into(), id.0.into(), state.as_str().into(), outcome.into(), expires.into(), now.into()]
    }

    async fn write(self, tx: &Tx) -> Result<()> {
        let done = tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, End::sql(1), self.values())).await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(Error::internal("an operation that is not there ends")) }
    }
}

async fn append_to(tx: &Tx, cx: &Context, organization: OrganizationId, events: Vec<NewEvent>, end: Option<End>) -> Result<()> {
    let operation = cx.operation.ok_or_else(|| Error::internal("events come from operations"))?;
    let rows: Vec<serde_json::Value> = events
        .iter()
        .enumerate()
        .map(|(at, event)| {
            serde_json::json!({
                "n": at, "kind": event.kind, "resource_kind": event.resource_kind, "resource_id": event.resource_id,
                "version": event.version, "change": event.change.to_json(),
            })
        })
        .collect();
    let (done, from_done) = match &end {
        Some(_) => (format!("done AS ({} RETURNING id), ", End::sql(11)), "done, "),
        None => (String::new(), ""),
    };
    // One message: the head's lock is held for one statement and the COMMIT.
    let sql = format!(
        "
        WITH {done}head AS (
          UPDATE org_head SET event_seq = event_seq + $2 WHERE organization_id = $1 RETURNING event_seq - $2 AS seq
        )
        INSERT INTO event (organization_id, seq, kind, resource_kind, resource_id, version, actor, actor_kind,
                           actor_organization_id, on_behalf_of, operation_id, trace_id, change, at)
        SELECT $1, head.seq + 1 + e.n, e.kind, e.resource_kind, e.resource_id, e.version, $3, $4, $10, $5, $6, $7, e.change, $8
        FROM {from_done}head,
             jsonb_to_recordset($9) AS e(n bigint, kind text, resource_kind text, resource_id uuid, version int, change jsonb)
        ORDER BY e.n"
    );
    let count = i64::try_from(events.len()).map_err(Error::internal)?;
    // Who asks in their own scope acts for the organization that they found or join.
    let own = cx.organization().0 == cx.actor.principal.0;
    let actor_organization = if own { organization } else { cx.organization() };
    let values: [sea_orm::Value; 10] = [
        organization.0.into(),
        count.into(),
        cx.actor.principal.0.into(),
        cx.actor.kind.as_str().into(),
        cx.permit().into(),
        operation.0.into(),
        Some(cx.trace_id.clone()).into(),
        cx.now().into(),
        serde_json::Value::Array(rows).into(),
        actor_organization.0.into(),
    ];
    let values = values.into_iter().chain(end.map(End::values).into_iter().flatten());
    let written = tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    if written.rows_affected() != events.len() as u64 {
        return Err(Error::internal("an organization without a head, or an operation that is not there"));
    }
    Ok(())
}
