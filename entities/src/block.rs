//! Blocks: people and machines who may do nothing in an organization, whatever else they are there.

use crate::prelude::*;
use chrono::{DateTime, Utc};
use schema::{Result, Tx};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

schema::id!(
    /// A block of one principal in one organization.
    BlockId = 0x71
);

/// Somebody who may do nothing in the organization, by membership or delegation, until it is lifted. What they held stays theirs,
/// and counts again afterwards.
#[kind(Block, table = "block", names = principal_id, rights = Decides, changes = [ended_at, ended_by, end_reason])]
pub struct Model {
    pub id: BlockId,
    pub organization_id: OrganizationId,
    /// Who is blocked.
    pub principal_id: PrincipalId,
    /// Who said so.
    pub blocked_by: PrincipalId,
    /// Why: kept for good.
    pub reason: Option<String>,
    /// Whether they were an owner at the time, whom only another owner blocks.
    #[policy]
    pub of_owner: bool,
    /// When it was lifted.
    pub ended_at: Option<Time>,
    pub ended_by: Option<PrincipalId>,
    pub end_reason: Option<String>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Which blocks.
#[filter]
pub struct BlockFilter {
    #[is(PrincipalId)]
    pub principal_id: Option<PrincipalId>,
    /// True: only blocks that were lifted. False: only the others. Absent: all.
    #[set(EndedAt)]
    pub lifted: Option<bool>,
}

orders!(BlockOrder of BlockFilter, else CreatedDesc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});

/// Whether a principal has anything to do with the acting organization, and whether as an owner.
pub async fn standing(tx: &Tx, who: PrincipalId) -> Result<Option<bool>> {
    let sql = "SELECT app.block_standing($1) AS of_owner";
    let row = tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [who.0.into()])).await?;
    Ok(row.map(|row| row.try_get("", "of_owner")).transpose()?.flatten())
}

/// Whether the organization keeps an owner who is not blocked, if this one is.
pub async fn leaves_owner(tx: &Tx, who: PrincipalId, now: DateTime<Utc>) -> Result<bool> {
    let values = [who.0.into(), now.into()];
    let sql = "SELECT app.block_leaves_owner($1, $2) AS kept";
    let row = tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(row.map(|row| row.try_get("", "kept")).transpose()?.unwrap_or(false))
}
