pub mod correct;
pub mod record;

use crate::prelude::*;
use owners::financial_entry;

schema::codes! {
    FINANCIAL_ENTRY_CORRECTED: Conflict, "The entry was corrected; correct the one that took its place.";
}

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<record::Record>(),
    Entry::of::<correct::Correct>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Runs = Runs::mutation("financial_entry_change", 1);

reads!(
    financial_entry: FinancialEntry;
    "One amount that came in or went out for a property."
        "financialEntry/v1/get" FinancialEntryGetInput, financial_entry
        "One amount that came in or went out for a property.";
    "What came in and went out for the acting organization's properties, a page at a time."
        "financialEntry/v1/list" FinancialEntryListInput (BookedDesc), financial_entries
        "What came in and went out for the acting organization's properties.";
    FinancialEntryQuery
);
