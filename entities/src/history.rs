//! The history: the event log as people read it, with who changed a thing, when, and on whose behalf.

use crate::prelude::*;
use async_graphql::{ComplexObject, Context, SimpleObject, dataloader::Loader};
use kind::{Connection, Delegable, Page, delegated, page};
use queryplan::{Attribute, Scalar};
use schema::{Error, Nullable, Reading, Result, Snapshot, load_one, nullable, snapshot};
use sea_orm::{ConnectionTrait, DbBackend, JsonValue as Json, Statement};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

pub const KIND: &str = "event";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "event",
    id: Scalar::uuid("operation_id"),
    attributes: &[
        kind::relation("organization_id"),
        delegated::attribute(&delegated::OF_EVENT),
        Attribute::text("resourceKind", "resource_kind"),
    ],
};
pub static INFO: KindInfo = KindInfo::listed::<Model>(KIND, &RESOURCE);

/// An event's row.
#[row(table = "event")]
pub struct Model {
    #[key]
    pub organization_id: OrganizationId,
    #[key]
    pub seq: i64,
    pub kind: String,
    pub resource_kind: String,
    pub resource_id: Uuid,
    pub version: i32,
    pub actor: PrincipalId,
    pub actor_kind: PrincipalKind,
    pub actor_organization_id: OrganizationId,
    pub on_behalf_of: Option<Uuid>,
    pub operation_id: OperationId,
    pub trace_id: Option<String>,
    pub change: Json,
    pub at: Time,
}

impl Row for Model {
    const KIND: &'static str = KIND;
    fn id(&self) -> Uuid {
        self.operation_id.0
    }
    fn organization(&self) -> OrganizationId {
        self.organization_id
    }
    fn version(&self) -> Option<i32> {
        None
    }
    fn attributes(&self) -> Map<String, Value> {
        kind::facts([("resourceKind", Some(self.resource_kind.clone().into()))])
    }
    fn delegable(&self) -> Option<Delegable> {
        // The id of another kind's thing is no property's, so that it finds no delegation.
        Some(Delegable::Property(self.resource_id))
    }
}

/// One change, as the log keeps it: names of fields and ids, never contents.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
#[graphql(complex)]
pub struct HistoryEntry {
    /// Dense, in the order of commits, within an organization.
    pub seq: Long,
    #[graphql(skip)]
    organization_id: OrganizationId,
    /// Such as `property.updated`.
    pub kind: String,
    /// The version that it led to.
    pub version: i32,
    pub at: Time,
    /// Who did it.
    pub actor_id: PrincipalId,
    pub actor_kind: PrincipalKind,
    /// For which organization they acted.
    pub actor_organization_id: OrganizationId,
    /// By whose leave, where they did not act for the owner's organization as one of its own: the grant
    /// or the delegation.
    pub on_behalf_of: Option<async_graphql::ID>,
    pub operation_id: OperationId,
    pub trace_id: Option<String>,
    /// Names of the fields that changed.
    pub fields: Vec<String>,
    /// What it refers to.
    pub references: Vec<Reference>,
}

/// Something that a change refers to.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub struct Reference {
    /// Such as `portfolioId`.
    pub name: String,
    pub id: async_graphql::ID,
}

impl From<Model> for HistoryEntry {
    fn from(row: Model) -> Self {
        let strings =
            |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let references = row.change["ids"].as_object().into_iter().flatten();
        let references = references.filter_map(|(name, id)| Some(Reference { name: name.clone(), id: id.as_str()?.into() }));
        HistoryEntry {
            seq: Long(row.seq),
            organization_id: row.organization_id,
            version: row.version,
            at: row.at,
            actor_id: row.actor,
            actor_kind: row.actor_kind,
            actor_organization_id: row.actor_organization_id,
            on_behalf_of: row.on_behalf_of.map(|id| id.to_string().into()),
            operation_id: row.operation_id,
            trace_id: row.trace_id,
            fields: strings(&row.change["fields"]),
            references: references.collect(),
            kind: row.kind,
        }
    }
}

#[ComplexObject]
impl HistoryEntry {
    /// The name of who did it, as they give it.
    async fn actor_name(&self, cx: &Context<'_>) -> Nullable<String> {
        nullable(async { Ok(self.names(cx).await?.0) }).await
    }

    /// The name of the organization that they acted for.
    async fn actor_organization_name(&self, cx: &Context<'_>) -> Nullable<String> {
        nullable(async { Ok(self.names(cx).await?.1) }).await
    }
}

impl HistoryEntry {
    async fn names(&self, cx: &Context<'_>) -> Result<(Option<String>, Option<String>)> {
        let loader = snapshot(cx).await?.loader(Names::of);
        Ok(load_one(&loader, (self.organization_id, self.seq.0)).await?.unwrap_or_default())
    }
}

/// A page of the history of one thing, newest first, as far as the reader may see it.
pub async fn list(
    reading: &dyn Reading,
    organization: OrganizationId,
    kind: &'static str,
    resource: Uuid,
    page: Page,
) -> Result<Connection<HistoryEntry>> {
    let select = of(organization)
        .filter(Column::ResourceId.eq(resource))
        .filter(Column::ResourceKind.eq(kind))
        .filter(reading.filter(KIND)?);
    let sort = page::Sort { list: "history", order: "SEQ_DESC", column: Column::Seq, descending: true };
    page::page(reading.tx().await?, select, Column::OperationId, sort, page, |row: &Model| row.operation_id.0).await
}

/// Loads the names behind events, one statement an organization.
struct Names(Weak<Snapshot>);

impl Names {
    fn of(snapshot: Weak<Snapshot>) -> Self {
        Names(snapshot)
    }
}

#[async_trait::async_trait]
impl Loader<(OrganizationId, i64)> for Names {
    type Value = (Option<String>, Option<String>);
    type Error = Arc<Error>;

    async fn load(&self, keys: &[(OrganizationId, i64)]) -> Result<HashMap<(OrganizationId, i64), Self::Value>, Arc<Error>> {
        let load = async {
            let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
            let mut by_organization: BTreeMap<OrganizationId, Vec<i64>> = BTreeMap::new();
            for (organization, seq) in keys {
                by_organization.entry(*organization).or_default().push(*seq);
            }
            let mut found = HashMap::new();
            for (organization, seqs) in by_organization {
                let sql = "SELECT seq, actor_name, organization_name FROM app.event_actors($1, $2)";
                let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [organization.0.into(), seqs.into()]);
                for row in snapshot.tx.query_all_raw(statement).await? {
                    let names = (row.try_get("", "actor_name")?, row.try_get("", "organization_name")?);
                    found.insert((organization, row.try_get("", "seq")?), names);
                }
            }
            Ok(found)
        };
        load.await.map_err(Arc::new)
    }
}
