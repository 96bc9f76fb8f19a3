pub mod correct;
pub mod end;
pub mod record;

use crate::prelude::*;
use kind::event;
use owners::{
    ownership,
    ownership::Ownership,
    property::{self, PropertyId},
};

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
