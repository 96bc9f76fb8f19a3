//! Anything that has an id.

use crate::{
    access_grant::{self, AccessGrant},
    delegation::{self, Delegation},
    external_party::{self, ExternalParty, ExternalPartyStatus},
    financial_entry::{self, FinancialEntry},
    membership::{self, Membership},
    operation,
    organization::{self, Organization},
    ownership::{self, Ownership},
    portfolio::{self, Portfolio, PortfolioStatus},
    property::{self, Property, PropertyStatus},
};
use async_graphql::{ID, Interface};
use schema::{Operation, OrganizationId, Result, Tx};
use schemars::JsonSchema;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;

/// Anything that has an id, whatever it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Interface)]
#[serde(tag = "__typename")]
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

impl Node {
    /// Out of the way, though still there.
    pub fn archived(&self) -> bool {
        match self {
            Node::Property(property) => property.status == PropertyStatus::Archived,
            Node::Portfolio(portfolio) => portfolio.status == PortfolioStatus::Archived,
            Node::ExternalParty(party) => party.status == ExternalPartyStatus::Archived,
            _ => false,
        }
    }
}

/// What is asked for, and the rows of each kind that the reader may see.
pub trait Wanted {
    fn ids(&self, kind: &'static str) -> Vec<Uuid>;
    fn visible(&self, kind: &'static str) -> Result<Condition>;
}

/// Things of these organizations, operations of the acting one. One statement a kind, however many ids.
#[expect(clippy::disallowed_methods, reason = "it begins with the organizations that are asked for")]
pub async fn find(
    tx: &Tx,
    owners: &[OrganizationId],
    acting: OrganizationId,
    wanted: &(impl Wanted + ?Sized),
) -> Result<HashMap<(&'static str, Uuid), Node>> {
    let owners: Vec<Uuid> = owners.iter().map(|owner| owner.0).collect();
    let mut found: HashMap<(&'static str, Uuid), Node> = HashMap::new();
    macro_rules! of {
        ($($kind:ident of $owners:expr => $node:ident;)*) => {
            $(
                let ids = wanted.ids($kind::KIND);
                if !ids.is_empty() {
                    let select = $kind::Entity::find().filter($kind::Column::OrganizationId.eq_any($owners));
                    let rows = select.filter($kind::Column::Id.eq_any(ids)).filter(wanted.visible($kind::KIND)?).all(tx).await?;
                    found.extend(rows.into_iter().map(|row| (($kind::KIND, row.id.0), Node::$node(row.into()))));
                }
            )*
        };
    }
    of! {
        property of owners.clone() => Property;
        portfolio of owners.clone() => Portfolio;
        ownership of owners.clone() => Ownership;
        financial_entry of owners.clone() => FinancialEntry;
        external_party of owners.clone() => ExternalParty;
        delegation of owners.clone() => Delegation;
        access_grant of owners.clone() => AccessGrant;
        membership of owners.clone() => Membership;
        operation of vec![acting.0] => Operation;
    }
    let ids: Vec<Uuid> = wanted.ids(organization::KIND).into_iter().filter(|id| owners.contains(id)).collect();
    if !ids.is_empty() {
        let select = organization::Entity::find().filter(organization::Column::Id.eq_any(ids));
        let rows = select.filter(wanted.visible(organization::KIND)?).all(tx).await?;
        found.extend(rows.into_iter().map(|row| ((organization::KIND, row.id.0), Node::Organization(row.into()))));
    }
    Ok(found)
}
