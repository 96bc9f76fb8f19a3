//! One file a table: its row, its id, its finder that begins with the organization, what of it
//! clients see, and what of it policies see.

use queryplan::{Attribute, Scalar, Stored};

pub mod actor;
pub mod event;
pub mod external_party;
pub mod loading;
pub mod membership;
pub mod node;
pub mod operation;
pub mod organization;
pub mod page;
pub mod portfolio;
pub mod principal;
pub mod property;
pub mod replica;
pub mod viewer;

/// Every kind that a list or a relation can ask for.
pub const KINDS: &[&str] =
    &[external_party::KIND, membership::KIND, operation::KIND, organization::KIND, portfolio::KIND, property::KIND];

/// What policies may ask about each kind, and where it is stored. A kind that is not here has no list.
pub fn resource(kind: &str) -> Option<&'static queryplan::Resource> {
    Some(match kind {
        external_party::KIND => &external_party::RESOURCE,
        membership::KIND => &membership::RESOURCE,
        operation::KIND => &operation::RESOURCE,
        organization::KIND => &organization::RESOURCE,
        portfolio::KIND => &portfolio::RESOURCE,
        property::KIND => &property::RESOURCE,
        _ => return None,
    })
}

/// The binding that is the acting organization.
pub const ACTING: &str = "acting";

/// OWN where a row belongs to the acting organization, else ENGAGED. So the organizations that someone
/// may see need not be told to the policy one by one.
const fn relation(column: &'static str) -> Attribute {
    let stored = Stored::Choice { binding: ACTING, equal: "OWN", other: "ENGAGED" };
    Attribute::value("relation", Scalar::new(column, stored))
}
