//! Organizations: the isolation unit. An owner, a trust, an association, a provider or a concierge.

use crate::prelude::*;
use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};
use queryplan::Scalar;
use schema::{Result, Tx};
use schemars::JsonSchema;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, Statement};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub const KIND: &str = "organization";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "organization",
    id: Scalar::uuid("id"),
    attributes: &[kind::relation("id"), kind::fact::<OrganizationType>("type", "type")],
};
pub static INFO: KindInfo = KindInfo::of::<Model>(&RESOURCE, Rights::Decides);

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
    /// The role of the founder.
    pub fn founder(self) -> Role {
        match self {
            OrganizationType::IndividualPropertyOwner | OrganizationType::TrustOrLlc => Role::Owner,
            OrganizationType::CommunityAssociation | OrganizationType::ServiceProvider | OrganizationType::ConciergeOperator => {
                Role::Administrator
            }
        }
    }
}

/// An organization's row: its own id is the organization that it belongs to.
#[row(table = "organization")]
pub struct Model {
    #[key]
    pub id: OrganizationId,
    #[fixed]
    pub r#type: OrganizationType,
    pub name: String,
    pub handle: Option<String>,
    pub about: Option<String>,
    pub area: Option<String>,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find_by_id(organization)
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
        kind::facts([("type", Some(self.r#type.as_str().into()))])
    }
}

impl Kind for Model {
    type Id = OrganizationId;
    type Object = Organization;
    const INFO: &'static KindInfo = &INFO;
    const EXAMPLE: OrganizationId = OrganizationId::EXAMPLE;
    const ORGANIZATION: Column = Column::Id;
    const ID: Column = Column::Id;

    fn by_id(organization: OrganizationId, id: OrganizationId) -> Select<Entity> {
        of(organization).filter(Column::Id.eq(id))
    }

    fn stamp(active: &mut ActiveModel, version: i32, now: Time) {
        (active.version, active.updated_at) = (Set(version), Set(now));
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
    /// The public name by which a desk is found and let in, such as `desert-sky`. With one, it stands in the directory of desks.
    #[serde(default)]
    pub handle: Option<String>,
    /// The services of a desk, in its own words, for the directory.
    #[serde(default)]
    pub about: Option<String>,
    /// The area that a desk serves, for the directory.
    #[serde(default)]
    pub area: Option<String>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<Model> for Organization {
    fn from(Model { id, r#type, name, handle, about, area, version, created_at, updated_at }: Model) -> Self {
        Organization { id, r#type, name, handle, about, area, version, created_at, updated_at }
    }
}

kind::plain!(Organization {
    "id" = id,
    "type" = r#type,
    "name" = name,
    "handle" = handle,
    "about" = about,
    "area" = area,
    "version" = version,
    "createdAt" = created_at,
    "updatedAt" = updated_at,
});

kind::related!(Organization);

/// Whether the principal in whose scope this runs proves an address today, and how many organizations it has founded.
pub async fn founder_counts(tx: &Tx, most: u32) -> Result<(bool, u64)> {
    let sql = "SELECT proven, founded FROM app.founder_counts($1)";
    let values = [i32::try_from(most).unwrap_or(i32::MAX).into()];
    let row = tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    let row = row.ok_or_else(|| schema::Error::internal("nobody founds"))?;
    let founded: i64 = row.try_get("", "founded")?;
    Ok((row.try_get("", "proven")?, founded.unsigned_abs()))
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
    let (handle, about, area) = (None, None, None);
    Ok(Organization {
        id,
        r#type,
        name: name.to_owned(),
        handle,
        about,
        area,
        version: 1,
        created_at: now.into(),
        updated_at: now.into(),
    })
}
