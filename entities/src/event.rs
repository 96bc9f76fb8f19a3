//! The event log: what changed, numbered densely in commit order within an organization.

use schema::{Context, Error, NewEvent, OrganizationId, Result, Tx};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::collections::BTreeMap;

/// The last thing before COMMIT. Takes the heads' row locks in id order, takes the next numbers and
/// writes the events. Nothing may lock after it: no deferred constraint, no trigger.
pub async fn append(tx: &Tx, cx: &Context, events: Vec<NewEvent>) -> Result<()> {
    let mut by_organization: BTreeMap<OrganizationId, Vec<NewEvent>> = BTreeMap::new();
    for event in events {
        by_organization.entry(event.organization).or_default().push(event);
    }
    for (organization, events) in by_organization {
        append_to(tx, cx, organization, events).await?;
    }
    Ok(())
}

async fn append_to(tx: &Tx, cx: &Context, organization: OrganizationId, events: Vec<NewEvent>) -> Result<()> {
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
    // One message: the head's lock is held for one statement and the COMMIT.
    let sql = "
        WITH head AS (
          UPDATE org_head SET event_seq = event_seq + $2 WHERE organization_id = $1 RETURNING event_seq - $2 AS seq
        )
        INSERT INTO event (organization_id, seq, kind, resource_kind, resource_id, version, actor, actor_kind,
                           actor_organization_id, on_behalf_of, operation_id, trace_id, change, at)
        SELECT $1, head.seq + 1 + e.n, e.kind, e.resource_kind, e.resource_id, e.version, $3, $4, app.acting(), $5, $6, $7, e.change, $8
        FROM head, jsonb_to_recordset($9) AS e(n bigint, kind text, resource_kind text, resource_id uuid, version int, change jsonb)";
    let count = i64::try_from(events.len()).map_err(Error::internal)?;
    let values = [
        organization.0.into(),
        count.into(),
        cx.actor.principal.0.into(),
        cx.actor.kind.as_str().into(),
        cx.leave().into(),
        operation.0.into(),
        Some(cx.trace_id.clone()).into(),
        cx.now().into(),
        serde_json::Value::Array(rows).into(),
    ];
    let written = tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    if written.rows_affected() != events.len() as u64 {
        return Err(Error::internal("an organization without a head"));
    }
    Ok(())
}
