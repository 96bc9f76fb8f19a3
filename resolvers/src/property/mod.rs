pub mod archive;
pub mod create;
pub mod engaged;
pub mod financials;
pub mod restore;
pub mod update;

use entities::loading::event;
use schema::{Entry, Workflow};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<update::Update>(),
    Entry::of::<archive::Archive>(),
    Entry::of::<restore::Restore>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
    Entry::of::<engaged::Engaged>(),
    Entry::of::<financials::OfOne>(),
];

const CHANGE: Workflow = Workflow::new("property_change", 1);

crate::reads::reads!(
    property: Property, PropertyId, PropertyFilter, PropertyOrder;
    "One property of the acting organization."
        "property/v1/get" PropertyGetInput ("01920000-0000-7000-8000-0000000000a1"), property
        "One property of the acting organization.";
    "The acting organization's properties, a page at a time."
        "property/v1/list" PropertyListInput (AddressAsc), properties
        "The acting organization's properties.";
    PropertyQuery
);
