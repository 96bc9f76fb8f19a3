//! One file a table: its row, its id, its finder that begins with the organization, what of it
//! clients see, and what of it policies see.

use queryplan::{Attribute, Scalar, Stored};
use schema::{OrganizationId, Sight, Tx};
use sea_orm::{ColumnTrait, sea_query::SimpleExpr};

pub mod access_grant;
pub mod actor;
pub mod cells;
pub mod change;
pub mod delegation;
pub mod engaged_property;
pub mod event;
pub mod external_party;
pub mod feed;
pub mod financial_entry;
pub mod history;
pub mod loading;
pub mod membership;
pub mod node;
pub mod operation;
pub mod organization;
pub mod ownership;
pub mod page;
pub mod portfolio;
pub mod principal;
pub mod property;
pub mod ready;
pub mod replica;
pub mod report;
pub mod viewer;

/// Every kind that a list or a relation can ask for.
pub const KINDS: &[&str] = &[
    access_grant::KIND,
    delegation::KIND,
    engaged_property::KIND,
    external_party::KIND,
    financial_entry::KIND,
    history::KIND,
    membership::KIND,
    operation::KIND,
    organization::KIND,
    ownership::KIND,
    portfolio::KIND,
    property::KIND,
];

/// What policies may ask about each kind, and where it is stored. A kind that is not here has no list.
pub fn resource(kind: &str) -> Option<&'static queryplan::Resource> {
    Some(match kind {
        access_grant::KIND => &access_grant::RESOURCE,
        delegation::KIND => &delegation::RESOURCE,
        engaged_property::KIND => &engaged_property::RESOURCE,
        external_party::KIND => &external_party::RESOURCE,
        financial_entry::KIND => &financial_entry::RESOURCE,
        history::KIND => &history::RESOURCE,
        membership::KIND => &membership::RESOURCE,
        operation::KIND => &operation::RESOURCE,
        organization::KIND => &organization::RESOURCE,
        ownership::KIND => &ownership::RESOURCE,
        portfolio::KIND => &portfolio::RESOURCE,
        property::KIND => &property::RESOURCE,
        _ => return None,
    })
}

/// The kind that a namespace of procedures is about: `externalParty` is `external_party`.
pub fn kind_of(namespace: &str) -> Option<&'static str> {
    let same = |kind: &&&str| kind.split('_').flat_map(str::chars).eq(namespace.to_lowercase().chars());
    KINDS.iter().find(same).copied()
}

/// In the organizations of these keys. Mostly that is one, and the planner is told so where row security says the same. Where
/// that says a scope instead, a single one beside it would have the planner expect next to nothing: there it is told of one
/// for each key.
fn among<K>(tx: &Tx, column: impl ColumnTrait, keys: &[(OrganizationId, K)]) -> SimpleExpr {
    match keys {
        [(first, _), rest @ ..] if tx.sight() == Sight::Own && rest.iter().all(|(other, _)| other == first) => column.eq(*first),
        _ => column.eq_any(keys.iter().map(|(organization, _)| organization.0).collect::<Vec<_>>()),
    }
}

/// The binding that is the acting organization.
pub const ACTING: &str = "acting";

/// OWN where a row belongs to the acting organization, else ENGAGED. So the organizations that someone
/// may see need not be told to the policy one by one.
const fn relation(column: &'static str) -> Attribute {
    let stored = Stored::Choice { binding: ACTING, equal: "OWN", other: "ENGAGED" };
    Attribute::value("relation", Scalar::new(column, stored))
}
