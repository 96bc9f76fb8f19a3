use super::{
    CHANGE, OWNERSHIP_CORRECTED, OWNERSHIP_ENDED, OWNERSHIP_EXCEEDS_WHOLE, ensure_free, ensure_term, exceeds, property_of, tell,
};
use crate::prelude::*;
use async_graphql::SimpleObject;
use owners::ownership::{Fresh, Ownership, OwnershipCapacity, OwnershipId};
use schemars::JsonSchema;
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};

/// A share that someone gets.
#[input]
pub struct OwnershipShareInput {
    #[text(200)]
    pub holder_name: String,
    /// The holder, if they have an account.
    pub principal_id: Option<PrincipalId>,
    pub capacity: OwnershipCapacity,
    /// Hundredths of a percent of the whole property.
    #[basis_points]
    pub share_basis_points: i32,
    /// Such as deed and number.
    #[text(10_000)]
    pub evidence: Option<String>,
}

#[input]
pub struct OwnershipTransferInput {
    /// The record of who gives.
    pub id: OwnershipId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// The first day on which it is theirs.
    pub starts_on: Date,
    /// Who gets which share. A part that nobody gets stays with who gives.
    #[each(1, 20)]
    pub to: Vec<OwnershipShareInput>,
    /// Such as sold, or left to someone: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
}

/// A transfer of shares: the record that ended, and those that took its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct OwnershipTransfer {
    /// The record of who gave, which has ended.
    pub given: Ownership,
    /// The records of those who got something, in the order in which they were named.
    pub received: Vec<Ownership>,
    /// The record of the share that stayed with who gave, if any stayed.
    pub kept: Option<Ownership>,
}

pub struct Transfer;

impl Procedure for Transfer {
    const NAME: &'static str = "ownership/v1/transfer";
    const ABOUT: &'static str = "Gives a share to others from a day on, at once: the giver's record ends, and theirs begin.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, OWNERSHIP_CORRECTED, OWNERSHIP_ENDED, OWNERSHIP_EXCEEDS_WHOLE];
    type Input = OwnershipTransferInput;
    type Output = OwnershipTransfer;
    type Subject = Seen<Ownership>;

    fn example() -> OwnershipTransferInput {
        let share = |name: &str| OwnershipShareInput {
            holder_name: name.into(),
            principal_id: None,
            capacity: OwnershipCapacity::CoOwner,
            share_basis_points: 1_000,
            evidence: Some("Deed 2026-0600114, Pima County".into()),
        };
        OwnershipTransferInput {
            id: OwnershipId::EXAMPLE,
            version: 1,
            starts_on: Date::parse("2026-06-01").unwrap_or_default(),
            to: vec![share("Mara Alvarez"), share("Jonas Alvarez")],
            reason: Some("Left to the children".into()),
        }
    }

    async fn subject(cx: &Context, input: &OwnershipTransferInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: OwnershipTransferInput) -> Result<OwnershipTransfer> {
        let OwnershipTransferInput { id: _, version, starts_on, to, reason } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_stands(&*row, OWNERSHIP_CORRECTED)?;
        if row.ends_on.is_some() {
            return Err(Error::new(OWNERSHIP_ENDED));
        }
        if starts_on <= row.starts_on {
            let told = "must be later than the day on which the giver's record begins";
            return Err(Error::new(Code::INVALID_INPUT).field("startsOn", "TOO_EARLY", told));
        }
        ensure_term(row.starts_on, Some(starts_on))?;
        let given: i32 = to.iter().map(|share| share.share_basis_points).sum();
        let stays = row.share_basis_points - given;
        if stays < 0 {
            let details = serde_json::json!({ "freeBasisPoints": row.share_basis_points, "from": starts_on });
            let error = Error::new(OWNERSHIP_EXCEEDS_WHOLE).details(details);
            return Err(error.field("to", "EXCEEDS_WHOLE", "more is given than the record holds"));
        }
        let property = property_of(cx, row.property_id).await?;
        let fresh = |share: OwnershipShareInput| {
            let OwnershipShareInput { holder_name, principal_id, capacity, share_basis_points, evidence } = share;
            Fresh {
                property_id: row.property_id,
                holder_name,
                principal_id,
                capacity,
                share_basis_points,
                starts_on,
                ends_on: None,
                evidence,
                recorded_by: cx.actor.principal,
                end_reason: None,
            }
        };
        let mut news: Vec<Fresh> = to.into_iter().map(fresh).collect();
        if stays > 0 {
            news.push(fresh(OwnershipShareInput {
                holder_name: row.holder_name.clone(),
                principal_id: row.principal_id,
                capacity: row.capacity,
                share_basis_points: stays,
                evidence: row.evidence.clone(),
            }));
        }
        ensure_free(cx, row.property_id, Some(row.id), row.share_basis_points, starts_on, None).await?;
        row.active.ends_on = Set(Some(starts_on));
        row.active.end_reason = Set(reason);
        row.changed("ends_on");
        let unknown = || Error::new(Code::INVALID_INPUT).field("to", "NOT_FOUND", "there is no such principal");
        let split = cx.split(row, "ended", news, ("recorded", "receivedFromId")).await;
        let (given, mut received) = split.taken("ownership_principal_id_fkey", unknown).taken("ownership_whole", exceeds)?;
        let kept = if stays > 0 { received.pop() } else { None };
        tell(cx, &property, &given);
        Ok(OwnershipTransfer { given, received, kept })
    }
}
