//! Anything that has an id.

use crate::{
    access_grant::AccessGrant, delegation::Delegation, external_party::ExternalParty, financial_entry::FinancialEntry,
    membership::Membership, organization::Organization, ownership::Ownership, portfolio::Portfolio, property::Property,
};
use async_graphql::{ID, Interface};
use schema::Operation;

/// Anything that has an id, whatever it is.
#[derive(Debug, Clone, Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    AccessGrant(AccessGrant),
    Delegation(Delegation),
    ExternalParty(ExternalParty),
    FinancialEntry(FinancialEntry),
    Membership(Membership),
    Operation(Operation),
    Organization(Organization),
    Ownership(Ownership),
    Portfolio(Portfolio),
    Property(Property),
}
