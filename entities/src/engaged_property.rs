//! What a concierge lists: the properties of all who engaged it, in one order. A projection that the
//! database itself writes; the rows are read from the properties, under their own rights.

use crate::{
    access_grant,
    page::{self, Connection, Edge, Page},
    property::{self, Property, PropertyId, PropertyKind, PropertyOrder, PropertyStatus},
};
use async_graphql::{InputObject, SimpleObject};
use chrono::{DateTime, Utc};
use garde::Validate;
use queryplan::{Attribute, Scalar};
use schema::{Context, OrganizationId, Result, Snapshot, Time, Tx, valid};
use schemars::JsonSchema;
use sea_orm::{
    Condition, QueryFilter,
    entity::prelude::*,
    sea_query::{Expr as SqlExpr, ExprTrait, Query},
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

pub const KIND: &str = "engaged_property";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "engaged_property",
    id: Scalar::uuid("property_id"),
    attributes: &[crate::relation("owner_organization_id"), Attribute::text("kind", "kind"), Attribute::text("status", "status")],
};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "engaged_property")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub property_id: PropertyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub owner_organization_id: OrganizationId,
    pub kind: PropertyKind,
    pub status: PropertyStatus,
    pub line1: String,
    pub locality: String,
    pub region: Option<String>,
    pub country: String,
    pub updated_at: DateTime<Utc>,
}

impl crate::cells::Cells for Model {}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Of those whose grant counts now.
#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId, now: DateTime<Utc>) -> Select<Entity> {
    use access_grant::Column as Grant;
    let grant = |column: Grant| SqlExpr::col((access_grant::Entity, column));
    let counts = Query::select()
        .expr(SqlExpr::val(1))
        .from(access_grant::Entity)
        .and_where(grant(Grant::OrganizationId).equals((Entity, Column::OwnerOrganizationId)))
        .and_where(grant(Grant::GranteeOrganizationId).eq(organization.0))
        .and_where(grant(Grant::RevokedAt).is_null())
        .and_where(grant(Grant::StartsAt).lte(now))
        .and_where(grant(Grant::EndsAt).is_null().or(grant(Grant::EndsAt).gt(now)))
        .take();
    Entity::find().filter(Column::OrganizationId.eq(organization)).filter(SqlExpr::exists(counts))
}

/// Which of them. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngagedPropertyFilter {
    /// Of any of these.
    #[garde(custom(valid::count(0, 100)))]
    pub organization_ids: Option<Vec<OrganizationId>>,
    /// Any of these.
    #[garde(skip)]
    pub kind: Option<Vec<PropertyKind>>,
    #[garde(skip)]
    pub status: Option<Vec<PropertyStatus>>,
    #[garde(custom(valid::text(100)))]
    pub region: Option<String>,
    #[garde(custom(valid::text(100)))]
    pub locality: Option<String>,
    #[garde(custom(valid::country))]
    pub country: Option<String>,
    /// Changed at this time or later.
    #[garde(skip)]
    pub updated_since: Option<Time>,
}

impl EngagedPropertyFilter {
    fn condition(self) -> Condition {
        let EngagedPropertyFilter { organization_ids, kind, status, region, locality, country, updated_since } = self;
        let ids = |all: Vec<OrganizationId>| all.into_iter().map(|id| id.0).collect::<Vec<_>>();
        Condition::all()
            .add_option(organization_ids.map(|all| match all.as_slice() {
                // So that an index gives it in order.
                [one] => Column::OwnerOrganizationId.eq(*one),
                _ => Column::OwnerOrganizationId.eq_any(ids(all)),
            }))
            .add_option(kind.map(|all| Column::Kind.eq_any(page::texts(all, PropertyKind::as_str))))
            .add_option(status.map(|all| Column::Status.eq_any(page::texts(all, PropertyStatus::as_str))))
            .add_option(region.map(|region| Column::Region.eq(region)))
            .add_option(locality.map(|locality| Column::Locality.eq(locality)))
            .add_option(country.map(|country| Column::Country.eq(country)))
            .add_option(updated_since.map(|since| Column::UpdatedAt.gte(since.0)))
    }
}

fn sort(order: PropertyOrder) -> page::Sort<Column, Model> {
    let of = order.sort();
    let (column, key): (Column, fn(&Model) -> String) = match of.column {
        property::Column::UpdatedAt => (Column::UpdatedAt, |row| page::time_key(row.updated_at)),
        property::Column::Line1 => (Column::Line1, |row| row.line1.clone()),
        _ => (Column::PropertyId, |row| row.property_id.to_string()),
    };
    let name = match order {
        PropertyOrder::CreatedAsc => "engaged_property:CREATED_ASC",
        PropertyOrder::CreatedDesc => "engaged_property:CREATED_DESC",
        PropertyOrder::UpdatedAsc => "engaged_property:UPDATED_ASC",
        PropertyOrder::UpdatedDesc => "engaged_property:UPDATED_DESC",
        PropertyOrder::AddressAsc => "engaged_property:ADDRESS_ASC",
        PropertyOrder::AddressDesc => "engaged_property:ADDRESS_DESC",
    };
    page::Sort { name, column, descending: of.descending, key, bind: of.bind }
}

/// Where a property of the page is to be read.
#[derive(Debug, Clone, SimpleObject)]
pub struct Place {
    owner: OrganizationId,
    id: PropertyId,
}

impl From<Model> for Place {
    fn from(row: Model) -> Self {
        Place { owner: row.owner_organization_id, id: row.property_id }
    }
}

async fn places(
    tx: &Tx,
    organization: OrganizationId,
    visible: Condition,
    filter: Option<EngagedPropertyFilter>,
    order: Option<PropertyOrder>,
    page: Page,
    now: DateTime<Utc>,
) -> Result<Connection<Place>> {
    let select = of(organization, now).filter(visible).filter(filter.unwrap_or_default().condition());
    page::page(tx, select, Column::PropertyId, sort(order.unwrap_or(PropertyOrder::CreatedAsc)), page, |row| row.property_id.0)
        .await
}

/// The properties of a page, which the transaction reaches by now.
async fn read(tx: &Tx, places: Connection<Place>, visible: Condition) -> Result<Connection<Property>> {
    let Connection { edges, page_info, total_count } = places;
    let keys: Vec<_> = edges.iter().map(|edge| (edge.node.owner, edge.node.id)).collect();
    let rows = property::many(tx, &keys).filter(visible).all(tx).await?;
    let mut found: HashMap<_, Property> = rows.into_iter().map(|row| ((row.organization_id, row.id), row.into())).collect();
    // One that its own rights hide is left out.
    let edges =
        edges.into_iter().filter_map(|Edge { cursor, node }| Some(Edge { cursor, node: found.remove(&(node.owner, node.id))? }));
    Ok(Connection { edges: edges.collect(), page_info, total_count })
}

/// A page of the properties of all who engaged the acting organization: two statements, however many they are.
pub async fn list(
    cx: &Context,
    (places_visible, visible): (Condition, Condition),
    filter: Option<EngagedPropertyFilter>,
    order: Option<PropertyOrder>,
    page: Page,
) -> Result<Connection<Property>> {
    let tx = cx.tx().await?;
    let places = places(tx, cx.organization(), places_visible, filter, order, page, cx.now()).await?;
    let owners: std::collections::BTreeSet<_> = places.edges.iter().map(|edge| edge.node.owner).collect();
    tx.reach(cx.organization(), owners.iter()).await?;
    read(tx, places, visible).await
}

/// The same for a query.
pub async fn seen(
    snapshot: &Snapshot,
    filter: Option<EngagedPropertyFilter>,
    order: Option<PropertyOrder>,
    page: Page,
) -> Result<Connection<Property>> {
    let (tx, acting) = (&snapshot.tx, snapshot.actor.organization);
    let places = places(tx, acting, snapshot.filter(KIND)?, filter, order, page, snapshot.now).await?;
    snapshot.reach(places.edges.iter().map(|edge| edge.node.owner)).await?;
    read(tx, places, snapshot.filter(property::KIND)?).await
}
