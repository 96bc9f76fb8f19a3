//! The domains: one folder each, one file a verb. A procedure is its file and two lines in its
//! domain's `mod.rs`; every surface follows from the table.
// An optimized build computes the layouts of nested futures in one go.
#![recursion_limit = "256"]

pub mod access_grant;
pub mod block;
pub mod change;
pub mod delegation;
pub mod engaged_property;
pub mod membership;
pub mod node;
pub mod operation;
pub mod organization;
pub mod principal;
pub mod viewer;

use change::changed;
use entities::organization::Organization;
use kind::relation::{Declared, InScope, Relations};
use schema::Entry;
use std::{marker::PhantomData, sync::LazyLock};

pub use concierge_verbs::{ConciergeQuery, case, intent, service_level, work_item};
pub use owner_verbs::{OwnersQuery, external_party, financial_entry, ownership, portfolio, property};

mod prelude {
    pub use verbs::prelude::*;
}

/// An offer that nobody answers ends after this.
const OFFERED: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// Until when an offer of now can be answered.
fn answer_by(cx: &schema::Context) -> schema::Time {
    (cx.now() + OFFERED).into()
}

/// The domains that every pillar stands on; each pillar's stand in its own crate.
#[rustfmt::skip]
const GROUND: &[&[Entry]] = &[
    organization::ALL,
    membership::ALL,
    principal::ALL,
    delegation::ALL,
    access_grant::ALL,
    block::ALL,
    engaged_property::ALL,
    operation::ALL,
    change::ALL,
];

const DOMAINS: &[&[Entry]] = &kind::joined::<
    &[Entry],
    { GROUND.len() + owner_verbs::DOMAINS.len() + concierge_verbs::DOMAINS.len() },
>(&[GROUND, owner_verbs::DOMAINS, concierge_verbs::DOMAINS]);

/// Every family of long-lived workflows, in each version that still lives.
pub const LIVES: &[schema::Life] = concierge_verbs::LIVES;

/// Every procedure, in the order of the contract.
pub static TABLE: &[Entry] = &kind::joined::<Entry, { length(DOMAINS) }>(DOMAINS);

kind::query! {
    /// The things of an organization, which can be asked of each that the reader may see.
    OrganizationsQuery scoped:
    OwnersQuery,
    ConciergeQuery,
    delegation::DelegationQuery,
    membership::MembershipQuery,
    access_grant::AccessGrantQuery,
    block::BlockQuery,
}

/// An organization has the root's fields that are about its things.
static OF_ORGANIZATION: Relations<Organization> =
    Relations(&[&InScope::<Organization, OrganizationsQuery> { of: |organization| organization.id, query: PhantomData }]);

/// The relations of all objects.
pub fn relations() -> impl Iterator<Item = &'static dyn Declared> {
    let here: [&dyn Declared; 7] = [
        &OF_ORGANIZATION,
        &changed::OF_EVENT,
        &changed::OF_CASE_CHANGED,
        &changed::OF_INTENT_CHANGED,
        &changed::OF_PROPERTY_CHANGED,
        &changed::OF_PORTFOLIO_CHANGED,
        &changed::OF_WORK_ITEM_CHANGED,
    ];
    let declared = entities::relations::ALL.iter().chain(entities::relations_of_work::ALL);
    declared.copied().chain(here).chain(OF_EVERY.iter().copied())
}

/// The relations that the objects of all kinds have.
static OF_EVERY: LazyLock<Vec<&'static dyn Declared>> =
    LazyLock::new(|| entities::KINDS.iter().filter_map(|kind| Some(kind.api?.of_every())).collect());

/// Makes the relations and the actions known. To be called before a schema is made.
pub fn declare() {
    schema::declare_codes(schema::Table::new(TABLE).codes());
    kind::actions::declare(TABLE, entities::kind_of);
    kind::relation::declare(relations());
}

const fn length(lists: &[&[Entry]]) -> usize {
    let (mut sum, mut list) = (0, 0);
    while list < lists.len() {
        sum += lists[list].len();
        list += 1;
    }
    sum
}
