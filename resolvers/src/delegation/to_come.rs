//! Warnings about work that is still to come: an end counts at once, and the rows that rest on it are brought in line after it.

use crate::prelude::*;
use entities::{
    delegation::{self, Delegation},
    delegation_line,
    membership::{self, Membership},
};
use schema::{Hints, Reading, Warning, WarningCode};
use serde::Deserialize;
use serde_json::Value;

/// Of the delegations that rest on one.
pub static BELOW: Hints = Hints { kinds: &[delegation::KIND], find: |reading, _, result| Box::pin(below(reading, result)) };

/// Of the delegations that a member gave.
pub static GIVEN: Hints = Hints { kinds: &[membership::KIND], find: |reading, _, result| Box::pin(given(reading, result)) };

async fn below(reading: &dyn Reading, result: &Value) -> Result<Vec<Warning>> {
    let row = Delegation::deserialize(result)?;
    let line = delegation_line::of(reading.tx().await?, row.organization_id, &[row.id]).await?.remove(&row.id);
    Ok(to_come(line.is_some_and(|line| line.settling), "delegation/v1/settle"))
}

async fn given(reading: &dyn Reading, result: &Value) -> Result<Vec<Warning>> {
    let row = Membership::deserialize(result)?;
    let Some(member) = row.principal_id else { return Ok(Vec::new()) };
    let settling = delegation_line::settling_from(reading.tx().await?, row.organization_id, member).await?;
    Ok(to_come(settling, "membership/v1/settle"))
}

fn to_come(settling: bool, procedure: &str) -> Vec<Warning> {
    let message = format!(
        "No delegation that rests on it counts for more than it does, from now on. Their rows are brought in line by operations `{procedure}`, 100 at a time."
    );
    let warning = Warning { code: WarningCode::StillToCome, field: None, message, others: Vec::new() };
    settling.then_some(warning).into_iter().collect()
}
