pub mod create;
pub mod financials;
pub mod update;

use crate::prelude::*;
use owners::property::{self, Property};
use schema::{Hints, Reading, Warning, WarningCode};
use serde::Deserialize;
use serde_json::Value;

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

/// A house that is there already is taken all the same, with a hint: two people may own two flats behind one door.
static SAME_ADDRESS: Hints =
    Hints { kinds: &[property::KIND], find: |reading, input, result| Box::pin(same_address(reading, input, result)) };

async fn same_address(reading: &dyn Reading, input: &Value, result: &Value) -> Result<Vec<Warning>> {
    // Who does not touch the address has been told of it before.
    if input["address"].is_null() {
        return Ok(Vec::new());
    }
    let others = property::same_address(reading, &Property::deserialize(result)?).await?;
    if others.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Warning {
        code: WarningCode::SameAddress,
        field: Some("address".into()),
        message: "Another property may have this address.".into(),
        others: others.into_iter().map(|id| id.0.into()).collect(),
    }])
}

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
