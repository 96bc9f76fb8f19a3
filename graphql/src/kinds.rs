//! Which kinds a document reads, found before anything is resolved: their filters are planned
//! before the query's transaction opens. A name may stand for more than one field, so the answer is
//! never too small; a test walks the schema and finds every field that is missing here.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use entities::{
    KINDS, access_grant, delegation, engaged_property, external_party, financial_entry, history, membership, operation,
    organization, ownership, portfolio, property, report::Visible,
};
use schema::Planned;

/// Field name → the kinds that it reads.
pub const PLANNED: &[(&str, &[&str])] = &[
    ("accessGrant", &[access_grant::KIND]),
    ("accessGrants", &[access_grant::KIND]),
    ("changes", KINDS),
    ("delegation", &[delegation::KIND]),
    ("delegations", &[delegation::KIND]),
    ("engagedOrganizations", &[access_grant::KIND]),
    ("engagedProperties", &[engaged_property::KIND, property::KIND]),
    ("event", &[history::KIND]),
    ("events", KINDS),
    ("externalParties", &[external_party::KIND]),
    ("externalParty", &[external_party::KIND]),
    ("financialEntries", &[financial_entry::KIND]),
    ("financialEntry", &[financial_entry::KIND]),
    ("history", &[history::KIND]),
    ("hoa", &[external_party::KIND]),
    ("memberships", &[membership::KIND]),
    ("node", KINDS),
    ("nodes", KINDS),
    ("operation", &[operation::KIND]),
    ("operations", &[operation::KIND]),
    ("operationChanged", &[operation::KIND]),
    ("organization", &[organization::KIND]),
    ("ownership", &[ownership::KIND]),
    ("ownerships", &[ownership::KIND]),
    ("portfolio", &[portfolio::KIND]),
    ("portfolioChanged", &[portfolio::KIND, history::KIND]),
    ("portfolioFinancials", Visible::KINDS),
    ("portfolios", &[portfolio::KIND]),
    // Of an organization that engaged the acting one, by the projection.
    ("properties", &[property::KIND, engaged_property::KIND]),
    ("property", &[property::KIND]),
    ("propertyChanged", &[property::KIND, portfolio::KIND, history::KIND]),
    ("propertyFinancials", Visible::KINDS),
    ("report", Visible::KINDS),
];

/// Fields that read rows of organizations that engaged the acting one.
const ACROSS: &[&str] =
    &["accessGrant", "changes", "engagedOrganizations", "engagedProperties", "events", "portfolioChanged", "propertyChanged"];

pub fn planned(document: &ExecutableDocument) -> Planned {
    let mut kinds = Planned::default();
    for (_, operation) in document.operations.iter() {
        walk(&operation.node.selection_set.node, &mut kinds);
    }
    for fragment in document.fragments.values() {
        walk(&fragment.node.selection_set.node, &mut kinds);
    }
    kinds
}

fn walk(set: &SelectionSet, kinds: &mut Planned) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let name = field.node.name.node.as_str();
                if let Some((_, reads)) = PLANNED.iter().find(|(planned, _)| *planned == name) {
                    kinds.kinds.extend(reads.iter().copied());
                }
                kinds.across |= ACROSS.contains(&name);
                walk(&field.node.selection_set.node, kinds);
            }
            Selection::InlineFragment(fragment) => walk(&fragment.node.selection_set.node, kinds),
            // Every fragment of the document is walked by itself.
            Selection::FragmentSpread(_) => {}
        }
    }
}
