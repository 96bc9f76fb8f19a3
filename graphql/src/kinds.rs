//! Which kinds a document reads, found before anything is resolved: their filters are planned
//! before the query's transaction opens. A name may stand for more than one field, so the answer is
//! never too small; a test walks the schema and finds every field that is missing here.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use entities::{KINDS, external_party, membership, operation, organization, portfolio, property};
use std::collections::BTreeSet;

/// Field name → the kinds that it reads.
pub const PLANNED: &[(&str, &[&str])] = &[
    ("externalParties", &[external_party::KIND]),
    ("externalParty", &[external_party::KIND]),
    ("hoa", &[external_party::KIND]),
    ("memberships", &[membership::KIND]),
    ("node", KINDS),
    ("nodes", KINDS),
    ("operation", &[operation::KIND]),
    ("operations", &[operation::KIND]),
    ("organization", &[organization::KIND]),
    ("portfolio", &[portfolio::KIND]),
    ("portfolios", &[portfolio::KIND]),
    ("properties", &[property::KIND]),
    ("property", &[property::KIND]),
];

pub fn planned(document: &ExecutableDocument) -> BTreeSet<&'static str> {
    let mut kinds = BTreeSet::new();
    for (_, operation) in document.operations.iter() {
        walk(&operation.node.selection_set.node, &mut kinds);
    }
    for fragment in document.fragments.values() {
        walk(&fragment.node.selection_set.node, &mut kinds);
    }
    kinds
}

fn walk(set: &SelectionSet, kinds: &mut BTreeSet<&'static str>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let name = field.node.name.node.as_str();
                if let Some((_, reads)) = PLANNED.iter().find(|(planned, _)| *planned == name) {
                    kinds.extend(reads.iter().copied());
                }
                walk(&field.node.selection_set.node, kinds);
            }
            Selection::InlineFragment(fragment) => walk(&fragment.node.selection_set.node, kinds),
            // Every fragment of the document is walked by itself.
            Selection::FragmentSpread(_) => {}
        }
    }
}
