//! Organizations: the isolation unit. An owner, a trust, an association, a provider or a concierge.

use crate::{
    loading::Row,
    membership::{self, Membership},
    page::{Connection, Page},
    relation,
};
use async_graphql::{ComplexObject, Context, SimpleObject, dataloader::Loader};
use chrono::{DateTime, Utc};
use queryplan::{Attribute, Scalar};
use schema::{Error, Nullable, OrganizationId, Result, Role, Snapshot, Time, Tx, nullable, snapshot, text_enum};
use schemars::JsonSchema;
use sea_orm::{ConnectionTrait, DbBackend, QueryFilter, Statement, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

pub const KIND: &str = "organization";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "organization",
    id: Scalar::uuid("id"),
    attributes: &[relation("id"), Attribute::text("type", "type")],
};

text_enum!(
    /// What kind of party an organization is.
    OrganizationType {
        IndividualPropertyOwner = "INDIVIDUAL_PROPERTY_OWNER",
        TrustOrLlc = "TRUST_OR_LLC",
        CommunityAssociation = "COMMUNITY_ASSOCIATION",
        ServiceProvider = "SERVICE_PROVIDER",
        /// Runs the concierge desk for owners who engage it.
        ConciergeOperator = "CONCIERGE_OPERATOR",
    }
);

impl OrganizationType {
    /// What its founder is in it.
    pub fn founder(self) -> Role {
        match self {
            OrganizationType::IndividualPropertyOwner | OrganizationType::TrustOrLlc => Role::Owner,
            OrganizationType::CommunityAssociation | OrganizationType::ServiceProvider | OrganizationType::ConciergeOperator => {
                Role::Administrator
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "organization")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrganizationId,
    pub r#type: OrganizationType,
    pub name: String,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find_by_id(organization)
}

/// Loads those that the reader may see, many at once.
pub struct Organizations(Weak<Snapshot>);

impl Organizations {
    pub fn of(snapshot: Weak<Snapshot>) -> Self {
        Organizations(snapshot)
    }
}

#[async_trait::async_trait]

impl Loader<OrganizationId> for Organizations {
    type Value = Organization;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[OrganizationId]) -> Result<HashMap<OrganizationId, Organization>, Arc<Error>> {
        let load = async {
            let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
            let ids: Vec<Uuid> = keys.iter().map(|id| id.0).collect();
            #[expect(clippy::disallowed_methods, reason = "its key is the organization")]
            let rows = Entity::find().filter(Column::Id.eq_any(ids)).filter(snapshot.filter(KIND)?).all(&snapshot.tx).await?;
            Ok(rows.into_iter().map(|row| (row.id, row.into())).collect())
        };
        load.await.map_err(Arc::new)
    }
}

impl Row for Model {
    const KIND: &'static str = KIND;
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn organization(&self) -> OrganizationId {
        self.id
    }
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
    fn attributes(&self) -> Map<String, Value> {
        Map::from_iter([("type".to_owned(), self.r#type.as_str().into())])
    }
}

/// A party that owns data here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(complex)]
pub struct Organization {
    pub id: OrganizationId,
    pub r#type: OrganizationType,
    pub name: String,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<Model> for Organization {
    fn from(Model { id, r#type, name, version, created_at, updated_at }: Model) -> Self {
        Organization { id, r#type, name, version, created_at: created_at.into(), updated_at: updated_at.into() }
    }
}

#[ComplexObject]
impl Organization {
    /// Who may act for it, and as what. You see all of them if your role manages members, else your own.
    async fn memberships(
        &self,
        cx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Nullable<Connection<Membership>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            let snapshot = snapshot(cx).await?;
            let visible = snapshot.filter(membership::KIND)?;
            membership::list(&snapshot.tx, self.id, visible, page).await.map(Some)
        })
        .await
    }
}

/// Creates an organization with its founder, in the founder's own scope.
pub async fn create(
    tx: &Tx,
    id: OrganizationId,
    r#type: OrganizationType,
    name: &str,
    membership: Uuid,
    now: DateTime<Utc>,
) -> Result<Organization> {
    let founder = r#type.founder();
    let values = [id.0.into(), r#type.as_str().into(), name.into(), founder.as_str().into(), membership.into(), now.into()];
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT app.organization_create($1, $2, $3, $4, $5, $6)", values);
    tx.execute_raw(statement).await?;
    Ok(Organization { id, r#type, name: name.to_owned(), version: 1, created_at: now.into(), updated_at: now.into() })
}
