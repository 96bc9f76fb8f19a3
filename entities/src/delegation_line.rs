//! The places of delegations in their chains: how far those that rest on one are in line with it.

use crate::{delegation::DelegationId, membership::MembershipId};
use chrono::{DateTime, Utc};
use schema::{OrganizationId, PrincipalId, Result};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};
use std::collections::HashMap;
use uuid::Uuid;

/// The place of a delegation in its chain.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// The number of delegations above it.
    pub depth: i32,
    /// How often all that rested on it was ended.
    pub turn: i32,
    /// The turn of its parent when it was passed on.
    pub parent_turn: Option<i32>,
    /// Whether those that rest on it are yet to be brought in line with it.
    pub settling: bool,
    /// The last one that is.
    pub settled_to: Option<DelegationId>,
}

/// The places of these delegations.
pub async fn of(
    db: &impl ConnectionTrait,
    organization: OrganizationId,
    ids: &[DelegationId],
) -> Result<HashMap<DelegationId, Line>> {
    let sql = "
        SELECT l.id, cardinality(l.ancestors) AS depth, l.turn, l.turns[cardinality(l.turns)] AS parent_turn, l.settles_at IS NOT NULL AS settling,
          l.settled_to
        FROM delegation_line l
        WHERE l.organization_id = $1 AND l.id = ANY ($2)";
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = asked(db, sql, [organization.0.into(), ids.into()]).await?;
    let line = |row: &QueryResult| -> Result<(DelegationId, Line)> {
        let line = Line {
            depth: row.try_get("", "depth")?,
            turn: row.try_get("", "turn")?,
            parent_turn: row.try_get("", "parent_turn")?,
            settling: row.try_get("", "settling")?,
            settled_to: row.try_get::<Option<Uuid>>("", "settled_to")?.map(DelegationId),
        };
        Ok((DelegationId(row.try_get("", "id")?), line))
    };
    rows.iter().map(line).collect()
}

/// Whether all that a delegation rests on counts at a time.
pub async fn rests(db: &impl ConnectionTrait, organization: OrganizationId, id: DelegationId, at: DateTime<Utc>) -> Result<bool> {
    let rows = asked(db, "SELECT app.rests($1, $2, $3) AS yes", [organization.0.into(), id.0.into(), at.into()]).await?;
    Ok(rows.first().map(|row| row.try_get("", "yes")).transpose()?.unwrap_or(false))
}

/// Has whoever acts by a delegation judged anew before they begin, and waits for those who have begun.
pub async fn hold(db: &impl ConnectionTrait) -> Result<()> {
    asked(db, "SELECT app.delegations_hold()", []).await.map(drop)
}

/// Notes that a delegation was reduced, and all that rests on it with it. Cut: nothing that rests on it counts any more.
pub async fn cut(db: &impl ConnectionTrait, id: DelegationId, cut: bool, now: DateTime<Utc>) -> Result<()> {
    asked(db, "SELECT app.delegation_cut($1, $2, $3)", [id.0.into(), cut.into(), now.into()]).await.map(drop)
}

/// Notes that a member stands for the owner no more, by the end or the change of a membership.
pub async fn cut_from(db: &impl ConnectionTrait, member: PrincipalId, by: MembershipId, now: DateTime<Utc>) -> Result<()> {
    asked(db, "SELECT app.delegator_cut($1, $2, $3)", [member.0.into(), by.0.into(), now.into()]).await.map(drop)
}

/// Notes how far those that rest on a delegation are in line with it. None: all of them are.
pub async fn settled(db: &impl ConnectionTrait, id: DelegationId, up_to: Option<DelegationId>, now: DateTime<Utc>) -> Result<()> {
    let values = [id.0.into(), up_to.map(|id| id.0).into(), now.into()];
    asked(db, "SELECT app.delegation_settled($1, $2, $3)", values).await.map(drop)
}

/// How often all that rested on a member was ended.
pub async fn turn_of(db: &impl ConnectionTrait, organization: OrganizationId, member: PrincipalId) -> Result<Option<i32>> {
    let sql = "SELECT turn FROM delegator WHERE organization_id = $1 AND principal_id = $2";
    let rows = asked(db, sql, [organization.0.into(), member.0.into()]).await?;
    Ok(rows.first().map(|row| row.try_get("", "turn")).transpose()?)
}

/// Whether delegations that rested on a member are yet to be noted as ended.
pub async fn settling_from(db: &impl ConnectionTrait, organization: OrganizationId, member: PrincipalId) -> Result<bool> {
    let sql = "SELECT FROM delegator WHERE organization_id = $1 AND principal_id = $2 AND settles_at IS NOT NULL";
    Ok(!asked(db, sql, [organization.0.into(), member.0.into()]).await?.is_empty())
}

/// Notes whether all that rested on a member up to a turn is noted as ended.
pub async fn settled_from(
    db: &impl ConnectionTrait,
    member: PrincipalId,
    turn: i32,
    now: DateTime<Utc>,
    done: bool,
) -> Result<()> {
    let values = [member.0.into(), turn.into(), now.into(), done.into()];
    asked(db, "SELECT app.delegator_settled($1, $2, $3, $4)", values).await.map(drop)
}

async fn asked<const N: usize>(db: &impl ConnectionTrait, sql: &str, values: [Value; N]) -> Result<Vec<QueryResult>> {
    Ok(db.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?)
}
