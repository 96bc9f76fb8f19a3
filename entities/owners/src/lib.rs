//! The tables of owners: properties, portfolios, ownerships, financial entries, and parties outside. One file a table;
//! relations between them stand above all tables, in `entities`.

pub mod contact;
pub mod external_party;
pub mod financial_entry;
pub mod ownership;
pub mod portfolio;
pub mod portfolio_property;
pub mod property;
pub mod report;

mod prelude {
    pub use kind::prelude::*;
}

kind::kinds! {
    KINDS, NAMES:
    external_party,
    contact,
    financial_entry,
    ownership,
    portfolio,
    property,
}
