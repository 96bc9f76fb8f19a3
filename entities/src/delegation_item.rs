//! The items of a delegation: the properties and portfolios that it covers.

use crate::{
    delegation::{Delegation, DelegationId},
    delegation_line,
    portfolio::PortfolioId,
    prelude::*,
    property::PropertyId,
};
use async_graphql::{ComplexObject, Context, SimpleObject, dataloader::Loader};
use chrono::{DateTime, Utc};
use kind::Key;
use schema::{Error, Nullable, Result, Snapshot, load_one, nullable, snapshot};
use sea_orm::{QueryOrder, UpdateMany, sea_query::Expr};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

#[row(table = "delegation_item", finder = false)]
pub struct Model {
    #[key]
    pub organization_id: OrganizationId,
    #[key]
    pub id: Uuid,
    pub delegation_id: DelegationId,
    pub property_id: Option<PropertyId>,
    pub portfolio_id: Option<PortfolioId>,
    pub removed_at: Option<Time>,
}

/// The items that these delegations still cover.
#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId, delegations: &[DelegationId]) -> Select<Entity> {
    let ids: Vec<Uuid> = delegations.iter().map(|id| id.0).collect();
    Entity::find()
        .filter(Column::OrganizationId.eq(organization))
        .filter(Column::DelegationId.eq_any(ids))
        .filter(Column::RemovedAt.is_null())
        .order_by_asc(Column::Id)
}

/// Takes these items out of their delegations.
#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn remove(organization: OrganizationId, ids: &[Uuid], now: DateTime<Utc>) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::RemovedAt, Expr::val(now))
        .filter(Column::OrganizationId.eq(organization))
        .filter(Column::Id.eq_any(ids.iter().copied()))
}

/// A property; a portfolio, with what is in it at the time; or, with both, the property as long as it
/// is in the portfolio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, SimpleObject)]
#[graphql(name = "DelegationItem", complex)]
pub struct Item {
    #[graphql(skip)]
    pub organization_id: OrganizationId,
    pub property_id: Option<PropertyId>,
    pub portfolio_id: Option<PortfolioId>,
}

impl From<&Model> for Item {
    fn from(row: &Model) -> Self {
        Item { organization_id: row.organization_id, property_id: row.property_id, portfolio_id: row.portfolio_id }
    }
}

impl Item {
    /// Whether a holder of the other items holds this one as well.
    pub fn covered_by(&self, theirs: &[Item]) -> bool {
        theirs.contains(self)
            || (self.property_id.is_some()
                && self.portfolio_id.is_some()
                && theirs.iter().any(|their| {
                    their.property_id.is_none() && their.portfolio_id == self.portfolio_id
                        || their.portfolio_id.is_none() && their.property_id == self.property_id
                }))
    }
}

kind::related!(Item);

/// The items of a delegation, visible to all who see the delegation.
pub struct Items(Key);

impl Items {
    pub fn of(delegation: &Delegation) -> Self {
        Items((delegation.organization_id, delegation.id.0))
    }
}

#[ComplexObject]
impl Items {
    /// What it covers.
    async fn items(&self, cx: &Context<'_>) -> Nullable<Vec<Item>> {
        nullable(async { load_one(&snapshot(cx).await?.loader(Loads), self.0).await }).await
    }

    /// Whether the rows of some that rest on it are yet to be brought in line with it. None of them counts for more than it does,
    /// meanwhile; the organization's operations `delegation/v1/settle` show the work.
    async fn settling(&self, cx: &Context<'_>) -> Nullable<bool> {
        nullable(async { load_one(&snapshot(cx).await?.loader(Settling), self.0).await }).await
    }
}

/// Loads the items of many delegations.
struct Loads(Weak<Snapshot>);

#[async_trait::async_trait]
impl Loader<Key> for Loads {
    type Value = Vec<Item>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Key]) -> Result<HashMap<Key, Vec<Item>>, Arc<Error>> {
        let load = async {
            let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
            let mut found: HashMap<_, Vec<Item>> = keys.iter().map(|key| (*key, Vec::new())).collect();
            for (organization, ids) in by_organization(keys) {
                for row in kind::row::all::<Model>(&snapshot.tx, of(organization, &ids)).await? {
                    found.entry((organization, row.delegation_id.0)).or_default().push((&row).into());
                }
            }
            Ok(found)
        };
        load.await.map_err(Arc::new)
    }
}

/// Loads whether many delegations settle.
struct Settling(Weak<Snapshot>);

#[async_trait::async_trait]
impl Loader<Key> for Settling {
    type Value = bool;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Key]) -> Result<HashMap<Key, bool>, Arc<Error>> {
        let load = async {
            let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
            let mut found = HashMap::new();
            for (organization, ids) in by_organization(keys) {
                for (id, line) in delegation_line::of(&snapshot.tx, organization, &ids).await? {
                    found.insert((organization, id.0), line.settling);
                }
            }
            Ok(found)
        };
        load.await.map_err(Arc::new)
    }
}

fn by_organization(keys: &[Key]) -> BTreeMap<OrganizationId, Vec<DelegationId>> {
    let mut all: BTreeMap<OrganizationId, Vec<DelegationId>> = BTreeMap::new();
    for (organization, id) in keys {
        all.entry(*organization).or_default().push(DelegationId(*id));
    }
    all
}
