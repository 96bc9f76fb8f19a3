//! Recorded mutations. Seen and written by the acting organization alone.

use crate::{
    actor::Standing,
    event,
    loading::Row,
    page::{self, Connection, Page, Sort},
    relation,
};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use queryplan::{Attribute, Scalar};
use schema::{
    Claim, Claimed, Due, Error, Lanes, Log, Mode, NewOperation, Operation, OperationId, OperationState, Operations,
    OrganizationId, Outcome, PrincipalId, PrincipalKind, Reach, Result, Stored, Tx, text_enum,
};
use schemars::JsonSchema;
use sea_orm::{Condition, ConnectionTrait, DbBackend, FromQueryResult, QueryFilter, QueryResult, Statement, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};

pub const KIND: &str = "operation";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "operation",
    id: Scalar::uuid("id"),
    attributes: &[relation("organization_id"), Attribute::uuid("initiator", "initiator"), Attribute::text("state", "state")],
};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OperationId,
    pub target_organization_id: Option<OrganizationId>,
    pub procedure: String,
    pub key: Uuid,
    pub fingerprint: Vec<u8>,
    pub initiator: PrincipalId,
    pub actor: Json,
    pub authority: Json,
    pub traceparent: Option<String>,
    pub trace_id: Option<String>,
    pub payload: Option<Json>,
    pub attempt: i32,
    pub state: OperationState,
    pub outcome: Option<Json>,
    pub due_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganizationId.eq(organization))
}

pub fn by_id(organization: OrganizationId, id: OperationId) -> Select<Entity> {
    of(organization).filter(Column::Id.eq(id))
}

impl crate::cells::Cells for Model {}

impl Row for Model {
    const KIND: &'static str = KIND;
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn organization(&self) -> OrganizationId {
        self.organization_id
    }
    fn version(&self) -> Option<i32> {
        None
    }
    fn attributes(&self) -> Map<String, Value> {
        Map::from_iter([
            ("initiator".to_owned(), self.initiator.to_string().into()),
            ("state".to_owned(), self.state.as_str().into()),
        ])
    }
}

impl From<Model> for Operation {
    fn from(row: Model) -> Self {
        let outcome = row.outcome.and_then(|outcome| serde_json::from_value::<Outcome>(outcome).ok());
        Operation {
            id: row.id,
            organization_id: row.organization_id,
            procedure: row.procedure,
            idempotency_key: row.key,
            state: row.state,
            attempt: row.attempt,
            initiator: row.initiator,
            initiator_kind: row.actor["kind"].as_str().and_then(PrincipalKind::parse).unwrap_or(PrincipalKind::Human),
            error: match outcome {
                Some(Outcome::Refusal(error)) => Some(told(&error)),
                _ => None,
            },
            trace_id: row.trace_id,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            expires_at: row.expires_at.map(schema::Time),
        }
    }
}

fn told(error: &schema::StoredError) -> schema::OperationError {
    schema::OperationError { code: error.code.as_str().to_owned(), message: error.message.clone() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stored(row: Model) -> Result<Stored> {
    Ok(Stored {
        fingerprint: row.fingerprint.clone(),
        claim: serde_json::from_value(row.authority.clone())?,
        traceparent: row.traceparent.clone(),
        payload: row.payload.clone(),
        outcome: row.outcome.clone().map(serde_json::from_value).transpose()?,
        view: row.into(),
    })
}

/// Which operations. All that is given must hold.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate, async_graphql::InputObject,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationFilter {
    /// Any of these.
    #[garde(skip)]
    pub state: Option<Vec<OperationState>>,
    /// Such as `property/v1/create`.
    #[garde(custom(schema::valid::text(100)))]
    pub procedure: Option<String>,
    #[garde(skip)]
    pub initiator: Option<PrincipalId>,
}

text_enum!(
    /// In which order.
    OperationOrder { CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC" }
);

/// A page of the acting organization's operations, of those that the reader may see.
pub async fn list(
    tx: &Tx,
    organization: OrganizationId,
    visible: Condition,
    filter: Option<OperationFilter>,
    order: Option<OperationOrder>,
    page: Page,
) -> Result<Connection<Operation>> {
    let OperationFilter { state, procedure, initiator } = filter.unwrap_or_default();
    let select = of(organization).filter(visible).filter(
        Condition::all()
            .add_option(state.map(|all| Column::State.eq_any(all.into_iter().map(|s| s.as_str().to_owned()).collect::<Vec<_>>())))
            .add_option(procedure.map(|name| Column::Procedure.eq(name)))
            .add_option(initiator.map(|who| Column::Initiator.eq(who))),
    );
    let descending = order != Some(OperationOrder::CreatedAsc);
    let name = if descending { "operation:CREATED_DESC" } else { "operation:CREATED_ASC" };
    let sort = Sort { name, column: Column::Id, descending, key: |row: &Model| row.id.to_string(), bind: page::bind_id };
    page::page(tx, select, Column::Id, sort, page, |row| row.id.0).await
}

/// The operations in PostgreSQL.
pub struct Store {
    pub pool: PgPool,
    pub lanes: Lanes,
    pub clock: Arc<dyn schema::Clock>,
    /// How long an outcome is kept.
    pub retention: Duration,
    /// After so many attempts, and not before this age, an operation ends as FAILED.
    pub attempts: i32,
    pub patience: Duration,
}

impl Store {
    async fn tx(&self, organization: OrganizationId, mode: Mode) -> Result<Tx> {
        Tx::begin(&self.lanes, &Reach::of(organization, self.clock.now()), mode).await
    }

    /// Changes one operation that has no outcome yet. False if it has one, or is not as expected.
    async fn change(&self, organization: OrganizationId, sql: &str, mut values: Vec<sea_orm::Value>) -> Result<bool> {
        let tx = self.tx(organization, Mode::Write).await?;
        values.insert(0, organization.0.into());
        let done = tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}

#[async_trait]
impl Operations for Store {
    async fn find(&self, organization: OrganizationId, procedure: &str, key: Uuid) -> Result<Option<Stored>> {
        let sql = "SELECT * FROM app.operation_find($1, $2, $3)";
        let row = self.lanes.row(Mode::Read, sql, |find| find.bind(organization.0).bind(procedure).bind(key)).await?;
        row.map(|row| stored(Model::from_query_result(&QueryResult::from(row), "")?)).transpose()
    }

    async fn get(&self, organization: OrganizationId, id: OperationId) -> Result<Option<Stored>> {
        let tx = self.tx(organization, Mode::Read).await?;
        by_id(organization, id).one(&tx).await?.map(stored).transpose()
    }

    async fn insert(&self, new: &NewOperation) -> Result<Option<Stored>> {
        // No finer than it is kept.
        let now = new.now.trunc_subsecs(6);
        let row = Model {
            organization_id: new.organization,
            id: new.id,
            target_organization_id: new.target,
            procedure: new.procedure.to_owned(),
            key: new.key,
            fingerprint: new.fingerprint.clone(),
            initiator: new.principal,
            actor: json!({ "principal": new.principal, "kind": new.principal_kind, "organization": new.organization }),
            authority: serde_json::to_value(&new.claim)?,
            traceparent: new.traceparent.clone(),
            trace_id: new.trace_id.clone(),
            payload: Some(new.payload.clone()),
            attempt: 1,
            state: OperationState::Running,
            outcome: None,
            due_at: None,
            expires_at: None,
            created_at: now,
            updated_at: now,
        };
        let fresh = json!({
            "organization_id": row.organization_id, "id": row.id, "target_organization_id": row.target_organization_id,
            "procedure": row.procedure, "key": row.key, "fingerprint": format!("\\x{}", hex(&row.fingerprint)),
            "initiator": row.initiator, "actor": row.actor, "authority": row.authority, "traceparent": row.traceparent,
            "trace_id": row.trace_id, "payload": row.payload, "attempt": row.attempt, "state": row.state.as_str(),
            "created_at": row.created_at, "updated_at": row.updated_at,
        });
        let sql = "SELECT app.operation_record($1, $2)";
        let recorded = self.lanes.once(Mode::Write, sql, |record| record.bind(new.organization.0).bind(&fresh)).await?;
        recorded.is_some_and(|(recorded,)| recorded).then(|| stored(row)).transpose()
    }

    async fn begin_again(&self, organization: OrganizationId, id: OperationId, attempt: i32) -> Result<bool> {
        let sql = "UPDATE operation SET state = 'QUEUED', attempt = attempt + 1, due_at = NULL, updated_at = $4
                   WHERE organization_id = $1 AND id = $2 AND attempt = $3 AND state = 'RETRYABLE'";
        self.change(organization, sql, vec![id.0.into(), attempt.into(), self.clock.now().into()]).await
    }

    async fn reauthorized(&self, organization: OrganizationId, id: OperationId, claim: &Claim) -> Result<()> {
        let sql = "UPDATE operation SET authority = $3, updated_at = $4
                   WHERE organization_id = $1 AND id = $2 AND outcome IS NULL";
        let claim = serde_json::to_value(claim)?;
        self.change(organization, sql, vec![id.0.into(), claim.into(), self.clock.now().into()]).await.map(drop)
    }

    async fn put_off(&self, organization: OrganizationId, id: OperationId, now: DateTime<Utc>) -> Result<()> {
        let Some(stored) = self.get(organization, id).await? else { return Ok(()) };
        if stored.outcome.is_some() {
            return Ok(());
        }
        let age = (now - stored.view.created_at.0).to_std().unwrap_or_default();
        if stored.view.attempt >= self.attempts && age >= self.patience {
            let failure = Error::new(schema::Code::OperationGaveUp);
            let outcome = serde_json::to_value(Outcome::Refusal((&failure).into()))?;
            let sql = "UPDATE operation SET state = 'FAILED', outcome = $3, payload = NULL, updated_at = $4, expires_at = $5
                       WHERE organization_id = $1 AND id = $2 AND outcome IS NULL";
            let values = vec![id.0.into(), outcome.into(), now.into(), (now + self.retention).into()];
            return self.change(organization, sql, values).await.map(drop);
        }
        // Backoff: 1 s, 2 s, 4 s … 5 minutes.
        let pause = Duration::from_secs(1 << (stored.view.attempt - 1).clamp(0, 8)).min(Duration::from_secs(300));
        let sql = "UPDATE operation SET state = 'RETRYABLE', due_at = $3, updated_at = $4
                   WHERE organization_id = $1 AND id = $2 AND outcome IS NULL";
        self.change(organization, sql, vec![id.0.into(), (now + pause).into(), now.into()]).await.map(drop)
    }

    async fn claim(
        &self,
        organization: OrganizationId,
        id: OperationId,
        who: Option<PrincipalId>,
        turns: bool,
    ) -> Result<Claimed> {
        let now = self.clock.now();
        let who = who.map_or("NULL".to_owned(), |who| format!("'{who}'"));
        // Typed values only, as in what the transaction begins with.
        let question = format!(
            "SELECT (c.claimed).*, c.standing FROM app.operation_claim('{organization}', '{id}', {who}, '{}', {turns}) AS c",
            now.to_rfc3339_opts(SecondsFormat::Micros, true)
        );
        let (tx, row) = Tx::begin_with(&self.lanes, &Reach::of(organization, now), Mode::Write, &question).await?;
        let Some(row) = row else { return Ok(Claimed { tx, stored: None, actor: None }) };
        let standing: Option<Json> = row.try_get("", "standing")?;
        let standing = standing.map(serde_json::from_value::<Standing>).transpose()?;
        let stored = stored(Model::from_query_result(&row, "")?)?;
        let actor = standing.and_then(|standing| standing.actor(stored.view.initiator, organization));
        Ok(Claimed { tx, stored: Some(stored), actor })
    }

    async fn conclude(&self, tx: &Tx, mut stored: Stored, outcome: Outcome, log: Option<Log<'_>>) -> Result<Stored> {
        // No finer than it is kept.
        let now = self.clock.now().trunc_subsecs(6);
        let (state, error) = match &outcome {
            Outcome::Result(_) => (OperationState::Completed, None),
            Outcome::Refusal(error) => (OperationState::Failed, Some(told(error))),
        };
        let (organization, id, expires) = (stored.view.organization_id, stored.view.id, now + self.retention);
        let end = event::End { organization, id, state, outcome: serde_json::to_value(&outcome)?, now, expires };
        event::conclude(tx, end, log).await?;
        stored.view = Operation { state, error, updated_at: now.into(), expires_at: Some(schema::Time(expires)), ..stored.view };
        (stored.payload, stored.outcome) = (None, Some(outcome));
        Ok(stored)
    }

    async fn abandoned(&self, now: DateTime<Utc>, idle: Duration) -> Result<Vec<Due>> {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as("SELECT organization_id, id FROM app.operations_abandoned($1, $2, 100)")
            .bind(now)
            .bind(now - idle)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|(organization, id)| Due { organization: organization.into(), id: OperationId(id) }).collect())
    }

    async fn forget_expired(&self, now: DateTime<Utc>) -> Result<u64> {
        let gone: i64 = sqlx::query_scalar("SELECT app.operations_forget($1)").bind(now).fetch_one(&self.pool).await?;
        Ok(gone.unsigned_abs())
    }
}
