//! Things of any kind, found by their ids.

use crate::{Api, Kind, row};
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, OutputType, ServerResult, Value, registry::Registry, resolver_utils::Fields,
};
use async_trait::async_trait;
use schema::{OrganizationId, Reading, Result};
use schemars::{Schema, SchemaGenerator};
use sea_orm::{ColumnTrait, EntityTrait, IdenStatic, QueryFilter};
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
        let owner = if K::ACTING { "(SELECT app.acting())" } else { "$2::uuid" };
        let (organization, id) = (K::ORGANIZATION.as_str(), K::ID.as_str());
        format!(
            "SELECT {id} AS id, {organization} AS organization_id FROM {} WHERE {organization} = {owner} AND {id} = ANY ($1::uuid[])",
            K::TABLE
        )
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

/// A thing that exists: its kind, its organization and its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub kind: &'static str,
    pub owner: OrganizationId,
    pub id: Uuid,
}

/// The places of those ids that exist, in the owner's data and in that of everyone who engaged the acting organization. The log
/// knows most, by a statement of one size however many kinds there are, and the transaction reaches their owners in the same
/// message. Ids that no event names are looked for in every table.
pub async fn find(
    reading: &dyn Reading,
    kinds: impl Iterator<Item = (&'static str, &'static dyn Api)> + Send,
    owner: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<Place>> {
    let (logged, others): (Vec<_>, Vec<_>) = kinds.partition(|(_, api)| api.logged());
    let log = std::iter::once(LOG.to_owned()).chain(probes(&others));
    let mut found = named(reading, &[logged.as_slice(), &others].concat(), log, owner, ids).await?;
    let rest: Vec<Uuid> = ids.iter().copied().filter(|id| !found.iter().any(|place| place.id == *id)).collect();
    if !rest.is_empty() {
        found.extend(named(reading, &logged, probes(&logged), owner, &rest).await?);
    }
    Ok(found)
}

/// The owner's and the engagers' things that events name.
const LOG: &str = "SELECT kind, id, organization_id FROM app.whose($1::uuid[])";

type Named = (&'static str, &'static dyn Api);

/// A SELECT for each of these kinds.
fn probes(kinds: &[Named]) -> impl Iterator<Item = String> {
    kinds.iter().map(|(name, api)| format!("SELECT '{name}' AS kind, id, organization_id FROM ({}) AS probed", api.probe()))
}

/// The rows of these statements, each a kind's name, an id and an organization.
async fn named(
    reading: &dyn Reading,
    kinds: &[Named],
    statements: impl Iterator<Item = String>,
    owner: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<Place>> {
    let sql = statements.collect::<Vec<_>>().join(" UNION ALL ");
    let mut values = vec![ids.to_vec().into()];
    if sql.contains("$2") {
        values.push(owner.0.into());
    }
    let rows = reading.tx().await?.reaching(reading.acting(), &sql, values).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let kind: String = row.try_get("", "kind")?;
        // Events are about things as well that nobody can ask for by an id.
        if let Some((kind, _)) = kinds.iter().find(|(name, _)| *name == kind) {
            found.push(Place { kind, owner: OrganizationId(row.try_get("", "organization_id")?), id: row.try_get("", "id")? });
        }
    }
    Ok(found)
}
