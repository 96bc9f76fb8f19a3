//! Anything that has an id.

use crate::{
    external_party::ExternalParty, membership::Membership, organization::Organization, portfolio::Portfolio, property::Property,
};
use async_graphql::{ID, Interface};
use schema::Operation;

/// Anything that has an id, whatever it is.
#[derive(Debug, Clone, Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    ExternalParty(ExternalParty),
    Membership(Membership),
    Operation(Operation),
    Organization(Organization),
    Portfolio(Portfolio),
    Property(Property),
}
