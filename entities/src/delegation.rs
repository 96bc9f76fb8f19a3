//! Delegations: who may do what with which properties until when, by whose leave. What of them counts
//! now is said by views, which policies see as the relation `delegations` of a row.

use crate::{
    loading::Row,
    page::{self, Connection, Page},
    portfolio::PortfolioId,
    property::PropertyId,
    ready::plain,
    relation,
};
use async_graphql::{ComplexObject, Context, InputObject, SimpleObject};
use chrono::{DateTime, Utc};
use garde::Validate;
use queryplan::{Attribute, Elements, Link, Of, Record, Scalar, Stored};
use schema::{Nullable, OrganizationId, PrincipalId, Result, Time, Tx, load_one, nullable, snapshot, text_enum};
use schemars::JsonSchema;
use sea_orm::{Condition, ConnectionTrait, DbBackend, QueryFilter, Statement, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub const KIND: &str = "delegation";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "delegation",
    id: Scalar::uuid("id"),
    attributes: &[
        relation("organization_id"),
        Attribute::value("holder", Scalar::uuid("holder_id")),
        Attribute::value("grantor", Scalar::uuid("grantor_id")),
        Attribute { name: "parent", of: Of::One(&PARENT) },
    ],
};
static PARENT: Link = Link {
    through: &[],
    to: &Record {
        table: "delegation",
        fields: &[
            Attribute::value("holder", Scalar::uuid("holder_id")),
            Attribute::value("mayDelegate", Scalar::new("may_delegate", Stored::Bool)),
        ],
    },
    on: &[("organization_id", "organization_id"), ("parent_id", "id")],
};

static PROPERTY: Record = Record { table: "delegated_property", fields: FIELDS };
static PORTFOLIO: Record = Record { table: "delegated_portfolio", fields: FIELDS };
const FIELDS: &[Attribute] =
    &[Attribute::value("holder", Scalar::uuid("holder_id")), Attribute::value("action", Scalar::text("action"))];
/// From a property.
pub static OF_PROPERTY: Link =
    Link { through: &[], to: &PROPERTY, on: &[("organization_id", "organization_id"), ("id", "property_id")] };
/// From what hangs on a property.
pub static BESIDE_PROPERTY: Link =
    Link { through: &[], to: &PROPERTY, on: &[("organization_id", "organization_id"), ("property_id", "property_id")] };
/// From an event about a property.
pub static OF_EVENT: Link =
    Link { through: &[], to: &PROPERTY, on: &[("organization_id", "organization_id"), ("resource_id", "property_id")] };
/// From a portfolio.
pub static OF_PORTFOLIO: Link =
    Link { through: &[], to: &PORTFOLIO, on: &[("organization_id", "organization_id"), ("id", "portfolio_id")] };

pub const fn attribute(link: &'static Link) -> Attribute {
    Attribute { name: "delegations", of: Of::Many { link, elements: Elements::Records, order: None } }
}

/// What a delegation must cover to count for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delegable {
    Property(PropertyId),
    Portfolio(PortfolioId),
}

/// One action that one principal was delegated over a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegated {
    holder: PrincipalId,
    action: String,
    delegation: DelegationId,
}

impl Delegated {
    pub fn attribute(&self) -> Value {
        json!({ "holder": self.holder, "action": self.action })
    }
}

/// What a principal was delegated over this, and counts now.
pub async fn over(
    db: &impl ConnectionTrait,
    organization: OrganizationId,
    what: Delegable,
    holder: PrincipalId,
) -> Result<Vec<Delegated>> {
    let (view, column, id) = match what {
        Delegable::Property(id) => ("delegated_property", "property_id", id.0),
        Delegable::Portfolio(id) => ("delegated_portfolio", "portfolio_id", id.0),
    };
    let sql = format!(
        "SELECT DISTINCT ON (action) action, delegation_id FROM {view} WHERE organization_id = $1 AND {column} = $2 AND holder_id = $3 ORDER BY 1, 2"
    );
    let values = [organization.0.into(), id.into(), holder.0.into()];
    let rows = db.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    rows.iter()
        .map(|row| Ok(Delegated { holder, action: row.try_get("", "action")?, delegation: row.try_get("", "delegation_id")? }))
        .collect()
}

/// The delegation that someone does this by.
pub fn leave(all: &[Delegated], verb: &str) -> Option<DelegationId> {
    let needed = match verb {
        "update" => DelegatedAction::Update,
        "archive" | "restore" => DelegatedAction::Archive,
        "record" | "correct" => DelegatedAction::RecordFinances,
        _ => DelegatedAction::Read,
    };
    all.iter().find(|one| one.action == needed.as_str()).map(|one| one.delegation)
}

/// Whether this member stands for the owner now, so that what they delegated counts.
pub async fn may_give(
    db: &impl ConnectionTrait,
    organization: OrganizationId,
    member: PrincipalId,
    now: DateTime<Utc>,
) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM membership WHERE organization_id = $1 AND principal_id = $2 AND state = 'ACTIVE'
                 AND role IN ('OWNER', 'CO_OWNER', 'TRUSTEE', 'ADMINISTRATOR') AND starts_at <= $3 AND (ends_at IS NULL OR ends_at > $3)) AS yes";
    let values = [organization.0.into(), member.0.into(), now.into()];
    let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(row.map(|row| row.try_get("", "yes")).transpose()?.unwrap_or(false))
}

schema::id!(
    /// One principal's leave to do something with some properties.
    DelegationId
);

text_enum!(
    /// What can be delegated over a property.
    DelegatedAction {
        /// To see it, and its history. Goes with every other one.
        Read = "READ",
        /// To change what is known about it.
        Update = "UPDATE",
        /// To put it aside and to take it back.
        Archive = "ARCHIVE",
        /// To see what came in and went out for it.
        ReadFinances = "READ_FINANCES",
        /// To record and to correct that.
        RecordFinances = "RECORD_FINANCES",
    }
);

text_enum!(
    /// Where a delegation stands. One whose term has not begun is active, and does not count yet.
    DelegationState { Active = "ACTIVE", Revoked = "REVOKED", Expired = "EXPIRED" }
);

/// Who may do what with which properties until when, by whose leave.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[sea_orm(table_name = "delegation")]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Delegation")]
#[graphql(name = "Delegation", complex)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DelegationId,
    /// Who may.
    pub holder_id: PrincipalId,
    /// By whose leave.
    pub grantor_id: PrincipalId,
    /// The delegation that it rests on, if it was passed on.
    pub parent_id: Option<DelegationId>,
    /// The member at the beginning of the chain: it counts as long as they could still give it.
    pub root_id: PrincipalId,
    pub actions: Vec<DelegatedAction>,
    /// Whether the holder may pass it on, in whole or in part.
    pub may_delegate: bool,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
    pub state: DelegationState,
    /// Why it was given.
    pub reason: Option<String>,
    pub ended_at: Option<Time>,
    pub ended_by: Option<PrincipalId>,
    pub end_reason: Option<String>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

plain!(Model {
    "organizationId" = organization_id,
    "id" = id,
    "holderId" = holder_id,
    "grantorId" = grantor_id,
    "parentId" = parent_id,
    "rootId" = root_id,
    "actions" = actions,
    "mayDelegate" = may_delegate,
    "startsAt" = starts_at,
    "endsAt" = ends_at,
    "state" = state,
    "reason" = reason,
    "endedAt" = ended_at,
    "endedBy" = ended_by,
    "endReason" = end_reason,
    "version" = version,
    "createdAt" = created_at,
    "updatedAt" = updated_at,
});

pub type Delegation = Model;

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganizationId.eq(organization))
}

pub fn by_id(organization: OrganizationId, id: DelegationId) -> Select<Entity> {
    of(organization).filter(Column::Id.eq(id))
}

/// Those that rest on it.
pub fn children(organization: OrganizationId, id: DelegationId) -> Select<Entity> {
    of(organization).filter(Column::ParentId.eq(id)).filter(Column::State.eq(DelegationState::Active))
}

impl crate::cells::Cells for Model {}

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
    fn attributes(&self) -> Map<String, Value> {
        Map::from_iter([
            ("holder".to_owned(), self.holder_id.to_string().into()),
            ("grantor".to_owned(), self.grantor_id.to_string().into()),
        ])
    }
}

impl Model {
    /// In its term, as far as the row says it.
    pub fn active(&self, now: DateTime<Utc>) -> bool {
        self.state == DelegationState::Active && self.ends_at.is_none_or(|ends| ends.0 > now)
    }
}

#[ComplexObject]
impl Model {
    /// What it covers.
    async fn items(&self, cx: &Context<'_>) -> Nullable<Vec<item::Item>> {
        nullable(async {
            let loader = snapshot(cx).await?.loader(item::Items::of);
            load_one(&loader, (self.organization_id, self.id)).await
        })
        .await
    }
}

/// What a delegation covers.
pub mod item {
    use super::{DelegationId, OrganizationId, PortfolioId, PropertyId};
    use async_graphql::{SimpleObject, dataloader::Loader};
    use chrono::{DateTime, Utc};
    use schema::{Error, Result, Snapshot};
    use sea_orm::{QueryOrder, entity::prelude::*};
    use std::{
        collections::HashMap,
        sync::{Arc, Weak},
    };

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "delegation_item")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organization_id: OrganizationId,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub delegation_id: DelegationId,
        pub property_id: Option<PropertyId>,
        pub portfolio_id: Option<PortfolioId>,
        pub removed_at: Option<DateTime<Utc>>,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}

    /// What it covers still.
    #[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
    pub fn of(organization: OrganizationId, delegations: &[DelegationId]) -> Select<Entity> {
        let ids: Vec<Uuid> = delegations.iter().map(|id| id.0).collect();
        Entity::find()
            .filter(Column::OrganizationId.eq(organization))
            .filter(Column::DelegationId.eq_any(ids))
            .filter(Column::RemovedAt.is_null())
            .order_by_asc(Column::Id)
    }

    /// A property; a portfolio, with what is in it at the time; or, with both, the property as long as it
    /// is in the portfolio.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, SimpleObject)]
    #[graphql(name = "DelegationItem")]
    pub struct Item {
        pub property_id: Option<PropertyId>,
        pub portfolio_id: Option<PortfolioId>,
    }

    impl From<&Model> for Item {
        fn from(row: &Model) -> Self {
            Item { property_id: row.property_id, portfolio_id: row.portfolio_id }
        }
    }

    /// Loads what delegations cover: whoever sees a delegation sees that of it.
    pub struct Items(Weak<Snapshot>);

    impl Items {
        pub fn of(snapshot: Weak<Snapshot>) -> Self {
            Items(snapshot)
        }
    }

    #[async_trait::async_trait]

    impl Loader<(OrganizationId, DelegationId)> for Items {
        type Value = Vec<Item>;
        type Error = Arc<Error>;

        async fn load(
            &self,
            keys: &[(OrganizationId, DelegationId)],
        ) -> Result<HashMap<(OrganizationId, DelegationId), Vec<Item>>, Arc<Error>> {
            let load = async {
                let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
                let mut found: HashMap<_, Vec<Item>> = keys.iter().map(|key| (*key, Vec::new())).collect();
                let mut organizations: Vec<OrganizationId> = keys.iter().map(|(organization, _)| *organization).collect();
                organizations.sort_unstable();
                organizations.dedup();
                for organization in organizations {
                    let ids: Vec<DelegationId> = keys.iter().map(|(_, id)| *id).collect();
                    for row in of(organization, &ids).all(&snapshot.tx).await? {
                        found.entry((organization, row.delegation_id)).or_default().push((&row).into());
                    }
                }
                Ok(found)
            };
            load.await.map_err(Arc::new)
        }
    }

    impl Item {
        /// Whether who has these has this as well.
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
}

/// Which delegations. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DelegationFilter {
    /// Any of these.
    #[garde(skip)]
    pub state: Option<Vec<DelegationState>>,
    #[garde(skip)]
    pub holder_id: Option<PrincipalId>,
    /// Covers this property by name, or by the name of a portfolio that it was in when it was passed on.
    #[garde(skip)]
    pub property_id: Option<PropertyId>,
    #[garde(skip)]
    pub portfolio_id: Option<PortfolioId>,
}

impl DelegationFilter {
    fn condition(self) -> Condition {
        let DelegationFilter { state, holder_id, property_id, portfolio_id } = self;
        Condition::all()
            .add_option(state.map(|all| Column::State.eq_any(page::texts(all, DelegationState::as_str))))
            .add_option(holder_id.map(|id| Column::HolderId.eq(id)))
            .add_option(property_id.map(|id| covers(item::Column::PropertyId, id.0)))
            .add_option(portfolio_id.map(|id| covers(item::Column::PortfolioId, id.0)))
    }
}

fn covers(column: item::Column, id: Uuid) -> sea_orm::sea_query::SimpleExpr {
    use sea_orm::sea_query::{Expr as SqlExpr, ExprTrait, Query};
    let theirs = |column: item::Column| SqlExpr::col((item::Entity, column));
    let select = Query::select()
        .expr(SqlExpr::val(1))
        .from(item::Entity)
        .and_where(theirs(item::Column::OrganizationId).equals((Entity, Column::OrganizationId)))
        .and_where(theirs(item::Column::DelegationId).equals((Entity, Column::Id)))
        .and_where(theirs(column).eq(id))
        .and_where(theirs(item::Column::RemovedAt).is_null())
        .take();
    SqlExpr::exists(select)
}

page::orders!(
    /// In which order. Ties are broken by id, so that every order is total.
    DelegationOrder of "delegation" {
        // Ids are made in the order of their time.
        CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id, |row| row.id.to_string(), page::bind_id;
    }
);

/// A page of the organization's delegations, of those that the reader may see.
pub async fn list(
    tx: &Tx,
    organization: OrganizationId,
    visible: Condition,
    filter: Option<DelegationFilter>,
    order: Option<DelegationOrder>,
    page: Page,
) -> Result<Connection<Delegation>> {
    let select = of(organization).filter(visible).filter(filter.unwrap_or_default().condition());
    page::page(tx, select, Column::Id, order.unwrap_or(DelegationOrder::CreatedDesc).sort(), page, |row| row.id.0).await
}

/// Delegations whose term is over, across organizations: ids and terms only.
pub async fn due(pool: &sqlx::PgPool, now: DateTime<Utc>) -> Result<Vec<(OrganizationId, DelegationId, DateTime<Utc>)>> {
    let rows: Vec<(Uuid, Uuid, DateTime<Utc>)> =
        sqlx::query_as("SELECT organization_id, id, ends_at FROM app.delegations_due($1, 100)").bind(now).fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(organization, id, ends)| (OrganizationId(organization), DelegationId(id), ends)).collect())
}
