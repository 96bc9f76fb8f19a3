//! Fragments at the root of a subscription, replaced by their fields.

use async_graphql::{
    Name, Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, FragmentDefinition, OperationType, Selection, SelectionSet, TypeCondition,
    },
};
use std::collections::{HashMap, HashSet};

/// Replaces fragments at the roots of subscriptions by their fields, since the engine looks for a subscription's field nowhere
/// else.
pub fn roots(document: &mut ExecutableDocument) {
    let ExecutableDocument { operations, fragments } = document;
    if operations.iter().all(|(_, operation)| operation.node.ty != OperationType::Subscription) {
        return;
    }
    let mut unfolded = HashSet::new();
    let roots = match operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    for operation in roots.into_iter().filter(|operation| operation.node.ty == OperationType::Subscription) {
        let items = std::mem::take(&mut operation.node.selection_set.node.items);
        operation.node.selection_set.node.items = unfold(items, fragments, &mut unfolded, &mut Vec::new(), &mut 500);
    }
    // A replaced fragment that is spread nowhere else goes, since validation refuses unused ones.
    let mut used = HashSet::new();
    for (_, operation) in operations.iter() {
        spread(&operation.node.selection_set.node, &mut used);
    }
    let mut rest: Vec<&Name> = fragments.keys().collect();
    while let Some(at) = rest.iter().position(|name| !unfolded.contains(*name) || used.contains(*name)) {
        spread(&fragments[rest.swap_remove(at)].node.selection_set.node, &mut used);
    }
    let gone: HashSet<Name> = rest.into_iter().cloned().collect();
    fragments.retain(|name, _| !gone.contains(name));
}

/// Collects the names of the fragments that a selection spreads.
fn spread(set: &SelectionSet, used: &mut HashSet<Name>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => spread(&field.node.selection_set.node, used),
            Selection::InlineFragment(fragment) => spread(&fragment.node.selection_set.node, used),
            Selection::FragmentSpread(fragment) => drop(used.insert(fragment.node.fragment_name.node.clone())),
        }
    }
}

fn unfold(
    items: Vec<Positioned<Selection>>,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    unfolded: &mut HashSet<Name>,
    within: &mut Vec<Name>,
    left: &mut usize,
) -> Vec<Positioned<Selection>> {
    let root = |condition: &Positioned<TypeCondition>| condition.node.on.node == "Subscription";
    let mut flat = Vec::new();
    for item in items {
        // A subscription has one field, so that the budget stops only documents that are made to explode.
        *left = left.saturating_sub(1);
        match &item.node {
            _ if *left == 0 => flat.push(item),
            Selection::InlineFragment(fragment)
                if fragment.node.directives.is_empty() && fragment.node.type_condition.as_ref().is_none_or(root) =>
            {
                flat.extend(unfold(fragment.node.selection_set.node.items.clone(), fragments, unfolded, within, left));
            }
            Selection::FragmentSpread(spread) if spread.node.directives.is_empty() => {
                let name = &spread.node.fragment_name.node;
                // Validation reports a fragment that is missing, of another type, or circular.
                match fragments.get(name).filter(|fragment| root(&fragment.node.type_condition) && !within.contains(name)) {
                    Some(fragment) => {
                        unfolded.insert(name.clone());
                        within.push(name.clone());
                        flat.extend(unfold(fragment.node.selection_set.node.items.clone(), fragments, unfolded, within, left));
                        within.pop();
                    }
                    None => flat.push(item),
                }
            }
            _ => flat.push(item),
        }
    }
    flat
}
