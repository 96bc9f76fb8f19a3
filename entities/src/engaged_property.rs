//! What a concierge lists: the properties of all who engaged it, in one order. A projection that the
//! database itself writes; the rows are read from the properties, under their own rights.

use crate::{
    access_grant,
    prelude::*,
    property::{self, Property, PropertyId, PropertyKind, PropertyOrder, PropertyStatus},
};
use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};
use kind::{
    Connection, Edge, Key, Page, among,
    page::{self, Order as _},
};
use queryplan::{Attribute, Scalar};
use schema::{Context, Result, Snapshot, Tx};
use sea_orm::{
    Condition,
    sea_query::{Expr as SqlExpr, ExprTrait, Query, SimpleExpr},
};
use std::collections::HashMap;

pub const KIND: &str = "engaged_property";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "engaged_property",
    id: Scalar::uuid("property_id"),
    attributes: &[kind::relation("owner_organization_id"), Attribute::text("kind", "kind"), Attribute::text("status", "status")],
};
pub static INFO: KindInfo = KindInfo::listed::<Model>(KIND, &RESOURCE);

/// A property, as the organization sees it that was engaged.
#[row(table = "engaged_property", finder = false)]
pub struct Model {
    #[key]
    pub organization_id: OrganizationId,
    #[key]
    pub property_id: PropertyId,
    #[key]
    pub owner_organization_id: OrganizationId,
    pub kind: PropertyKind,
    pub status: PropertyStatus,
    pub line1: String,
    pub locality: String,
    pub region: Option<String>,
    pub country: String,
    pub updated_at: Time,
}

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

/// Which of them.
#[filter]
pub struct EngagedPropertyFilter {
    /// Of any of these.
    #[by(of_owners)]
    #[count(0, 100)]
    pub organization_ids: Option<Vec<OrganizationId>>,
    /// Any of these.
    #[any(Kind)]
    pub kind: Option<Vec<PropertyKind>>,
    #[any(Status)]
    pub status: Option<Vec<PropertyStatus>>,
    #[is(Region)]
    #[text(100)]
    pub region: Option<String>,
    #[is(Locality)]
    #[text(100)]
    pub locality: Option<String>,
    #[is(Country)]
    #[country]
    pub country: Option<String>,
    /// Changed at this time or later.
    #[from(UpdatedAt)]
    pub updated_since: Option<Time>,
}

fn of_owners(all: Vec<OrganizationId>) -> SimpleExpr {
    match all.as_slice() {
        // So that an index gives it in order.
        [one] => Column::OwnerOrganizationId.eq(*one),
        _ => Column::OwnerOrganizationId.eq_any(all.into_iter().map(|id| id.0).collect::<Vec<_>>()),
    }
}

fn sort(order: PropertyOrder) -> page::Sort<Column> {
    let of = order.sort();
    let column = match of.column {
        property::Column::UpdatedAt => Column::UpdatedAt,
        property::Column::Line1 => Column::Line1,
        _ => Column::PropertyId,
    };
    page::Sort { list: KIND, order: of.order, column, descending: of.descending }
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
    page::page(tx, select, Column::PropertyId, sort(order.unwrap_or(PropertyOrder::CreatedAsc)), page, |row: &Model| {
        row.property_id.0
    })
    .await
}

/// The properties of a page, which the transaction reaches by now.
async fn read(tx: &Tx, places: Connection<Place>, visible: Condition) -> Result<Connection<Property>> {
    let Connection { edges, page_info, total_count } = places;
    let keys: Vec<Key> = edges.iter().map(|edge| (edge.node.owner, edge.node.id.0)).collect();
    let ids: Vec<Uuid> = keys.iter().map(|(_, id)| *id).collect();
    #[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
    let select = property::Entity::find()
        .filter(among(tx, property::Column::OrganizationId, &keys))
        .filter(property::Column::Id.eq_any(ids))
        .filter(visible);
    let rows: Vec<property::Model> = kind::row::all(tx, select).await?;
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
