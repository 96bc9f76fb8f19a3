//! One file a table: its row, its id, its finder that begins with the organization, what of it
//! clients see, and what of it policies see.

pub mod actor;
pub mod attribute;
pub mod event;
pub mod external_party;
pub mod loading;
pub mod membership;
pub mod node;
pub mod operation;
pub mod organization;
pub mod page;
pub mod principal;
pub mod property;
pub mod replica;
pub mod viewer;

/// What policies may ask about each kind, and where it is stored. A kind that is not here has no list.
pub fn attributes(kind: &str) -> Option<&'static [attribute::Attribute]> {
    Some(match kind {
        external_party::KIND => external_party::ATTRIBUTES,
        membership::KIND => membership::ATTRIBUTES,
        operation::KIND => operation::ATTRIBUTES,
        organization::KIND => organization::ATTRIBUTES,
        property::KIND => property::ATTRIBUTES,
        _ => return None,
    })
}

/// Every kind that a list or a relation can ask for.
pub const KINDS: &[&str] = &[external_party::KIND, membership::KIND, operation::KIND, organization::KIND, property::KIND];
