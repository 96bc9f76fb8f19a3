//! Things of any kind, found by their ids.

use crate::{Api, Kind, row};
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, OutputType, ServerResult, Value, registry::Registry, resolver_utils::Fields,
};
use async_trait::async_trait;
use schema::{Error, OrganizationId, Reading, Result};
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

/// The kinds of those ids that exist. One statement looks through all kinds.
pub async fn find(
    reading: &dyn Reading,
    kinds: impl Iterator<Item = (&'static str, &'static dyn Api)> + Send,
    owner: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<(&'static str, Uuid)>> {
    let kinds: Vec<_> = kinds.collect();
    let probe =
        |(at, (name, api)): (usize, &(&str, &dyn Api))| format!("SELECT {at} AS kind, id FROM ({}) AS {name}", api.probe());
    let probes: Vec<String> = kinds.iter().enumerate().map(probe).collect();
    let values = [vec![owner.0].into(), ids.to_vec().into(), reading.acting().0.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, probes.join(" UNION ALL "), values);
    let rows = reading.tx().await?.query_all_raw(statement).await?;
    let known = |row: &sea_orm::QueryResult| {
        let kind = usize::try_from(row.try_get::<i32>("", "kind")?).ok().and_then(|at| kinds.get(at));
        let (name, _) = kind.ok_or_else(|| Error::internal("a probe of no kind"))?;
        Ok((*name, row.try_get("", "id")?))
    };
    rows.iter().map(known).collect()
}
