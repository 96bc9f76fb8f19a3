//! Memberships: who may act for an organization, as what, from when until when, by whom and why.
//! An invitation is a membership that is not accepted yet.

use crate::prelude::*;
use chrono::{DateTime, Utc};
use kind::{Connection, Page, page};
use schema::{Reading, Result, Tx};
use sea_orm::{Condition, DbBackend, DbErr, FromQueryResult, Statement};

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

/// A page of an organization's memberships, of those that the reader may see.
pub async fn list(reading: &dyn Reading, organization: OrganizationId, page: Page) -> Result<Connection<Membership>> {
    let sort = page::Sort { list: KIND, order: "CREATED_ASC", column: Column::Id, descending: false };
    page::page(
        reading.tx().await?,
        of(organization),
        Condition::all().add(reading.filter(KIND)?),
        Column::Id,
        sort,
        page,
        |row: &Model| row.id.0,
    )
    .await
}

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

/// Declines an invitation. None: it is no longer open.
pub async fn decline(tx: &Tx, id: MembershipId, now: DateTime<Utc>) -> Result<Option<Model>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT * FROM app.membership_decline($1, $2)",
        [id.0.into(), now.into()],
    );
    Ok(Model::find_by_statement(statement).one(tx).await?)
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
