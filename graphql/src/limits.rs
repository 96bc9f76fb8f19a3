//! The limits of one request, and the number of fields that a document selects once its fragments are spread out. Each fragment
//! is counted once, so that a small document cannot make the count itself expensive.

use async_graphql::parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned};
use schema::{Code, Error, Result};
use std::collections::HashMap;

/// The depth leaves room for the usual introspection query.
pub const DEPTH: usize = 16;
/// The most fields that one request may select.
pub const FIELDS: usize = 2_000;
pub const RECURSION: usize = 32;
pub const ALIASES: usize = 50;
/// The most fields and fragments in one another.
pub const NESTED: usize = 64;
/// The most bytes of arguments, fragments spread out.
pub const ARGUMENTS: usize = 256 << 10;
/// The most copies of a field in one place, each under conditions of its own.
pub const COPIES: usize = 10;
pub const DIRECTIVES: usize = 20;
/// The most errors in one answer.
pub const ERRORS: usize = 50;
/// The most subscriptions of one connection.
pub const SUBSCRIPTIONS: usize = 100;

/// The limits as the page for clients lists them.
pub const LISTED: &[(&str, usize)] = &[
    ("depth of a document", DEPTH),
    ("fields that a document selects, fragments spread out", FIELDS),
    ("aliases", ALIASES),
    ("fields and fragments in one another", NESTED),
    ("bytes of arguments, fragments spread out", ARGUMENTS),
    ("copies of a field in one place, under different conditions", COPIES),
    ("directives", DIRECTIVES),
    ("errors in one answer", ERRORS),
    ("subscriptions of one connection", SUBSCRIPTIONS),
];

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

pub fn check(document: &ExecutableDocument) -> Result<()> {
    let mut counted = HashMap::new();
    let mut sum: u64 = 0;
    for (_, operation) in document.operations.iter() {
        sum = sum.saturating_add(count(&operation.node.selection_set.node, &document.fragments, &mut counted));
    }
    // Validation looks at unused fragments as well.
    for name in document.fragments.keys() {
        sum = sum.max(spread(name, &document.fragments, &mut counted));
    }
    if sum <= FIELDS as u64 {
        return Ok(());
    }
    Err(Error::new(Code::GRAPHQL_VALIDATION_FAILED).message(format!("The document selects more than {FIELDS} fields.")))
}

fn count<'a>(set: &'a SelectionSet, fragments: &'a Fragments, counted: &mut HashMap<&'a str, Option<u64>>) -> u64 {
    set.items.iter().fold(0, |sum, selection| {
        sum.saturating_add(match &selection.node {
            Selection::Field(field) => count(&field.node.selection_set.node, fragments, counted).saturating_add(1),
            Selection::InlineFragment(fragment) => count(&fragment.node.selection_set.node, fragments, counted).saturating_add(1),
            Selection::FragmentSpread(spreading) => {
                spread(&spreading.node.fragment_name.node, fragments, counted).saturating_add(1)
            }
        })
    })
}

fn spread<'a>(name: &'a Name, fragments: &'a Fragments, counted: &mut HashMap<&'a str, Option<u64>>) -> u64 {
    match counted.get(name.as_str()) {
        Some(Some(known)) => return *known,
        // A fragment that spreads itself: validation reports the circle.
        Some(None) => return 0,
        None => {}
    }
    let Some(fragment) = fragments.get(name) else { return 0 };
    counted.insert(name.as_str(), None);
    let sum = count(&fragment.node.selection_set.node, fragments, counted);
    counted.insert(name.as_str(), Some(sum));
    sum
}
