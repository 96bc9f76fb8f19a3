//! Memberships: who may act for an organization, as what, from when until when, by whom and why.
//! An invitation is a membership that is not accepted yet.

use crate::prelude::*;
use chrono::{DateTime, Utc};
use schema::{Result, Tx};
use sea_orm::{Condition, DbBackend, DbErr, FromQueryResult, Statement, sea_query::Expr};

schema::id!(
    /// One principal's standing in one organization.
    MembershipId = 0xc2, INVITED_EXAMPLE = 0xc1, DUE_EXAMPLE = 0xc3
);

states!(
    /// Where a membership stands.
    MembershipState of "membership" {
        new => [Invited by "membership/v1/invite", Active by "organization/v1/create" | "principal/v1/register"],
        Invited = "INVITED" => [
            Active by "membership/v1/accept",
            Declined by "membership/v1/decline",
            Revoked by "membership/v1/revoke",
            Expired by "membership/v1/expire",
        ],
        Active = "ACTIVE" => [Revoked by "membership/v1/revoke", Expired by "membership/v1/expire"],
        Revoked = "REVOKED" => [],
        Expired = "EXPIRED" => [],
        Declined = "DECLINED" => [],
    }
);

/// Who may act for an organization, as what, until when, and who said so.
#[kind(Membership, table = "membership", names = principal_id, rights = Decides, changes = [role, state, ends_at, ended_at, ended_by, end_reason])]
pub struct Model {
    pub id: MembershipId,
    pub organization_id: OrganizationId,
    /// Null until an invitation by e-mail is accepted.
    #[policy("principal")]
    pub principal_id: Option<PrincipalId>,
    /// Whom the invitation was sent to.
    pub email: Option<String>,
    #[policy]
    pub role: Role,
    pub state: MembershipState,
    pub starts_at: Time,
    pub ends_at: Option<Time>,
    /// Until when an invitation can be accepted, as long as it is open.
    pub answer_by: Option<Time>,
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

/// Which memberships.
#[filter]
pub struct MembershipFilter {
    /// Words, each of which occurs in the member's name or the e-mail address of the invitation.
    #[by(named)]
    #[text(200)]
    pub search: Option<String>,
    /// Any of these states. Absent: those that count, or may yet be accepted.
    #[any(State, open)]
    pub state: Option<Vec<MembershipState>>,
    /// Any of these roles.
    #[any(Role)]
    pub role: Option<Vec<Role>>,
    #[is(PrincipalId)]
    pub principal_id: Option<PrincipalId>,
}

/// The states of a membership that has not ended.
fn open() -> Vec<MembershipState> {
    vec![MembershipState::Invited, MembershipState::Active]
}

/// The condition that each of these words occurs in the member's name or in the address that was invited.
fn named(words: String) -> Condition {
    let mut all = Condition::all();
    for word in kind::filter::words(&words) {
        let name = Expr::cust_with_exprs(
            "EXISTS (SELECT FROM app.person p WHERE p.id = $1 AND app.occurs($2, lower(p.display_name COLLATE \"und-x-icu\")))",
            [Expr::col((Entity, Column::PrincipalId)), Expr::val(word.clone())],
        );
        let email = Expr::cust_with_exprs(
            "app.occurs($1, lower($2 COLLATE \"und-x-icu\"))",
            [Expr::val(word), Expr::col((Entity, Column::Email))],
        );
        all = all.add(Condition::any().add(name).add(email));
    }
    all
}

orders!(MembershipOrder of MembershipFilter, else CreatedAsc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
    RoleAsc = "ROLE_ASC", RoleDesc = "ROLE_DESC": Role;
    StartsAsc = "STARTS_ASC", StartsDesc = "STARTS_DESC": StartsAt;
});

/// An invitation, read by its addressee in that principal's own scope.
pub async fn invitation(tx: &Tx, id: MembershipId) -> Result<Option<Model>> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT * FROM app.invitation($1)", [id.0.into()]);
    Ok(Model::find_by_statement(statement).one(tx).await?)
}

/// Accepts an invitation. None: it is no longer open.
pub async fn accept(tx: &Tx, id: MembershipId, now: DateTime<Utc>) -> Result<Option<Model>, DbErr> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT * FROM app.membership_accept($1, $2)",
        [id.0.into(), now.into()],
    );
    Model::find_by_statement(statement).one(tx).await
}

/// Whether a principal is a member now, as whatever.
pub async fn is_member(tx: &Tx, organization: OrganizationId, principal: PrincipalId, now: DateTime<Utc>) -> Result<bool> {
    let counts = of(organization)
        .filter(Column::PrincipalId.eq(principal))
        .filter(Column::State.eq(MembershipState::Active))
        .filter(Column::StartsAt.lte(now))
        .filter(Condition::any().add(Column::EndsAt.is_null()).add(Column::EndsAt.gt(now)));
    Ok(counts.one(tx).await?.is_some())
}

/// Declines an invitation. None: it is no longer open.
pub async fn decline(tx: &Tx, id: MembershipId, now: DateTime<Utc>) -> Result<Option<Model>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT * FROM app.membership_decline($1, $2)",
        [id.0.into(), now.into()],
    );
    Ok(Model::find_by_statement(statement).one(tx).await?)
}

/// The open invitations to an address or to a principal, by one who invites, from all organizations.
pub async fn invitations_open(
    tx: &Tx,
    email: Option<&str>,
    principal: Option<PrincipalId>,
    inviter: PrincipalId,
    most: u32,
) -> Result<u64> {
    let sql = "SELECT app.invitations_open($1, $2, $3, $4) AS n";
    let values = [
        email.into(),
        principal.map(|principal| principal.0).into(),
        inviter.0.into(),
        i32::try_from(most).unwrap_or(i32::MAX).into(),
    ];
    let row =
        sea_orm::ConnectionTrait::query_one_raw(tx, Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    let many: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0);
    Ok(many.unsigned_abs())
}

/// The number of people's memberships besides this one that govern the acting organization without end.
pub async fn other_governors(tx: &Tx, but: MembershipId, now: DateTime<Utc>) -> Result<i64> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT app.other_governors($1, $2) AS n",
        [but.0.into(), now.into()],
    );
    let row = sea_orm::ConnectionTrait::query_one_raw(tx, statement).await?;
    Ok(row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0))
}
