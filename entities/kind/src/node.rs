//! Things of any kind, found by their ids.

use crate::{Api, Kind, row};
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, OutputType, ServerResult, Value, registry::Registry, resolver_utils::Fields,
};
use async_trait::async_trait;
use schema::{OrganizationId, Reading, Result};
use schemars::{Schema, SchemaGenerator};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IdenStatic, QueryFilter, Statement};
use std::{any::Any, borrow::Cow, marker::PhantomData, sync::Arc};
use uuid::Uuid;

/// An object of some kind.
#[async_trait]
pub trait Thing: Any + Send + Sync {
    fn archived(&self) -> bool;
    fn object(&self) -> Cow<'static, str>;
    fn json(&self) -> serde_json::Result<serde_json::Value>;
    /// The object itself, for a caller that knows its type.
    fn known(&self) -> &(dyn Any + Send + Sync);
    async fn resolve_field(&self, cx: &Context<'_>) -> ServerResult<Option<Value>>;
    fn collect<'a>(&'a self, cx: &ContextSelectionSet<'a>, fields: &mut Fields<'a>) -> ServerResult<()>;
}

struct Found<K: Kind> {
    object: K::Object,
    archived: bool,
}

#[async_trait]
impl<K: Kind> Thing for Found<K> {
    fn archived(&self) -> bool {
        self.archived
    }
    fn object(&self) -> Cow<'static, str> {
        K::Object::type_name()
    }
    fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(&self.object)
    }
    fn known(&self) -> &(dyn Any + Send + Sync) {
        &self.object
    }
    async fn resolve_field(&self, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        self.object.resolve_field(cx).await
    }
    fn collect<'a>(&'a self, cx: &ContextSelectionSet<'a>, fields: &mut Fields<'a>) -> ServerResult<()> {
        self.object.collect_all_fields(cx, fields)
    }
}

/// The `Api` of a kind, with the types erased.
pub struct ApiOf<K>(PhantomData<fn() -> K>);

impl<K> ApiOf<K> {
    pub const NEW: Self = ApiOf(PhantomData);
}

#[async_trait]
impl<K: Kind> Api for ApiOf<K> {
    fn object(&self) -> Cow<'static, str> {
        K::Object::type_name()
    }

    fn register(&self, registry: &mut Registry) -> String {
        K::Object::create_type_info(registry)
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<K::Object>()
    }

    fn example(&self) -> Uuid {
        K::EXAMPLE.into()
    }

    fn sample(&self) -> Option<serde_json::Value> {
        K::sample()
    }

    fn logged(&self) -> bool {
        !K::ACTING
    }

    fn probe(&self) -> String {
        let owners = if K::ACTING { "ARRAY[$3::uuid]" } else { "$1::uuid[]" };
        let (organization, id) = (K::ORGANIZATION.as_str(), K::ID.as_str());
        format!("SELECT {id} AS id FROM {} WHERE {organization} = ANY ({owners}) AND {id} = ANY ($2::uuid[])", K::TABLE)
    }

    #[expect(clippy::disallowed_methods, reason = "it begins with the organizations that are asked for")]
    async fn find(
        &self,
        reading: &dyn Reading,
        owners: &[OrganizationId],
        ids: Vec<Uuid>,
    ) -> Result<Vec<(Uuid, Arc<dyn Thing>)>> {
        let owners: Vec<Uuid> = if K::ACTING { vec![reading.acting().0] } else { owners.iter().map(|owner| owner.0).collect() };
        let visible = reading.filter(K::KIND)?;
        let select = K::Entity::find().filter(K::ORGANIZATION.eq_any(owners)).filter(K::ID.eq_any(ids)).filter(visible);
        let found = |row: K| -> (Uuid, Arc<dyn Thing>) {
            (row.id(), Arc::new(Found::<K> { archived: row.archived(), object: row.into() }))
        };
        Ok(row::all::<K>(reading.tx().await?, select).await?.into_iter().map(found).collect())
    }
}

/// The kinds of those ids that exist. The log knows most, by a statement of one size however many kinds there are; ids that no
/// event names are looked for in every table.
pub async fn find(
    reading: &dyn Reading,
    kinds: impl Iterator<Item = (&'static str, &'static dyn Api)> + Send,
    owner: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<(&'static str, Uuid)>> {
    let (logged, others): (Vec<_>, Vec<_>) = kinds.partition(|(_, api)| api.logged());
    let log = std::iter::once(LOG.to_owned()).chain(probes(&others));
    let mut found = named(reading, &[logged.as_slice(), &others].concat(), log, owner, ids).await?;
    let rest: Vec<Uuid> = ids.iter().copied().filter(|id| !found.iter().any(|(_, known)| known == id)).collect();
    if !rest.is_empty() {
        found.extend(named(reading, &logged, probes(&logged), owner, &rest).await?);
    }
    Ok(found)
}

/// One event of each thing, which names the thing's kind.
const LOG: &str = "SELECT event.resource_kind AS kind, asked.id FROM unnest($2::uuid[]) AS asked (id) CROSS JOIN LATERAL (
  SELECT resource_kind FROM event WHERE organization_id = ANY ($1::uuid[]) AND resource_id = asked.id LIMIT 1
) AS event";

type Named = (&'static str, &'static dyn Api);

/// A SELECT for each of these kinds.
fn probes(kinds: &[Named]) -> impl Iterator<Item = String> {
    kinds.iter().map(|(name, api)| format!("SELECT '{name}' AS kind, id FROM ({}) AS {name}", api.probe()))
}

/// The rows of these statements, each a kind's name and an id.
async fn named(
    reading: &dyn Reading,
    kinds: &[Named],
    statements: impl Iterator<Item = String>,
    owner: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<(&'static str, Uuid)>> {
    let sql = statements.collect::<Vec<_>>().join(" UNION ALL ");
    let mut values = vec![vec![owner.0].into(), ids.to_vec().into()];
    if sql.contains("$3") {
        values.push(reading.acting().0.into());
    }
    let rows = reading.tx().await?.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let kind: String = row.try_get("", "kind")?;
        // Events are about things as well that nobody can ask for by an id.
        if let Some((name, _)) = kinds.iter().find(|(name, _)| *name == kind) {
            found.push((*name, row.try_get("", "id")?));
        }
    }
    Ok(found)
}
