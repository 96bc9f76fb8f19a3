//! Portfolios: properties grouped as their owner sees them, each in as many as it pleases.

use crate::{
    cells::{self, Cells},
    delegation::{self, Delegable},
    loading::Row,
    page::{self, Connection, Page},
    property::{self, Property, PropertyFilter, PropertyId, PropertyOrder},
    ready::{self, Ready, plain},
    report::{self, Report, ReportBy, ReportMeasure, ReportRow, Visible},
};
use async_graphql::{ComplexObject, Context, InputObject, SimpleObject, Value as GraphQlValue, dataloader::Loader};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use garde::Validate;
use queryplan::{Attribute, Scalar};
use schema::{Date, Error, Nullable, OrganizationId, Result, Snapshot, Time, Tx, input, nullable, snapshot, text_enum, valid};
use schemars::JsonSchema;
use sea_orm::{
    Condition, ConnectionTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{ExprTrait, IntoCondition},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

pub const KIND: &str = "portfolio";

pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "portfolio",
    id: Scalar::uuid("id"),
    attributes: &[
        crate::relation("organization_id"),
        delegation::attribute(&delegation::OF_PORTFOLIO),
        Attribute::text("status", "status"),
    ],
};

schema::id!(
    /// A group of properties.
    PortfolioId
);

text_enum!(
    /// Archived portfolios stay, and stay out of the way.
    PortfolioStatus { Active = "ACTIVE", Archived = "ARCHIVED" }
);

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "portfolio")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PortfolioId,
    pub name: String,
    pub colour: Option<String>,
    pub target_notes: Option<String>,
    pub position: i32,
    pub status: PortfolioStatus,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub archived_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganizationId.eq(organization))
}

pub fn by_id(organization: OrganizationId, id: PortfolioId) -> Select<Entity> {
    of(organization).filter(Column::Id.eq(id))
}

cells::cells!(Model {
    organization_id,
    id,
    name,
    colour,
    target_notes,
    position,
    status,
    version,
    created_at,
    updated_at,
    archived_at,
});

impl Row for Model {
    const KIND: &'static str = KIND;
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn organization(&self) -> OrganizationId {
        self.organization_id
    }
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
    fn delegable(&self) -> Option<Delegable> {
        Some(Delegable::Portfolio(self.id))
    }
    fn attributes(&self) -> Map<String, Value> {
        Map::from_iter([("status".to_owned(), self.status.as_str().into())])
    }
}

/// A group of properties, as their owner sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(complex)]
pub struct Portfolio {
    pub id: PortfolioId,
    /// Who owns the record.
    pub organization_id: OrganizationId,
    pub name: String,
    /// Such as `#2F6B4F`.
    pub colour: Option<String>,
    /// What is to become of it.
    pub target_notes: Option<String>,
    /// Its place among the others.
    pub position: i32,
    pub status: PortfolioStatus,
    /// For optimistic locking: send it with a change. It grows with every property that comes or goes.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
    pub archived_at: Option<Time>,
}

impl From<Model> for Portfolio {
    fn from(row: Model) -> Self {
        let Model {
            organization_id,
            id,
            name,
            colour,
            target_notes,
            position,
            status,
            version,
            created_at,
            updated_at,
            archived_at,
        } = row;
        Portfolio {
            id,
            organization_id,
            name,
            colour,
            target_notes,
            position,
            status,
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
            archived_at: archived_at.map(Time),
        }
    }
}

plain!(Portfolio {
    "id" = id,
    "organizationId" = organization_id,
    "name" = name,
    "colour" = colour,
    "targetNotes" = target_notes,
    "position" = position,
    "status" = status,
    "version" = version,
    "createdAt" = created_at,
    "updatedAt" = updated_at,
    "archivedAt" = archived_at,
} relation relation);

/// What hangs on portfolios, for all of them at once.
fn relation<'a>(cx: &'a Context<'a>, rows: &'a [&'a Portfolio]) -> Option<BoxFuture<'a, Option<Vec<GraphQlValue>>>> {
    match cx.item.node.name.node.as_str() {
        "properties" => Some(Box::pin(properties(cx, rows))),
        _ => None,
    }
}

/// The first page of each, by one statement.
async fn properties<'a>(cx: &'a Context<'a>, rows: &'a [&'a Portfolio]) -> Option<Vec<GraphQlValue>> {
    let absent = |name| Some(cx.param_value::<Option<String>>(name, None).ok()?.1.is_none());
    if !absent("after")? || !absent("before")? || cx.param_value::<Option<i32>>("last", None).ok()?.1.is_some() {
        return None;
    }
    let (_, first) = cx.param_value::<Option<i32>>("first", None).ok()?;
    let size = page::size(first).filter(|_| !cx.look_ahead().field("totalCount").exists())?;
    let (_, filter) = cx.param_value::<Option<PropertyFilter>>("filter", None).ok()?;
    let (_, order) = cx.param_value::<Option<PropertyOrder>>("orderBy", None).ok()?;
    input::validate_at("filter", filter.as_ref()).ok()?;
    let organization =
        rows.first().map(|row| row.organization_id).filter(|one| rows.iter().all(|row| row.organization_id == *one))?;
    let snapshot = snapshot(cx).await.ok()?;
    let which = Condition::all().add(snapshot.filter(property::KIND).ok()?).add(filter.unwrap_or_default().condition());
    let of: Vec<PortfolioId> = rows.iter().map(|row| row.id).collect();
    let sort = order.unwrap_or(PropertyOrder::CreatedAsc).sort();
    // Any other order needs all of a portfolio's properties, which is a statement for each.
    let sort = Some(sort).filter(|sort| matches!(sort.column, property::Column::Id))?;
    let mut found = member::first_of_each(&snapshot.tx, organization, &of, which, sort.descending, size + 1).await.ok()?;
    let pages: Vec<Connection<Property>> =
        of.iter().map(|portfolio| page::first(found.remove(portfolio).unwrap_or_default(), size, sort, |row| row.id.0)).collect();
    let pages: Vec<&Connection<Property>> = pages.iter().collect();
    ready::connections(&cx.with_selection_set(&cx.item.node.selection_set), &pages).await
}

#[ComplexObject]
impl Portfolio {
    /// Counts its properties, or adds up their amounts.
    async fn report(
        &self,
        cx: &Context<'_>,
        by: ReportBy,
        measure: ReportMeasure,
        from: Option<Date>,
        until: Option<Date>,
    ) -> Nullable<Vec<ReportRow>> {
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let visible = Visible::of(|kind| snapshot.filter(kind))?;
            let today = Date(snapshot.now.date_naive());
            let report = Report { portfolios: Some(vec![self.id]), by, measure, from, until, today };
            report::report(&snapshot.tx, self.organization_id, visible, report).await.map(Some)
        })
        .await
    }

    /// Its properties, of those that the reader may see.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn properties(
        &self,
        cx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<PropertyFilter>,
        order_by: Option<PropertyOrder>,
    ) -> Nullable<Ready<Connection<Property>>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            input::validate_at("filter", filter.as_ref())?;
            let snapshot = snapshot(cx).await?;
            let visible = Condition::all().add(snapshot.filter(property::KIND)?).add(member::holds(self.id));
            property::list(&snapshot.tx, self.organization_id, visible, filter, order_by, page)
                .await
                .map(|page| Some(Ready(page)))
        })
        .await
    }
}

/// Which property is in which portfolio, since when, and until when.
pub mod member {
    use super::{DateTime, HashMap, OrganizationId, PortfolioId, PropertyId, Result, Tx, Utc, property};
    use crate::cells::Cells;
    use sea_orm::{
        Condition, ConnectionTrait, JoinType, Order, QueryFilter, QuerySelect, QueryTrait,
        entity::prelude::*,
        sea_query::{Alias, Asterisk, Expr as SqlExpr, ExprTrait, Func, IntoColumnRef, IntoCondition, Query, SimpleExpr},
    };

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "portfolio_property")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organization_id: OrganizationId,
        #[sea_orm(primary_key, auto_increment = false)]
        pub portfolio_id: PortfolioId,
        #[sea_orm(primary_key, auto_increment = false)]
        pub property_id: PropertyId,
        pub position: i32,
        pub added_at: DateTime<Utc>,
        pub removed_at: Option<DateTime<Utc>>,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}

    #[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
    pub fn of(organization: OrganizationId) -> Select<Entity> {
        Entity::find().filter(Column::OrganizationId.eq(organization))
    }

    pub fn one(organization: OrganizationId, portfolio: PortfolioId, property: PropertyId) -> Select<Entity> {
        of(organization).filter(Column::PortfolioId.eq(portfolio)).filter(Column::PropertyId.eq(property))
    }

    /// Of each of these portfolios the first properties of a selection by their ids, in one statement that reads no more of any:
    /// the member's key is in that order.
    pub async fn first_of_each(
        tx: &Tx,
        organization: OrganizationId,
        portfolios: &[PortfolioId],
        which: Condition,
        descending: bool,
        many: u64,
    ) -> Result<HashMap<PortfolioId, Vec<property::Model>>> {
        let (parent, of) = (Alias::new("of_portfolio"), Alias::new("property"));
        let theirs = |column: Column| SqlExpr::col((Entity, column));
        let within = theirs(Column::OrganizationId)
            .equals((property::Entity, property::Column::OrganizationId))
            .and(theirs(Column::PropertyId).equals((property::Entity, property::Column::Id)));
        let keys: Vec<_> = portfolios.iter().map(|portfolio| (organization, *portfolio)).collect();
        #[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
        let mut each = property::Entity::find()
            .filter(crate::among(tx, Column::OrganizationId, &keys))
            .filter(Column::RemovedAt.is_null())
            .filter(which);
        QuerySelect::query(&mut each)
            .join(JoinType::InnerJoin, Entity, within.into_condition())
            .and_where(theirs(Column::PortfolioId).eq(SqlExpr::col((parent.clone(), parent.clone()))))
            .order_by((Entity, Column::PropertyId), if descending { Order::Desc } else { Order::Asc })
            .limit(many);
        let ids: Vec<Uuid> = portfolios.iter().map(|id| id.0).collect();
        let all = Query::select()
            .column((parent.clone(), parent.clone()))
            .column((of.clone(), Asterisk))
            .from_function(Func::cust("unnest").arg(SqlExpr::val(ids)), parent)
            .join_lateral(JoinType::InnerJoin, each.into_query(), of, SqlExpr::cust("true").into_condition())
            .take();
        let mut found: HashMap<PortfolioId, Vec<property::Model>> = HashMap::new();
        for row in tx.query_all(&all).await? {
            let portfolio: PortfolioId = row.try_get("", "of_portfolio")?;
            found.entry(portfolio).or_default().push(property::Model::read(&row, 1)?);
        }
        Ok(found)
    }

    /// Of a property: it is in this portfolio.
    pub fn holds(portfolio: PortfolioId) -> SimpleExpr {
        holding((property::Entity, property::Column::OrganizationId), (property::Entity, property::Column::Id), portfolio)
    }

    /// Of what names its organization and a property in these columns: the property is in this portfolio.
    pub fn holding(organization: impl IntoColumnRef, property: impl IntoColumnRef, portfolio: PortfolioId) -> SimpleExpr {
        let theirs = |column: Column| SqlExpr::col((Entity, column));
        let select = Query::select()
            .expr(SqlExpr::val(1))
            .from(Entity)
            .and_where(theirs(Column::OrganizationId).equals(organization))
            .and_where(theirs(Column::PortfolioId).eq(portfolio.0))
            .and_where(theirs(Column::PropertyId).equals(property))
            .and_where(theirs(Column::RemovedAt).is_null())
            .take();
        SqlExpr::exists(select)
    }
}

/// Which portfolios. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortfolioFilter {
    /// Any of these.
    #[garde(skip)]
    pub status: Option<Vec<PortfolioStatus>>,
    /// Its name begins so.
    #[garde(custom(valid::text(200)))]
    pub name_begins: Option<String>,
}

impl PortfolioFilter {
    fn condition(self) -> Condition {
        let PortfolioFilter { status, name_begins } = self;
        let states = |all: Vec<PortfolioStatus>| all.into_iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>();
        Condition::all()
            .add_option(status.map(|all| Column::Status.eq_any(states(all))))
            // Letters, not wildcards.
            .add_option(
                name_begins.map(|start| {
                    Expr::cust_with_exprs("starts_with($1, $2)", [Expr::col((Entity, Column::Name)), Expr::val(start)])
                }),
            )
    }
}

page::orders!(
    /// In which order. Ties are broken by id, so that every order is total.
    PortfolioOrder of "portfolio" {
        PositionAsc = "POSITION_ASC", PositionDesc = "POSITION_DESC": Position, |row| row.position.to_string(), page::bind_int;
        NameAsc = "NAME_ASC", NameDesc = "NAME_DESC": Name, |row| row.name.clone(), page::bind_text;
        // Ids are made in the order of their time.
        CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id, |row| row.id.to_string(), page::bind_id;
    }
);

/// A page of the organization's portfolios, of those that the reader may see.
pub async fn list(
    tx: &Tx,
    organization: OrganizationId,
    visible: Condition,
    filter: Option<PortfolioFilter>,
    order: Option<PortfolioOrder>,
    page: Page,
) -> Result<Connection<Portfolio>> {
    let select = of(organization).filter(visible).filter(filter.unwrap_or_default().condition());
    page::page(tx, select, Column::Id, order.unwrap_or(PortfolioOrder::PositionAsc).sort(), page, |row| row.id.0).await
}

/// Loads the portfolios that properties are in, of those that the reader may see, many at once.
pub struct Groups(Weak<Snapshot>);

impl Groups {
    pub fn of(snapshot: Weak<Snapshot>) -> Self {
        Groups(snapshot)
    }
}

#[async_trait::async_trait]

impl Loader<(OrganizationId, PropertyId)> for Groups {
    type Value = Vec<Portfolio>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(OrganizationId, PropertyId)],
    ) -> Result<HashMap<(OrganizationId, PropertyId), Vec<Portfolio>>, Arc<Error>> {
        let load = async {
            let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
            let ids: Vec<Uuid> = keys.iter().map(|(_, id)| id.0).collect();
            let joined = Expr::col((member::Entity, member::Column::OrganizationId))
                .equals((Entity, Column::OrganizationId))
                .and(Expr::col((member::Entity, member::Column::PortfolioId)).equals((Entity, Column::Id)));
            #[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
            let mut select = Entity::find()
                .column_as(member::Column::PropertyId, "of_property")
                .filter(crate::among(&snapshot.tx, member::Column::OrganizationId, keys))
                .filter(member::Column::PropertyId.eq_any(ids))
                .filter(member::Column::RemovedAt.is_null())
                .filter(snapshot.filter(KIND)?)
                .order_by_asc(Column::Position)
                .order_by_asc(Column::Id);
            QuerySelect::query(&mut select).join(JoinType::InnerJoin, member::Entity, joined.into_condition());
            let mut found: HashMap<(OrganizationId, PropertyId), Vec<Portfolio>> =
                keys.iter().map(|key| (*key, Vec::new())).collect();
            for row in snapshot.tx.query_all(select.as_query()).await? {
                let property: PropertyId = row.try_get("", "of_property")?;
                let row = Model::read(&row, 0)?;
                found.entry((row.organization_id, property)).or_default().push(row.into());
            }
            Ok(found)
        };
        load.await.map_err(Arc::new)
    }
}
