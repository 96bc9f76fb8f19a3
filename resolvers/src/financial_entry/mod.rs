pub mod correct;
pub mod record;

use entities::loading::event;
use schema::{Entry, Workflow};

// One a line, so that a new procedure is one line more.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<record::Record>(),
    Entry::of::<correct::Correct>(),
    Entry::of::<Get>(),
    Entry::of::<List>(),
];

const CHANGE: Workflow = Workflow::new("financial_entry_change", 1);

crate::reads::reads!(
    financial_entry: FinancialEntry, FinancialEntryId, FinancialEntryFilter, FinancialEntryOrder;
    "One amount that came in or went out for a property."
        "financialEntry/v1/get" FinancialEntryGetInput ("01920000-0000-7000-8000-000000000041"), financial_entry
        "One amount that came in or went out for a property.";
    "What came in and went out for the acting organization's properties, a page at a time."
        "financialEntry/v1/list" FinancialEntryListInput (BookedDesc), financial_entries
        "What came in and went out for the acting organization's properties.";
    FinancialEntryQuery
);
