//! One organization's leave for another to see, or to act: an owner's engagement of a concierge. The
//! grantor writes it; both see it.

use crate::{
    engaged_property::{self, EngagedPropertyFilter},
    loading::Row,
    organization::{Organization, Organizations},
    page::{self, Connection, Page},
    property::{Property, PropertyOrder},
    ready::{Ready, plain},
    relation,
};
use async_graphql::{ComplexObject, Context, InputObject, SimpleObject};
use chrono::{DateTime, Utc};
use garde::Validate;
use queryplan::{Attribute, Scalar};
use schema::{Nullable, OrganizationId, PrincipalId, Result, Snapshot, Time, Tx, input, load_one, nullable, snapshot, text_enum};
use schemars::JsonSchema;
use sea_orm::{
    Condition, ConnectionTrait, DbBackend, QueryFilter, Statement,
    entity::prelude::*,
    sea_query::{Alias, ExprTrait, Query, SimpleExpr},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use schema::AccessGrantId;

pub const KIND: &str = "access_grant";
pub static RESOURCE: queryplan::Resource = queryplan::Resource {
    table: "access_grant",
    id: Scalar::uuid("id"),
    attributes: &[relation("organization_id"), Attribute::text("kind", "kind")],
};

text_enum!(
    /// What a grant is for.
    AccessGrantKind {
        /// An owner lets a concierge look after things.
        Engagement = "ENGAGEMENT",
    }
);

text_enum!(
    /// How far a grant goes. Whoever may act may see.
    AccessScope { Read = "READ", Act = "ACT" }
);

impl AccessScope {
    /// As row security writes it.
    pub fn stored(all: &[AccessScope]) -> Vec<String> {
        let mut stored: Vec<String> = all.iter().map(|scope| scope.as_str().to_ascii_lowercase()).collect();
        stored.sort();
        stored.dedup();
        stored
    }

    fn read(stored: &[String]) -> Vec<AccessScope> {
        stored.iter().filter_map(|scope| AccessScope::parse(&scope.to_ascii_uppercase())).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "access_grant")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccessGrantId,
    pub grantee_organization_id: OrganizationId,
    pub kind: AccessGrantKind,
    pub scopes: Vec<String>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoked_by: Option<PrincipalId>,
    pub revoke_reason: Option<String>,
    pub granted_by: PrincipalId,
    pub reason: Option<String>,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// What it gave.
#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganizationId.eq(organization))
}

/// What it gave, or was given: row security shows a grant to its two sides only.
#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization, on either side")]
pub fn by_id(organization: OrganizationId, id: AccessGrantId) -> Select<Entity> {
    let either =
        Condition::any().add(Column::OrganizationId.eq(organization)).add(Column::GranteeOrganizationId.eq(organization));
    Entity::find().filter(either).filter(Column::Id.eq(id))
}

/// What it was given and counts now; of several by one organization, the one that goes furthest.
#[expect(clippy::disallowed_methods, reason = "begins with the grantee, the other side of a grant")]
fn engaging(grantee: OrganizationId, now: DateTime<Utc>) -> Select<Entity> {
    let other = |column: Column| Expr::col((Alias::new("other"), column));
    let counts = |revoked: SimpleExpr, starts: SimpleExpr, ends: SimpleExpr| {
        Condition::all()
            .add(revoked.is_null())
            .add(starts.lte(now))
            .add(Condition::any().add(ends.clone().is_null()).add(ends.gt(now)))
    };
    let mine = |column: Column| SimpleExpr::from(Expr::col((Entity, column)));
    let further = Expr::cust("('act' = ANY (other.scopes), other.id) > ('act' = ANY (access_grant.scopes), access_grant.id)");
    let better = Query::select()
        .expr(Expr::val(1))
        .from_as(Entity, Alias::new("other"))
        .and_where(other(Column::OrganizationId).equals((Entity, Column::OrganizationId)))
        .and_where(other(Column::GranteeOrganizationId).eq(grantee.0))
        .cond_where(counts(other(Column::RevokedAt), other(Column::StartsAt), other(Column::EndsAt)))
        .and_where(further)
        .take();
    Entity::find()
        .filter(Column::GranteeOrganizationId.eq(grantee))
        .filter(counts(mine(Column::RevokedAt), mine(Column::StartsAt), mine(Column::EndsAt)))
        .filter(Expr::exists(better).not())
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
        Map::from_iter([("kind".to_owned(), self.kind.as_str().into())])
    }
}

/// One organization's leave for another to see, or to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct AccessGrant {
    pub id: AccessGrantId,
    /// Who let the other in.
    pub organization_id: OrganizationId,
    /// Who was let in.
    pub grantee_organization_id: OrganizationId,
    pub kind: AccessGrantKind,
    pub scopes: Vec<AccessScope>,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
    pub revoked_at: Option<Time>,
    pub revoked_by: Option<PrincipalId>,
    pub revoke_reason: Option<String>,
    pub granted_by: PrincipalId,
    /// Why it was given.
    pub reason: Option<String>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

plain!(AccessGrant {
    "id" = id,
    "organizationId" = organization_id,
    "granteeOrganizationId" = grantee_organization_id,
    "kind" = kind,
    "scopes" = scopes,
    "startsAt" = starts_at,
    "endsAt" = ends_at,
    "revokedAt" = revoked_at,
    "revokedBy" = revoked_by,
    "revokeReason" = revoke_reason,
    "grantedBy" = granted_by,
    "reason" = reason,
    "version" = version,
    "createdAt" = created_at,
    "updatedAt" = updated_at,
});

impl From<Model> for AccessGrant {
    fn from(row: Model) -> Self {
        let Model {
            organization_id,
            id,
            grantee_organization_id,
            kind,
            scopes,
            starts_at,
            ends_at,
            revoked_at,
            revoked_by,
            revoke_reason,
            granted_by,
            reason,
            version,
            created_at,
            updated_at,
        } = row;
        AccessGrant {
            id,
            organization_id,
            grantee_organization_id,
            kind,
            scopes: AccessScope::read(&scopes),
            starts_at: starts_at.into(),
            ends_at: ends_at.map(Time),
            revoked_at: revoked_at.map(Time),
            revoked_by,
            revoke_reason,
            granted_by,
            reason,
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}

/// Which grants. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessGrantFilter {
    #[garde(skip)]
    pub grantee_organization_id: Option<OrganizationId>,
    /// Taken back, or not.
    #[garde(skip)]
    pub revoked: Option<bool>,
}

impl AccessGrantFilter {
    fn condition(self) -> Condition {
        let AccessGrantFilter { grantee_organization_id, revoked } = self;
        Condition::all()
            .add_option(grantee_organization_id.map(|id| Column::GranteeOrganizationId.eq(id)))
            .add_option(revoked.map(|yes| if yes { Column::RevokedAt.is_not_null() } else { Column::RevokedAt.is_null() }))
    }
}

page::orders!(
    /// In which order. Ties are broken by id, so that every order is total.
    AccessGrantOrder of "access_grant" {
        // Ids are made in the order of their time.
        CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id, |row| row.id.to_string(), page::bind_id;
    }
);

/// A page of the grants that an organization gave, of those that the reader may see.
pub async fn list(
    tx: &Tx,
    organization: OrganizationId,
    visible: Condition,
    filter: Option<AccessGrantFilter>,
    order: Option<AccessGrantOrder>,
    page: Page,
) -> Result<Connection<AccessGrant>> {
    let select = of(organization).filter(visible).filter(filter.unwrap_or_default().condition());
    page::page(tx, select, Column::Id, order.unwrap_or(AccessGrantOrder::CreatedDesc).sort(), page, |row| row.id.0).await
}

/// An organization that engaged the acting one, and by which leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(complex)]
pub struct EngagedOrganization {
    pub organization_id: OrganizationId,
    /// Send it as `X-Grant-Id` to work there.
    pub grant_id: AccessGrantId,
    pub scopes: Vec<AccessScope>,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
}

impl From<Model> for EngagedOrganization {
    fn from(row: Model) -> Self {
        EngagedOrganization {
            organization_id: row.organization_id,
            grant_id: row.id,
            scopes: AccessScope::read(&row.scopes),
            starts_at: row.starts_at.into(),
            ends_at: row.ends_at.map(Time),
        }
    }
}

#[ComplexObject]
impl EngagedOrganization {
    /// Who it is.
    async fn organization(&self, cx: &Context<'_>) -> Nullable<Organization> {
        nullable(async {
            let loader = snapshot(cx).await?.loader(Organizations::of);
            load_one(&loader, self.organization_id).await
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
        filter: Option<EngagedPropertyFilter>,
        order_by: Option<PropertyOrder>,
    ) -> Nullable<Ready<Connection<Property>>> {
        let page = Page { first, after, last, before, with_total: cx.look_ahead().field("totalCount").exists() };
        nullable(async {
            input::validate_at("filter", filter.as_ref())?;
            let filter =
                EngagedPropertyFilter { organization_ids: Some(vec![self.organization_id]), ..filter.unwrap_or_default() };
            engaged_property::seen(&*snapshot(cx).await?, Some(filter), order_by, page).await.map(|page| Some(Ready(page)))
        })
        .await
    }
}

/// A page of the organizations that engaged this one, of those that the reader may see.
pub async fn engaged(
    tx: &Tx,
    grantee: OrganizationId,
    visible: Condition,
    page: Page,
    now: DateTime<Utc>,
) -> Result<Connection<EngagedOrganization>> {
    let select = engaging(grantee, now).filter(visible);
    let sort = page::Sort { name: "engaged_organization:CREATED_ASC", ..AccessGrantOrder::CreatedAsc.sort() };
    page::page(tx, select, Column::Id, sort, page, |row| row.id.0).await
}

/// The same for a query, whose transaction then reaches those of the page.
pub async fn seen(snapshot: &Snapshot, page: Page) -> Result<Connection<EngagedOrganization>> {
    let visible = snapshot.filter(KIND)?;
    let found = engaged(&snapshot.tx, snapshot.actor.organization, visible, page, snapshot.now).await?;
    snapshot.reach(found.edges.iter().map(|edge| edge.node.organization_id)).await?;
    Ok(found)
}

/// Whether this is an organization that one can engage.
pub async fn concierge(tx: &Tx, organization: OrganizationId) -> Result<bool> {
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT app.concierge($1) AS yes", [organization.0.into()]);
    let row = tx.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "yes")).transpose()?.unwrap_or(false))
}
