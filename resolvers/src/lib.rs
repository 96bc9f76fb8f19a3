//! The domains: one folder each, one file a verb. A procedure is its file and two lines in its
//! domain's `mod.rs`; every surface follows from the table.

pub mod access_grant;
pub mod change;
pub mod delegation;
mod expiry;
pub mod external_party;
pub mod financial_entry;
mod financials;
pub mod membership;
pub mod node;
pub mod operation;
pub mod organization;
pub mod ownership;
pub mod portfolio;
pub mod principal;
pub mod property;
mod reads;
mod shelf;
pub mod viewer;

use schema::{Entry, Tick};

/// The words of a verb's file.
mod prelude {
    pub(crate) use crate::{Listed, ensure_in_use, ensure_stands, reads::reads, shelf::shelf};
    pub use async_graphql::MaybeUndefined;
    pub use kind::{Kind as _, New, NewBelow, Row as _, Seen, Verbs as _, input, patch};
    pub use schema::{
        Allowed, Change, Code, Constraint as _, Context, Date, Entry, Error, OrganizationId, PrincipalId, Procedure, Result,
        Runs, Time,
    };
}

#[rustfmt::skip]
const DOMAINS: &[&[Entry]] = &[
    organization::ALL,
    membership::ALL,
    principal::ALL,
    delegation::ALL,
    access_grant::ALL,
    property::ALL,
    ownership::ALL,
    financial_entry::ALL,
    portfolio::ALL,
    external_party::ALL,
    operation::ALL,
    change::ALL,
];

/// Every procedure, in the order of the contract.
pub static TABLE: &[Entry] = &concat::<{ length(DOMAINS) }>(DOMAINS);

/// Deadlines that the gateway itself looks after.
pub static TICKS: &[Tick] = &[membership::expire::tick, delegation::expire::tick];

const fn length(lists: &[&[Entry]]) -> usize {
    let (mut sum, mut list) = (0, 0);
    while list < lists.len() {
        sum += lists[list].len();
        list += 1;
    }
    sum
}

const fn concat<const N: usize>(lists: &[&[Entry]]) -> [Entry; N] {
    let mut all = [lists[0][0]; N];
    let (mut list, mut at) = (0, 0);
    while list < lists.len() {
        let mut entry = 0;
        while entry < lists[list].len() {
            all[at] = lists[list][entry];
            at += 1;
            entry += 1;
        }
        list += 1;
    }
    all
}

/// The subject of a list: every row that the filter lets through.
pub struct Listed(&'static [&'static str]);

impl schema::Subject for Listed {
    fn judged(&self) -> schema::Judged {
        schema::Judged::Filter(self.0)
    }
}

/// Refuses a row that is archived.
fn ensure_in_use<K: kind::Kind>(row: &K, archived: schema::Code) -> schema::Result<()> {
    if row.archived() { Err(kind::refusal::<K>(archived)) } else { Ok(()) }
}

/// Refuses a row in whose place another stands.
fn ensure_stands<K: kind::Corrects>(row: &K, corrected: schema::Code) -> schema::Result<()> {
    if row.stands() { Ok(()) } else { Err(kind::refusal::<K>(corrected)) }
}
