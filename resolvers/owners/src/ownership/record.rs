use super::{CHANGE, OWNERSHIP_EXCEEDS_WHOLE, ensure_free, ensure_term, exceeds, tell};
use crate::prelude::*;
use owners::{
    ownership::{Fresh, Ownership, OwnershipCapacity},
    property::{self, PropertyId},
};

#[input]
pub struct OwnershipRecordInput {
    pub property_id: PropertyId,
    #[text(200)]
    pub holder_name: String,
    /// The holder, if they have an account.
    pub principal_id: Option<PrincipalId>,
    pub capacity: OwnershipCapacity,
    /// Hundredths of a percent: 10000 is the whole. A trustee or manager may have none.
    #[basis_points]
    pub share_basis_points: i32,
    /// The first day.
    pub starts_on: Date,
    /// The first day on which it no longer is.
    pub ends_on: Option<Date>,
    /// Such as deed and number.
    #[text(10_000)]
    pub evidence: Option<String>,
}

pub struct Record;

impl Procedure for Record {
    const NAME: &'static str = "ownership/v1/record";
    const ABOUT: &'static str = "Records who owns a property, by what share, from when on.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[OWNERSHIP_EXCEEDS_WHOLE];
    type Input = OwnershipRecordInput;
    type Output = Ownership;
    type Subject = NewBelow<property::Model, Fresh>;

    fn example() -> OwnershipRecordInput {
        OwnershipRecordInput {
            property_id: PropertyId::SECOND_EXAMPLE,
            holder_name: "Ines Alvarez, trustee".into(),
            principal_id: None,
            capacity: OwnershipCapacity::Trustee,
            share_basis_points: 5_000,
            starts_on: Date::parse("2019-04-01").unwrap_or_default(),
            ends_on: None,
            evidence: Some("Deed 2019-0401872, Pima County".into()),
        }
    }

    async fn subject(cx: &Context, input: &OwnershipRecordInput) -> Result<Self::Subject> {
        let OwnershipRecordInput {
            property_id,
            holder_name,
            principal_id,
            capacity,
            share_basis_points,
            starts_on,
            ends_on,
            evidence,
        } = input.clone();
        let fresh = Fresh {
            property_id,
            holder_name,
            principal_id,
            capacity,
            share_basis_points,
            starts_on,
            ends_on,
            evidence,
            recorded_by: cx.actor.principal,
            end_reason: None,
        };
        Ok(Seen::<property::Model>::find(cx, property_id).await?.with(fresh))
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, _: OwnershipRecordInput) -> Result<Ownership> {
        let Fresh { property_id, share_basis_points, starts_on, ends_on, .. } = *allowed.subject().fresh();
        ensure_term(starts_on, ends_on)?;
        ensure_free(cx, property_id, None, share_basis_points, starts_on, ends_on).await?;
        let unknown = || Error::new(Code::INVALID_INPUT).field("principalId", "NOT_FOUND", "there is no such principal");
        let recorded = cx.create_below(allowed, "recorded").await;
        let (property, row) = recorded.taken("ownership_principal_id_fkey", unknown).taken("ownership_whole", exceeds)?;
        tell(cx, &property, &row);
        Ok(row)
    }
}
