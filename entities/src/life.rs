//! Lives: the deadlines that long-lived workflows wait for, and the workflow that waits for each.

use chrono::{DateTime, TimeDelta, Utc};
use schema::{OrganizationId, Result};
use sqlx::PgPool;
use uuid::Uuid;

/// A row with a life, by the procedure that is called when its time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    pub organization: OrganizationId,
    pub procedure: String,
    pub id: Uuid,
}

/// A life that needs to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub living: Living,
    pub at: DateTime<Utc>,
    /// The number of the workflow that waited for it last; 0 if none ever did.
    pub epoch: i32,
    /// Whether the time came a while ago and nothing happened.
    pub late: bool,
}

/// The lives whose time is new or overdue, across organizations, at most `most` of each.
pub async fn take(pool: &PgPool, now: DateTime<Utc>, grace: TimeDelta, procedures: &[&str], most: i32) -> Result<Vec<Look>> {
    const SQL: &str =
        "SELECT organization_id, procedure, id, at, epoch, late FROM app.lives_take($1, $2 * interval '1 millisecond', $3, $4)";
    let rows: Vec<(Uuid, String, Uuid, DateTime<Utc>, i32, bool)> =
        sqlx::query_as(SQL).bind(now).bind(grace.num_milliseconds() as f64).bind(procedures).bind(most).fetch_all(pool).await?;
    let look = |(organization, procedure, id, at, epoch, late)| {
        let living = Living { organization: OrganizationId(organization), procedure, id };
        Look { living, at, epoch, late }
    };
    Ok(rows.into_iter().map(look).collect())
}

/// The time that a life waits for, with its trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub at: DateTime<Utc>,
    pub traceparent: Option<String>,
    pub epoch: i32,
}

/// The time that a life waits for. None: nothing more is to come.
pub async fn due(pool: &PgPool, living: &Living) -> Result<Option<Due>> {
    let row: Option<(DateTime<Utc>, Option<String>, i32)> =
        sqlx::query_as("SELECT at, traceparent, epoch FROM app.life_due($1, $2, $3)")
            .bind(living.organization.0)
            .bind(&living.procedure)
            .bind(living.id)
            .fetch_optional(pool)
            .await?;
    Ok(row.map(|(at, traceparent, epoch)| Due { at, traceparent, epoch }))
}

/// Notes the workflow that waits for a time now.
pub async fn planned(pool: &PgPool, living: &Living, epoch: i32, at: DateTime<Utc>) -> Result<()> {
    sqlx::query("SELECT app.life_planned($1, $2, $3, $4, $5)")
        .bind(living.organization.0)
        .bind(&living.procedure)
        .bind(living.id)
        .bind(epoch)
        .bind(at)
        .execute(pool)
        .await?;
    Ok(())
}
