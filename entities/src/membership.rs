//! Memberships: who may act for an organization, as what, from when until when, by whom and why.
//! An invitation is a membership that is not accepted yet.

use crate::{
    loading::Row,
    page::{self, Connection, Page, Sort},
    relation,
};
use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};
use queryplan::{Attribute, Scalar};
use schema::{OrganizationId, PrincipalId, Result, Role, Time, Tx, text_enum};
use schemars::JsonSchema;
use sea_orm::{Condition, DbBackend, FromQueryResult, QueryFilter, Statement, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub const KIND: &str = "membership";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "membership",
    id: Scalar::uuid("id"),
    attributes: &[
        relation("organization_id"),
        Attribute::text("role", "role"),
        Attribute::value("principal", Scalar::uuid("principal_id").or_missing()),
    ],
};

schema::id!(
    /// One principal's standing in one organization.
    MembershipId
);

text_enum!(
    /// Where a membership stands.
    MembershipState { Invited = "INVITED", Active = "ACTIVE", Revoked = "REVOKED", Expired = "EXPIRED" }
);

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "membership")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MembershipId,
    pub principal_id: Option<PrincipalId>,
    pub email: Option<String>,
    pub role: Role,
    pub state: MembershipState,
    pub starts_at: DateTime<Utc>,
    pub ends_at: Option<DateTime<Utc>>,
    pub invited_by: PrincipalId,
    pub reason: Option<String>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub ended_by: Option<PrincipalId>,
    pub end_reason: Option<String>,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganizationId.eq(organization))
}

pub fn by_id(organization: OrganizationId, id: MembershipId) -> Select<Entity> {
    of(organization).filter(Column::Id.eq(id))
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
        let mut attributes = Map::from_iter([("role".to_owned(), Value::from(self.role.as_str()))]);
        if let Some(principal) = self.principal_id {
            attributes.insert("principal".to_owned(), principal.to_string().into());
        }
        attributes
    }
}

/// Who may act for an organization, as what, until when, and who said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    pub id: MembershipId,
    pub organization_id: OrganizationId,
    /// Null until an invitation by e-mail is accepted.
    pub principal_id: Option<PrincipalId>,
    /// Whom the invitation was sent to.
    pub email: Option<String>,
    pub role: Role,
    pub state: MembershipState,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
    pub invited_by: PrincipalId,
    /// Why it was given.
    pub reason: Option<String>,
    pub accepted_at: Option<Time>,
    pub ended_at: Option<Time>,
    pub ended_by: Option<PrincipalId>,
    pub end_reason: Option<String>,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<Model> for Membership {
    fn from(row: Model) -> Self {
        let Model {
            organization_id,
            id,
            principal_id,
            email,
            role,
            state,
            starts_at,
            ends_at,
            invited_by,
            reason,
            accepted_at,
            ended_at,
            ended_by,
            end_reason,
            version,
            created_at,
            updated_at,
        } = row;
        Membership {
            id,
            organization_id,
            principal_id,
            email,
            role,
            state,
            starts_at: starts_at.into(),
            ends_at: ends_at.map(Time),
            invited_by,
            reason,
            accepted_at: accepted_at.map(Time),
            ended_at: ended_at.map(Time),
            ended_by,
            end_reason,
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}

pub async fn list(tx: &Tx, organization: OrganizationId, visible: Condition, page: Page) -> Result<Connection<Membership>> {
    let sort = Sort {
        name: "membership:CREATED_ASC",
        column: Column::Id,
        descending: false,
        key: |row: &Model| row.id.to_string(),
        bind: page::bind_id,
    };
    page::page(tx, of(organization).filter(visible), Column::Id, sort, page, |row| row.id.0).await
}

/// An invitation, for the one whom it is addressed to: runs in that principal's own scope.
pub async fn invitation(tx: &Tx, id: MembershipId) -> Result<Option<Model>> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM app.invitation($1)", [id.0.into()]);
    Ok(Model::find_by_statement(statement).one(tx).await?)
}

/// Accepts it. None if it is no longer open.
pub async fn accept(tx: &Tx, id: MembershipId, now: DateTime<Utc>) -> Result<Option<Model>, DbErr> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT * FROM app.membership_accept($1, $2)",
        [id.0.into(), now.into()],
    );
    Model::find_by_statement(statement).one(tx).await
}

/// Memberships whose term is over, across organizations: ids and terms only.
pub async fn due(pool: &sqlx::PgPool, now: DateTime<Utc>) -> Result<Vec<(OrganizationId, MembershipId, DateTime<Utc>)>> {
    let rows: Vec<(Uuid, Uuid, DateTime<Utc>)> =
        sqlx::query_as("SELECT organization_id, id, ends_at FROM app.memberships_due($1, 100)").bind(now).fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(organization, id, ends)| (OrganizationId(organization), MembershipId(id), ends)).collect())
}

/// How many people besides its holder govern the acting organization without end.
pub async fn other_governors(tx: &Tx, but: MembershipId, now: DateTime<Utc>) -> Result<i64> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT app.other_governors($1, $2) AS n",
        [but.0.into(), now.into()],
    );
    let row = sea_orm::ConnectionTrait::query_one_raw(tx, statement).await?;
    Ok(row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0))
}
