//! Recorded mutations. Seen and written by the acting organization alone.

use crate::{actor::ActorRow, event, prelude::*};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use kind::{Listed, page};
use queryplan::{Attribute, Scalar};
use schema::{
    Claim, Claimed, Due, Error, Lanes, Log, Mode, NewOperation, OperationRow, OperationState, Operations, Outcome, Reach, Result,
    Tx,
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, FromQueryResult, JsonValue as Json, QueryResult, Statement};
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};

pub use schema::Operation;

pub const KIND: &str = "operation";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "operation",
    id: Scalar::uuid("id"),
    attributes: &[
        kind::relation("organization_id"),
        Attribute::uuid("initiator", "initiator"),
        Attribute::text("state", "state"),
    ],
};
pub static INFO: KindInfo = KindInfo::of::<Model>(&RESOURCE, Rights::None);

/// An operation's row.
#[row(table = "operation")]
pub struct Model {
    #[key]
    pub organization_id: OrganizationId,
    #[key]
    pub id: OperationId,
    #[fixed]
    pub target_organization_id: Option<OrganizationId>,
    #[fixed]
    pub procedure: String,
    #[fixed]
    pub key: Uuid,
    #[fixed]
    pub fingerprint: Vec<u8>,
    #[fixed]
    pub initiator: PrincipalId,
    #[fixed]
    pub actor: Json,
    pub authority: Json,
    #[fixed]
    pub traceparent: Option<String>,
    #[fixed]
    pub trace_id: Option<String>,
    pub payload: Option<Json>,
    pub attempt: i32,
    pub state: OperationState,
    pub outcome: Option<Json>,
    pub due_at: Option<Time>,
    pub expires_at: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
}

pub fn by_id(organization: OrganizationId, id: OperationId) -> Select<Entity> {
    of(organization).filter(Column::Id.eq(id))
}

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
        kind::facts([("initiator", Some(self.initiator.to_string().into())), ("state", Some(self.state.as_str().into()))])
    }
}

impl Kind for Model {
    type Id = OperationId;
    type Object = Operation;
    const INFO: &'static KindInfo = &INFO;
    const EXAMPLE: OperationId = OperationId::EXAMPLE;
    const ORGANIZATION: Column = Column::OrganizationId;
    const ID: Column = Column::Id;
    const ACTING: bool = true;

    fn by_id(organization: OrganizationId, id: OperationId) -> Select<Entity> {
        by_id(organization, id)
    }

    fn stamp(active: &mut ActiveModel, _: i32, now: Time) {
        active.updated_at = Set(now);
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
            created_at: row.created_at,
            updated_at: row.updated_at,
            expires_at: row.expires_at,
        }
    }
}

fn told(error: &schema::StoredError) -> schema::OperationError {
    schema::OperationError { code: error.code.clone(), message: error.message.clone() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stored(row: Model) -> Result<OperationRow> {
    Ok(OperationRow {
        fingerprint: row.fingerprint.clone(),
        claim: serde_json::from_value(row.authority.clone())?,
        traceparent: row.traceparent.clone(),
        payload: row.payload.clone(),
        outcome: row.outcome.clone().map(serde_json::from_value).transpose()?,
        view: row.into(),
    })
}

/// Which operations.
#[filter]
pub struct OperationFilter {
    /// Any of these.
    #[any(State)]
    pub state: Option<Vec<OperationState>>,
    /// Such as `property/v1/create`.
    #[is(Procedure)]
    #[text(100)]
    pub procedure: Option<String>,
    #[is(Initiator)]
    pub initiator: Option<PrincipalId>,
}

text_enum!(
    /// In which order.
    OperationOrder { CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC" }
);

impl page::Order for OperationOrder {
    type Column = Column;
    fn sort(self) -> page::Sort<Column> {
        let descending = self == OperationOrder::CreatedDesc;
        page::Sort { list: KIND, order: self.as_str(), column: Column::Id, descending }
    }
}

impl Listed for Model {
    type Filter = OperationFilter;
    type Order = OperationOrder;
    const ELSE: OperationOrder = OperationOrder::CreatedDesc;
    fn of(organization: OrganizationId) -> Select<Entity> {
        of(organization)
    }
}

/// The operations in PostgreSQL.
pub struct Store {
    pub pool: PgPool,
    pub lanes: Lanes,
    pub clock: Arc<dyn schema::Clock>,
    /// The time for which an outcome is kept.
    pub retention: Duration,
    /// The attempts, and the age, that an operation must both have reached to end as FAILED without an outcome.
    pub attempts: i32,
    pub patience: Duration,
}

impl Store {
    async fn tx(&self, organization: OrganizationId, mode: Mode) -> Result<Tx> {
        Ok(Tx::begin(&self.lanes, &Reach::of(organization, self.clock.now()), mode).await?)
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
    async fn find(&self, organization: OrganizationId, procedure: &str, key: Uuid) -> Result<Option<OperationRow>> {
        let sql = "SELECT * FROM app.operation_find($1, $2, $3)";
        let row =
            self.lanes.row(Mode::Read, organization.0, sql, |find| find.bind(organization.0).bind(procedure).bind(key)).await?;
        row.map(|row| stored(Model::from_query_result(&QueryResult::from(row), "")?)).transpose()
    }

    async fn get(&self, organization: OrganizationId, id: OperationId) -> Result<Option<OperationRow>> {
        let tx = self.tx(organization, Mode::Read).await?;
        by_id(organization, id).one(&tx).await?.map(stored).transpose()
    }

    async fn insert(&self, new: &NewOperation) -> Result<Option<OperationRow>> {
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
            created_at: now.into(),
            updated_at: now.into(),
        };
        let fresh = json!({
            "organization_id": row.organization_id, "id": row.id, "target_organization_id": row.target_organization_id,
            "procedure": row.procedure, "key": row.key, "fingerprint": format!("\\x{}", hex(&row.fingerprint)),
            "initiator": row.initiator, "actor": row.actor, "authority": row.authority, "traceparent": row.traceparent,
            "trace_id": row.trace_id, "payload": row.payload, "attempt": row.attempt, "state": row.state.as_str(),
            "created_at": row.created_at, "updated_at": row.updated_at,
        });
        let sql = "SELECT app.operation_record($1, $2)";
        let recorded =
            self.lanes.once(Mode::Write, new.organization.0, sql, |record| record.bind(new.organization.0).bind(&fresh)).await?;
        recorded.is_some_and(|(recorded,)| recorded).then(|| stored(row)).transpose()
    }

    async fn release(&self, organization: OrganizationId, id: OperationId) -> Result<()> {
        let sql = "SELECT app.operation_release($1, $2)";
        let released: Option<(bool,)> =
            self.lanes.once(Mode::Write, organization.0, sql, |it| it.bind(organization.0).bind(id.0)).await?;
        released.map(drop).ok_or_else(|| Error::internal("nothing was released"))
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
            let failure = Error::new(schema::Code::OPERATION_GAVE_UP);
            let outcome = serde_json::to_string(&Outcome::Refusal((&failure).into()))?;
            let sql = "UPDATE operation SET state = 'FAILED', outcome = $3::text::json, payload = NULL, updated_at = $4, expires_at = $5
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
        // Only typed values go into the text, as in the statement that begins the transaction.
        let question = format!(
            "SELECT (c.claimed).*, c.standing FROM app.operation_claim('{organization}', '{id}', {who}, '{}', {turns}) AS c",
            now.to_rfc3339_opts(SecondsFormat::Micros, true)
        );
        let (tx, row) = Tx::begin_with(&self.lanes, &Reach::of(organization, now), Mode::Write, &question).await?;
        let Some(row) = row else { return Ok(Claimed { tx, stored: None, actor: None }) };
        let standing: Option<Json> = row.try_get("", "standing")?;
        let standing = standing.map(serde_json::from_value::<ActorRow>).transpose()?;
        let stored = stored(Model::from_query_result(&row, "")?)?;
        let actor = standing.and_then(|standing| standing.actor(stored.view.initiator, organization));
        Ok(Claimed { tx, stored: Some(stored), actor })
    }

    async fn conclude(&self, tx: &Tx, mut stored: OperationRow, outcome: Outcome, log: Option<Log<'_>>) -> Result<OperationRow> {
        // No finer than it is kept.
        let now = self.clock.now().trunc_subsecs(6);
        let (state, error) = match &outcome {
            Outcome::Result(_) => (OperationState::Completed, None),
            Outcome::Refusal(error) => (OperationState::Failed, Some(told(error))),
        };
        let (organization, id, expires) = (stored.view.organization_id, stored.view.id, now + self.retention);
        let end = event::End { organization, id, state, outcome: serde_json::to_string(&outcome)?, now, expires };
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
