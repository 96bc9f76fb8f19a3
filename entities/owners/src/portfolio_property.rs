//! The properties in portfolios: which is in which, since when, and until when.

use crate::{
    portfolio::{self, PortfolioId},
    prelude::*,
    property::{self, PropertyId},
};
use futures_util::future::BoxFuture;
use kind::{Key, among, row::read_at};
use schema::{Result, Tx};
use sea_orm::{
    Condition, ConnectionTrait, JoinType, Order, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Alias, Asterisk, Expr, ExprTrait, Func, IntoCondition, Query, SimpleExpr},
};
use std::collections::HashMap;

#[row(table = "portfolio_property")]
pub struct Model {
    #[key]
    pub organization_id: OrganizationId,
    #[key]
    pub portfolio_id: PortfolioId,
    #[key]
    pub property_id: PropertyId,
    pub position: i32,
    pub added_at: Time,
    pub removed_at: Option<Time>,
}

pub fn one(organization: OrganizationId, portfolio: PortfolioId, property: PropertyId) -> Select<Entity> {
    of(organization).filter(Column::PortfolioId.eq(portfolio)).filter(Column::PropertyId.eq(property))
}

fn theirs(column: Column) -> SimpleExpr {
    Expr::col((Entity, column))
}

/// The first properties of each portfolio, of a selection, by their ids. One statement reads no more than those of each: the
/// key of `portfolio_property` is in that order.
pub async fn first_of_each(
    tx: &Tx,
    organization: OrganizationId,
    portfolios: &[PortfolioId],
    which: Condition,
    descending: bool,
    many: u64,
) -> Result<HashMap<PortfolioId, Vec<property::Model>>> {
    let (parent, of) = (Alias::new("of_portfolio"), Alias::new("property"));
    let within = theirs(Column::OrganizationId)
        .equals((property::Entity, property::Column::OrganizationId))
        .and(theirs(Column::PropertyId).equals((property::Entity, property::Column::Id)));
    let keys: Vec<Key> = portfolios.iter().map(|portfolio| (organization, portfolio.0)).collect();
    #[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
    let mut each = property::Entity::find()
        .filter(among(tx, Column::OrganizationId, &keys))
        .filter(Column::RemovedAt.is_null())
        .filter(which);
    QuerySelect::query(&mut each)
        .join(JoinType::InnerJoin, Entity, within.into_condition())
        .and_where(theirs(Column::PortfolioId).eq(Expr::col((parent.clone(), parent.clone()))))
        .order_by((Entity, Column::PropertyId), if descending { Order::Desc } else { Order::Asc })
        .limit(many);
    let ids: Vec<Uuid> = portfolios.iter().map(|id| id.0).collect();
    let all = Query::select()
        .column((parent.clone(), parent.clone()))
        .column((of.clone(), Asterisk))
        .from_function(Func::cust("unnest").arg(Expr::val(ids)), parent)
        .join_lateral(JoinType::InnerJoin, each.into_query(), of, Expr::cust("true").into_condition())
        .take();
    let mut found: HashMap<PortfolioId, Vec<property::Model>> = HashMap::new();
    for row in tx.query_all(&all).await? {
        let portfolio: PortfolioId = row.try_get("", "of_portfolio")?;
        found.entry(portfolio).or_default().push(read_at(&row, 1)?);
    }
    Ok(found)
}

/// The portfolios that properties are in, in their order.
pub fn portfolios<'a>(
    tx: &'a Tx,
    properties: &'a [Key],
    visible: Condition,
) -> BoxFuture<'a, Result<Vec<(Key, portfolio::Model)>>> {
    Box::pin(async move {
        let ids: Vec<Uuid> = properties.iter().map(|(_, id)| *id).collect();
        let joined = theirs(Column::OrganizationId)
            .equals((portfolio::Entity, portfolio::Column::OrganizationId))
            .and(theirs(Column::PortfolioId).equals((portfolio::Entity, portfolio::Column::Id)));
        #[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
        let mut select = portfolio::Entity::find()
            .column_as(Column::PropertyId, "of_property")
            .filter(among(tx, Column::OrganizationId, properties))
            .filter(Column::PropertyId.eq_any(ids))
            .filter(Column::RemovedAt.is_null())
            .filter(visible)
            .order_by_asc(portfolio::Column::Position)
            .order_by_asc(portfolio::Column::Id);
        QuerySelect::query(&mut select).join(JoinType::InnerJoin, Entity, joined.into_condition());
        let rows = tx.query_all(select.as_query()).await?;
        let found = |row: &sea_orm::QueryResult| -> Result<(Key, portfolio::Model)> {
            let property: Uuid = row.try_get("", "of_property")?;
            let row: portfolio::Model = read_at(row, 0)?;
            Ok(((row.organization_id, property), row))
        };
        rows.iter().map(found).collect()
    })
}
