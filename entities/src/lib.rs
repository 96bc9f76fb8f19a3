//! The tables, one file each. Relations between them stand in `relations.rs`, above all tables.
// An optimized build computes the layouts of nested futures in one go.
#![recursion_limit = "256"]

pub mod access_grant;
pub mod actor;
pub mod block;
pub mod change;
pub mod deadline;
pub mod delegation;
pub mod delegation_item;
pub mod delegation_line;
pub mod denial;
pub mod desk;
pub mod doer;
pub mod engaged_organization;
pub mod engaged_property;
pub mod event;
pub mod feed;
pub mod history;
pub mod life;
pub mod membership;
pub mod node;
pub mod operation;
pub mod organization;
pub mod organization_card;
pub mod person;
pub mod principal;
pub mod rate;
pub mod relations;
pub mod relations_of_work;
pub mod replica;
pub mod sentence;
pub mod viewer;

pub use concierge::*;
pub use owners::*;

use kind::KindInfo;

mod prelude {
    pub use kind::prelude::*;
}

kind::kinds! {
    GROUND, GROUND_NAMES:
    access_grant,
    block,
    delegation,
    desk,
    engaged_property,
    history,
    membership,
    operation,
    organization,
    organization_card,
    person,
}

/// Every kind: those that all pillars stand on, then each pillar's. All that is true of every kind follows from this list.
pub static KINDS: &[&KindInfo] = &kind::joined::<&KindInfo, { GROUND.len() + owners::KINDS.len() + concierge::KINDS.len() }>(&[
    GROUND,
    owners::KINDS,
    concierge::KINDS,
]);

/// The names of all kinds, any of which a list or a relation can ask for.
pub const NAMES: &[&str] = &kind::joined::<&str, { KINDS_LEN }>(&[GROUND_NAMES, owners::NAMES, concierge::NAMES]);

const KINDS_LEN: usize = GROUND_NAMES.len() + owners::NAMES.len() + concierge::NAMES.len();

/// Every state machine.
pub const MACHINES: &[schema::Machine] =
    &kind::joined::<schema::Machine, { GROUND_MACHINES.len() + concierge::MACHINES.len() }>(&[
        GROUND_MACHINES,
        concierge::MACHINES,
    ]);

const GROUND_MACHINES: &[schema::Machine] = &[membership::MembershipState::MACHINE, delegation::DelegationState::MACHINE];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static KindInfo> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// The kind that a namespace of procedures is about.
pub fn kind_of(namespace: &str) -> Option<&'static KindInfo> {
    KINDS.iter().copied().find(|kind| kind.namespace() == namespace)
}
