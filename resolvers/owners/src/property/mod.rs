pub mod create;
pub mod financials;
pub mod update;

use crate::prelude::*;
use owners::property;

schema::codes! {
    PROPERTY_ARCHIVED: Conflict, "The property is archived.";
    PROPERTY_NOT_ARCHIVED: Conflict, "The property is not archived.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<Archive>(),
    Entry::of::<Restore>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
    Entry::of::<financials::OfOne>(),
];

const CHANGE: Runs = Runs::mutation("property_change", 1);

shelf!(
    property: Property, CHANGE;
    "property/v1/archive" PropertyArchiveInput
        "Puts a property aside. Nothing is lost; it can be restored." PROPERTY_ARCHIVED;
    "property/v1/restore" PropertyRestoreInput
        "Takes an archived property back into care." PROPERTY_NOT_ARCHIVED;
);

reads!(
    property: Property;
    "One property of the acting organization."
        "property/v1/get" PropertyGetInput, property
        "One property of the acting organization.";
    "The acting organization's properties, a page at a time."
        "property/v1/list" PropertyListInput (AddressAsc), properties
        "The acting organization's properties.";
    PropertyQuery
);
