pub mod correct;
pub mod end;
pub mod record;
pub mod transfer;

use crate::prelude::*;
use kind::event;
use owners::{
    ownership,
    ownership::{Ownership, OwnershipId},
    property::{self, PropertyId},
};
use schema::quota::OWNERSHIPS;
use sea_orm::{ColumnTrait, QueryFilter};

schema::codes! {
    OWNERSHIP_ENDED: Conflict, "The ownership has ended.";
    OWNERSHIP_CORRECTED: Conflict, "The record was corrected; correct the one that took its place.";
    OWNERSHIP_EXCEEDS_WHOLE: Conflict, "The shares of a property never exceed 100 % at any time.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<record::Record>(),
    Entry::of::<correct::Correct>(),
    Entry::of::<end::End>(),
    Entry::of::<transfer::Transfer>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Runs = Runs::mutation("ownership_change", 1);

reads!(
    ownership: Ownership;
    "One record of who owns a property."
        "ownership/v1/get" OwnershipGetInput, ownership
        "One record of who owns a property.";
    "Who owns the acting organization's properties, a page at a time."
        "ownership/v1/list" OwnershipListInput (StartsAsc), ownerships
        "Who owns the acting organization's properties.";
    OwnershipQuery
);

/// Refuses an ownership that would end before it began.
fn ensure_term(starts_on: Date, ends_on: Option<Date>) -> Result<()> {
    match ends_on {
        Some(ends_on) if ends_on <= starts_on => {
            Err(Error::new(Code::INVALID_INPUT).field("endsOn", "TOO_EARLY", "must be later than startsOn"))
        }
        _ => Ok(()),
    }
}

/// Refuses a share for which there is no room on some day of its term, and says how much is free from when on. `but` is a record
/// that this one takes the place of.
async fn ensure_free(
    cx: &Context,
    property: PropertyId,
    but: Option<OwnershipId>,
    share: i32,
    starts_on: Date,
    ends_on: Option<Date>,
) -> Result<()> {
    let mut held = ownership::of(cx.owner())
        .filter(ownership::Column::PropertyId.eq(property))
        .filter(ownership::Column::CorrectedAt.is_null())
        .all(cx.tx().await?)
        .await?;
    held.retain(|row| Some(row.id) != but);
    OWNERSHIPS.ensure(held.len() as u64)?;
    // The sum only grows on a day on which some record begins.
    let mut days: Vec<Date> = held.iter().map(|row| row.starts_on).chain([starts_on]).collect();
    days.retain(|day| *day >= starts_on && ends_on.is_none_or(|end| *day < end));
    days.sort_unstable();
    let taken = |day: &Date| -> i32 {
        let on = |row: &&Ownership| row.starts_on <= *day && row.ends_on.is_none_or(|end| end > *day);
        held.iter().filter(on).map(|row| row.share_basis_points).sum()
    };
    match days.iter().find(|day| taken(day) + share > 10_000) {
        None => Ok(()),
        Some(day) => {
            let free = (10_000 - taken(day)).max(0);
            Err(exceeds().details(serde_json::json!({ "freeBasisPoints": free, "from": day })))
        }
    }
}

fn exceeds() -> Error {
    let code = OWNERSHIP_EXCEEDS_WHOLE;
    Error::new(code).field("shareBasisPoints", "EXCEEDS_WHOLE", code.message())
}

/// Adds an event of the property, whose own history tells who owns it, too.
fn tell(cx: &Context, property: &property::Model, row: &Ownership) {
    cx.changed(event("ownership_changed", property, Change::fields(&["ownerships"]).id("ownershipId", row.id.0)));
}

/// The property of a record, locked: other changes of its shares wait for it.
async fn property_of(cx: &Context, id: PropertyId) -> Result<property::Model> {
    Ok(Seen::find(cx, id).await?.row)
}
