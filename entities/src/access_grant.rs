//! Grants: one organization lets another see, or act, as an owner who engages a concierge does. The grantor writes a grant;
//! both sides see it.

use crate::prelude::*;
use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};
use kind::{
    Connection, Page, Seen,
    page::{self, Order as _},
};
use schema::{Code, Context, Error, Reading, Result, Tx};
use schemars::JsonSchema;
use sea_orm::{
    Condition, ConnectionTrait, DbBackend, FromQueryResult, Statement,
    sea_query::{Alias, Expr, ExprTrait, Query, SimpleExpr},
};
use serde::{Deserialize, Serialize};

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
    /// The scopes as row security writes them.
    pub fn stored(all: &[AccessScope]) -> Vec<String> {
        let mut stored: Vec<String> = all.iter().map(|scope| scope.as_str().to_ascii_lowercase()).collect();
        stored.sort();
        stored.dedup();
        stored
    }

    pub(crate) fn read(stored: &[String]) -> Vec<AccessScope> {
        stored.iter().filter_map(|scope| AccessScope::parse(&scope.to_ascii_uppercase())).collect()
    }
}

/// A grant's row. Its scopes are written as row security reads them.
#[kind(
    AccessGrant,
    table = "access_grant",
    names = grantee_organization_id,
    rights = Decides,
    changes = [scopes, ends_at, revoked_at, revoked_by, revoke_reason],
    finder = false,
    apart
)]
pub struct Model {
    pub organization_id: OrganizationId,
    pub id: AccessGrantId,
    pub grantee_organization_id: OrganizationId,
    #[policy]
    pub kind: AccessGrantKind,
    pub scopes: Vec<String>,
    /// From when it was to count.
    pub asked_from: Time,
    /// From when it counts. Null: it is an offer.
    pub starts_at: Option<Time>,
    pub ends_at: Option<Time>,
    pub answer_by: Option<Time>,
    pub accepted_at: Option<Time>,
    pub accepted_by: Option<PrincipalId>,
    pub revoked_at: Option<Time>,
    pub revoked_by: Option<PrincipalId>,
    pub revoke_reason: Option<String>,
    pub granted_by: PrincipalId,
    pub reason: Option<String>,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// The grants that an organization gave.
#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization")]
pub fn of(organization: OrganizationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganizationId.eq(organization))
}

/// A grant that an organization gave, or was given. Row security shows a grant to its two sides only.
#[expect(clippy::disallowed_methods, reason = "the finder that begins with the organization, on either side")]
pub fn by_id(organization: OrganizationId, id: AccessGrantId) -> Select<Entity> {
    let either =
        Condition::any().add(Column::OrganizationId.eq(organization)).add(Column::GranteeOrganizationId.eq(organization));
    Entity::find().filter(either).filter(Column::Id.eq(id))
}

fn counts(of: impl Fn(Column) -> SimpleExpr, now: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(of(Column::RevokedAt).is_null())
        .add(of(Column::StartsAt).lte(now))
        .add(Condition::any().add(of(Column::EndsAt).is_null()).add(of(Column::EndsAt).gt(now)))
}

/// Whether some grant of an owner to an organization counts now; the owner is a column of the statement.
pub(crate) fn lets_in(owner: impl sea_orm::sea_query::IntoColumnRef, grantee: OrganizationId, now: DateTime<Utc>) -> SimpleExpr {
    let grant = |column: Column| Expr::col((Entity, column));
    let some = Query::select()
        .expr(Expr::val(1))
        .from(Entity)
        .and_where(grant(Column::OrganizationId).eq(Expr::col(owner)))
        .and_where(grant(Column::GranteeOrganizationId).eq(grantee.0))
        .cond_where(counts(grant, now))
        .take();
    Expr::exists(some)
}

/// The grants to an organization that count now; of several by one grantor, the one that goes furthest.
#[expect(clippy::disallowed_methods, reason = "begins with the grantee, the other side of a grant")]
pub(crate) fn engaging(grantee: OrganizationId, now: DateTime<Utc>) -> Select<Entity> {
    let other = |column: Column| Expr::col((Alias::new("other"), column));
    let further = Expr::cust("('act' = ANY (other.scopes), other.id) > ('act' = ANY (access_grant.scopes), access_grant.id)");
    let better = Query::select()
        .expr(Expr::val(1))
        .from_as(Entity, Alias::new("other"))
        .and_where(other(Column::OrganizationId).equals((Entity, Column::OrganizationId)))
        .and_where(other(Column::GranteeOrganizationId).eq(grantee.0))
        .cond_where(counts(other, now))
        .and_where(further)
        .take();
    Entity::find()
        .filter(Column::GranteeOrganizationId.eq(grantee))
        .filter(counts(|column| Expr::col((Entity, column)), now))
        .filter(Expr::exists(better).not())
}

/// A page of the open offers to the acting organization, of those that the reader may see.
pub async fn offers(reading: &dyn Reading, page: Page) -> Result<Connection<AccessGrant>> {
    let now = reading.now();
    let later = |column: Column| Condition::any().add(column.is_null()).add(column.gt(now));
    let open = Condition::all()
        .add(Column::GranteeOrganizationId.eq(reading.acting()))
        .add(Column::AcceptedAt.is_null())
        .add(Column::RevokedAt.is_null())
        .add(later(Column::AnswerBy))
        .add(later(Column::EndsAt))
        .add(reading.filter(KIND)?);
    #[expect(clippy::disallowed_methods, reason = "begins with the grantee, the other side of a grant")]
    let select = Entity::find();
    let sort = page::Sort { list: "access_grant_offers", ..AccessGrantOrder::CreatedDesc.sort() };
    page::page(reading.tx().await?, select, open, Column::Id, sort, page, |row: &Model| row.id.0).await
}

/// A grant to the acting organization, or NOT_FOUND.
pub async fn offer(cx: &Context, id: AccessGrantId) -> Result<Seen<Model>> {
    // A desk answers for itself, in no owner's name.
    if cx.actor.through.is_some() {
        return Err(Error::new(Code::GRANT_INVALID).message("Answer offers without X-Grant-Id."));
    }
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM app.access_grant_offer($1)", [id.0.into()]);
    let row = Model::find_by_statement(statement).one(cx.tx().await?).await?;
    Seen::by(cx, row.ok_or_else(|| Error::new(Code::NOT_FOUND))?).await
}

/// Accepts a grant to the acting organization, or declines it, or gives it back. None: it is no longer open.
pub async fn answer(
    tx: &Tx,
    id: AccessGrantId,
    accepts: bool,
    who: PrincipalId,
    why: Option<String>,
    now: DateTime<Utc>,
) -> Result<Option<Model>> {
    let values = [id.0.into(), accepts.into(), who.0.into(), why.into(), now.into()];
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM app.access_grant_answer($1, $2, $3, $4, $5)", values);
    Ok(Model::find_by_statement(statement).one(tx).await?)
}

/// One organization's leave for another to see, or to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(complex)]
pub struct AccessGrant {
    pub id: AccessGrantId,
    /// Who let the other in.
    pub organization_id: OrganizationId,
    /// Who was let in.
    pub grantee_organization_id: OrganizationId,
    pub kind: AccessGrantKind,
    pub scopes: Vec<AccessScope>,
    /// From when it counts, once it is accepted.
    pub starts_at: Time,
    pub ends_at: Option<Time>,
    /// Until when the desk can accept it, as long as it is an open offer.
    pub answer_by: Option<Time>,
    /// When the desk accepted it. Null: it is an offer, and lets nobody in.
    pub accepted_at: Option<Time>,
    /// Who accepted it, of the desk.
    pub accepted_by: Option<PrincipalId>,
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

kind::plain!(AccessGrant {
    "id" = id,
    "organizationId" = organization_id,
    "granteeOrganizationId" = grantee_organization_id,
    "kind" = kind,
    "scopes" = scopes,
    "startsAt" = starts_at,
    "endsAt" = ends_at,
    "answerBy" = answer_by,
    "acceptedAt" = accepted_at,
    "acceptedBy" = accepted_by,
    "revokedAt" = revoked_at,
    "revokedBy" = revoked_by,
    "revokeReason" = revoke_reason,
    "grantedBy" = granted_by,
    "reason" = reason,
    "version" = version,
    "createdAt" = created_at,
    "updatedAt" = updated_at,
});

kind::related!(AccessGrant);

impl From<Model> for AccessGrant {
    fn from(row: Model) -> Self {
        let Model {
            organization_id,
            id,
            grantee_organization_id,
            kind,
            scopes,
            asked_from,
            starts_at,
            ends_at,
            answer_by,
            accepted_at,
            accepted_by,
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
            starts_at: starts_at.unwrap_or(asked_from),
            ends_at,
            answer_by,
            accepted_at,
            accepted_by,
            revoked_at,
            revoked_by,
            revoke_reason,
            granted_by,
            reason,
            version,
            created_at,
            updated_at,
        }
    }
}

/// Which grants.
#[filter]
pub struct AccessGrantFilter {
    #[is(GranteeOrganizationId)]
    pub grantee_organization_id: Option<OrganizationId>,
    /// True: only grants that were taken back. False: only the others. Absent: all.
    #[set(RevokedAt)]
    pub revoked: Option<bool>,
}

orders!(AccessGrantOrder of AccessGrantFilter, else CreatedDesc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});

/// Whether the organization is a concierge's, which an owner can engage.
pub async fn concierge(tx: &Tx, organization: OrganizationId) -> Result<bool> {
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT app.concierge($1) AS yes", [organization.0.into()]);
    let row = tx.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "yes")).transpose()?.unwrap_or(false))
}
