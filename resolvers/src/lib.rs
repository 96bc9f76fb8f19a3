//! The domains: one folder each, one file a verb. A procedure is its file and two lines in its
//! domain's `mod.rs`; every surface follows from the table.

pub mod access_grant;
pub mod change;
pub mod delegation;
pub mod engaged_property;
pub mod membership;
pub mod node;
pub mod operation;
pub mod organization;
pub mod principal;
pub mod viewer;

use schema::Entry;

pub use owner_verbs::{OwnersQuery, external_party, financial_entry, ownership, portfolio, property};

mod prelude {
    pub use verbs::prelude::*;
}

/// The domains that every pillar stands on; each pillar's stand in its own crate.
#[rustfmt::skip]
const GROUND: &[&[Entry]] = &[
    organization::ALL,
    membership::ALL,
    principal::ALL,
    delegation::ALL,
    access_grant::ALL,
    engaged_property::ALL,
    operation::ALL,
    change::ALL,
];

const DOMAINS: &[&[Entry]] =
    &kind::joined::<&[Entry], { GROUND.len() + owner_verbs::DOMAINS.len() }>(&[GROUND, owner_verbs::DOMAINS]);

/// Every procedure, in the order of the contract.
pub static TABLE: &[Entry] = &kind::joined::<Entry, { length(DOMAINS) }>(DOMAINS);

const fn length(lists: &[&[Entry]]) -> usize {
    let (mut sum, mut list) = (0, 0);
    while list < lists.len() {
        sum += lists[list].len();
        list += 1;
    }
    sum
}
