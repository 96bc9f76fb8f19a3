use super::{CHANGE, OWNERSHIP_CORRECTED, OWNERSHIP_ENDED, ensure_term, property_of, tell};
use crate::prelude::*;
use owners::ownership::{Ownership, OwnershipId};
use sea_orm::ActiveValue::Set;

#[input]
pub struct OwnershipEndInput {
    pub id: OwnershipId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// The first day on which it no longer is.
    pub ends_on: Date,
    /// Such as sold, or left to someone: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct End;

impl Procedure for End {
    const NAME: &'static str = "ownership/v1/end";
    const ABOUT: &'static str = "Records from which day on someone no longer owns a property.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, OWNERSHIP_CORRECTED, OWNERSHIP_ENDED];
    type Input = OwnershipEndInput;
    type Output = Ownership;
    type Subject = Seen<Ownership>;

    fn example() -> OwnershipEndInput {
        OwnershipEndInput {
            id: OwnershipId::EXAMPLE,
            version: 1,
            ends_on: Date::parse("2026-06-01").unwrap_or_default(),
            reason: Some("Sold".into()),
        }
    }

    async fn subject(cx: &Context, input: &OwnershipEndInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: OwnershipEndInput) -> Result<Ownership> {
        let OwnershipEndInput { id: _, version, ends_on, reason } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_stands(&*row, OWNERSHIP_CORRECTED)?;
        if row.ends_on.is_some() {
            return Err(Error::new(OWNERSHIP_ENDED));
        }
        ensure_term(row.starts_on, Some(ends_on))?;
        let property = property_of(cx, row.property_id).await?;
        row.active.ends_on = Set(Some(ends_on));
        row.active.end_reason = Set(reason);
        row.changed("ends_on");
        let row = cx.save(row, "ended").await?;
        tell(cx, &property, &row);
        Ok(row)
    }
}
