//! The verbs of owners: one folder a table, one file a verb.

pub mod contact;
pub mod external_party;
pub mod financial_entry;
mod financials;
pub mod ownership;
pub mod portfolio;
pub mod property;

use schema::Entry;

mod prelude {
    pub use verbs::prelude::*;
}

#[rustfmt::skip]
pub const DOMAINS: &[&[Entry]] = &[
    property::ALL,
    ownership::ALL,
    financial_entry::ALL,
    portfolio::ALL,
    external_party::ALL,
    contact::ALL,
];

kind::query! {
    OwnersQuery scoped:
    property::PropertyQuery,
    portfolio::PortfolioQuery,
    ownership::OwnershipQuery,
    financial_entry::FinancialEntryQuery,
    property::financials::PropertyFinancialsQuery,
    portfolio::financials::PortfolioFinancialsQuery,
    portfolio::report::ReportQuery,
    external_party::ExternalPartyQuery,
    contact::ContactQuery,
}
