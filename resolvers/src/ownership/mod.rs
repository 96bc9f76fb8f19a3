pub mod correct;
pub mod end;
pub mod record;

use entities::{
    loading::event,
    ownership,
    property::{self, PropertyId},
};
use schema::{Change, Code, Context, Entry, Error, NewEvent, Result, Workflow};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<record::Record>(),
    Entry::of::<correct::Correct>(),
    Entry::of::<end::End>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Workflow = Workflow::new("ownership_change", 1);

crate::reads::reads!(
    ownership: Ownership, OwnershipId, OwnershipFilter, OwnershipOrder;
    "One record of who owns a property."
        "ownership/v1/get" OwnershipGetInput ("01920000-0000-7000-8000-000000000031"), ownership
        "One record of who owns a property.";
    "Who owns the acting organization's properties, a page at a time."
        "ownership/v1/list" OwnershipListInput (StartsAsc), ownerships
        "Who owns the acting organization's properties.";
    OwnershipQuery
);

/// A record that stands still, not one whose place another took.
fn stands(row: &ownership::Model) -> Result<()> {
    if row.corrected_at.is_some() { Err(Error::new(Code::OwnershipCorrected)) } else { Ok(()) }
}

fn exceeds() -> Error {
    let code = Code::OwnershipExceedsWhole;
    Error::new(code).field("shareBasisPoints", "EXCEEDS_WHOLE", code.message())
}

/// Tells of a record, and the property's own history of who owns it.
fn tell(cx: &Context, kind: &'static str, row: &ownership::Model, property: &property::Model, change: Change) {
    cx.changed(event(kind, row, change.id("propertyId", Some(row.property_id.0))));
    cx.changed(NewEvent {
        organization: row.organization_id,
        kind: "property.ownership_changed",
        resource_kind: property::KIND,
        resource_id: property.id.0,
        version: property.version,
        change: Change::fields(&["ownerships"]).id("ownershipId", Some(row.id.0)),
    });
}

/// The property of a record, which others who change its shares wait for.
async fn property_of(cx: &Context, id: PropertyId) -> Result<property::Model> {
    Ok(entities::loading::one(cx, property::by_id(cx.owner(), id)).await?.row)
}
