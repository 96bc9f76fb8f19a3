use super::{CHANGE, OWNERSHIP_CORRECTED, OWNERSHIP_EXCEEDS_WHOLE, ensure_free, ensure_term, exceeds, property_of, tell};
use crate::prelude::*;
use kind::amend;
use owners::ownership::{Ownership, OwnershipCapacity, OwnershipId};

/// What is absent is taken over; null clears what can be cleared.
#[input]
pub struct OwnershipCorrectInput {
    /// The record that is wrong.
    pub id: OwnershipId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// What was wrong: kept for good.
    #[text(1_000)]
    pub reason: String,
    #[patch(text(200))]
    pub holder_name: Option<String>,
    #[patch]
    pub capacity: Option<OwnershipCapacity>,
    #[patch(basis_points)]
    pub share_basis_points: Option<i32>,
    #[patch]
    pub starts_on: Option<Date>,
    #[patch]
    pub ends_on: MaybeUndefined<Date>,
    #[patch(text(10_000))]
    pub evidence: MaybeUndefined<String>,
}

pub struct Correct;

impl Procedure for Correct {
    const NAME: &'static str = "ownership/v1/correct";
    const ABOUT: &'static str = "Puts another record in the place of one that is wrong, which stays and says so.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, OWNERSHIP_CORRECTED, OWNERSHIP_EXCEEDS_WHOLE];
    type Input = OwnershipCorrectInput;
    type Output = Ownership;
    type Subject = Seen<Ownership>;

    fn example() -> OwnershipCorrectInput {
        let (reason, share_basis_points) = ("The deed says 60 percent".into(), Some(6_000));
        OwnershipCorrectInput { share_basis_points, ..OwnershipCorrectInput::of(OwnershipId::EXAMPLE, 1, reason) }
    }

    async fn subject(cx: &Context, input: &OwnershipCorrectInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: OwnershipCorrectInput) -> Result<Ownership> {
        let OwnershipCorrectInput {
            id: _,
            version,
            reason,
            holder_name,
            capacity,
            share_basis_points,
            starts_on,
            ends_on,
            evidence,
        } = input;
        let wrong = cx.edit(allowed, version)?;
        ensure_stands(&*wrong, OWNERSHIP_CORRECTED)?;
        let mut right = wrong.clone();
        amend!(right: holder_name, capacity, share_basis_points, starts_on, ends_on, evidence);
        ensure_term(right.starts_on, right.ends_on)?;
        let property = property_of(cx, wrong.property_id).await?;
        ensure_free(cx, right.property_id, Some(wrong.id), right.share_basis_points, right.starts_on, right.ends_on).await?;
        let right = cx.correct(wrong, reason, right).await.taken("ownership_whole", exceeds)?;
        tell(cx, &property, &right);
        Ok(right)
    }
}
