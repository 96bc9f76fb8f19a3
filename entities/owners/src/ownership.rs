//! Ownerships: who owns a property, by what share, from when until when, and by what evidence. A wrong record stays, and
//! another takes its place.

use crate::{prelude::*, property::PropertyId};
use sea_orm::Condition;

schema::id!(
    /// One record of who owns a property.
    OwnershipId = 0x31
);

text_enum!(
    /// As what someone stands for a property.
    OwnershipCapacity {
        Owner = "OWNER",
        CoOwner = "CO_OWNER",
        /// Holds it for a trust.
        Trustee = "TRUSTEE",
        /// Stands for an LLC.
        Manager = "MANAGER",
    }
);

/// Who owns a property, by what share, from when until when.
#[kind(Ownership, table = "ownership", below = property_id, changes = [ends_on, end_reason, corrected_at, correction_reason])]
pub struct Model {
    pub organization_id: OrganizationId,
    pub id: OwnershipId,
    pub property_id: PropertyId,
    pub holder_name: String,
    /// The holder, if they have an account.
    pub principal_id: Option<PrincipalId>,
    #[policy]
    pub capacity: OwnershipCapacity,
    /// Hundredths of a percent: 10000 is the whole. A trustee or manager may have none.
    pub share_basis_points: i32,
    /// The first day.
    pub starts_on: Date,
    /// The first day on which it no longer is.
    pub ends_on: Option<Date>,
    /// Such as deed and number.
    pub evidence: Option<String>,
    pub recorded_by: PrincipalId,
    /// The record whose place it took.
    pub corrects_id: Option<OwnershipId>,
    /// Since when another record stands in its place.
    pub corrected_at: Option<Time>,
    pub correction_reason: Option<String>,
    pub end_reason: Option<String>,
    /// For optimistic locking: send it with a change.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Which ownerships.
#[filter]
pub struct OwnershipFilter {
    /// Words, each of which occurs in the owner's name or the evidence.
    #[search]
    #[text(100)]
    pub search: Option<String>,
    #[is(PropertyId)]
    pub property_id: Option<PropertyId>,
    /// Any of these.
    #[any(Capacity)]
    pub capacity: Option<Vec<OwnershipCapacity>>,
    #[is(HolderName)]
    #[text(200)]
    pub holder_name: Option<String>,
    /// What holds on this day.
    #[by(holds_on)]
    pub on: Option<Date>,
    /// With what was corrected since; without, if absent.
    #[unless(CorrectedAt)]
    pub with_corrected: Option<bool>,
}

/// The condition that an ownership holds on a day.
pub fn holds_on(day: Date) -> Condition {
    let open = Condition::any().add(Column::EndsOn.is_null()).add(Column::EndsOn.gt(day.0));
    Condition::all().add(Column::StartsOn.lte(day.0)).add(open)
}

orders!(OwnershipOrder of OwnershipFilter, else StartsAsc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
    StartsAsc = "STARTS_ASC", StartsDesc = "STARTS_DESC": StartsOn;
    HolderAsc = "HOLDER_ASC", HolderDesc = "HOLDER_DESC": HolderName;
});
