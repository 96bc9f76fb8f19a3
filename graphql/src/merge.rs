//! Equal fields of a document made one. The engine runs every copy of a field, and then makes one answer of them; here they are one
//! before anything is counted or run. Fragments are put in their places on the way.

use crate::{
    kinds::root,
    limits::{ARGUMENTS, COPIES, NESTED},
};
use async_graphql::{
    Name, Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition, InlineFragment, OperationType, Selection,
        SelectionSet, TypeCondition,
    },
};
use schema::{Code, Error, Result};
use std::{collections::HashMap, fmt::Write};

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;
type Items = Vec<Positioned<Selection>>;

/// Makes equal fields of each selection one. A document whose fragments are missing, circular or conditional themselves stays as it
/// is: validation refuses it. The document has been counted, so that its fragments spread out to no more than the limit.
pub fn fields(document: &mut ExecutableDocument) -> Result<()> {
    let ExecutableDocument { operations, fragments } = document;
    let mut used = Sizes::new();
    for (_, operation) in operations.iter() {
        if size(&operation.node.selection_set.node, 0, fragments, &mut used, &mut Vec::new())?.is_none() {
            return Ok(());
        }
    }
    let operations = match operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    for operation in operations {
        let root = root(operation.node.ty);
        let serial = operation.node.ty == OperationType::Mutation;
        merge(&mut operation.node.selection_set.node, Some(&Name::new(root)), serial, fragments)?;
    }
    // Validation refuses fragments that are spread nowhere: those that are in their places go, the others are its matter.
    fragments.retain(|name, _| !used.contains_key(name));
    Ok(())
}

/// The size of a selection once its fragments are in their places.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// The most selections in one another.
    height: usize,
    /// The bytes of arguments.
    bytes: usize,
}

type Sizes = HashMap<Name, Size>;

/// The size of a selection, within others. None: a fragment is missing, circular, or has directives of its own.
fn size<'a>(
    set: &'a SelectionSet,
    deep: usize,
    fragments: &'a Fragments,
    known: &mut Sizes,
    within: &mut Vec<&'a Name>,
) -> Result<Option<Size>> {
    let mut all = Size::default();
    ensure(deep, 0)?;
    for item in &set.items {
        let below = match &item.node {
            Selection::Field(field) => {
                let said = field.node.arguments.iter().map(|(_, value)| value.node.to_string().len());
                all.bytes += said.sum::<usize>();
                size(&field.node.selection_set.node, deep + 1, fragments, known, within)?
            }
            Selection::InlineFragment(fragment) => size(&fragment.node.selection_set.node, deep + 1, fragments, known, within)?,
            Selection::FragmentSpread(spreading) => {
                let name = &spreading.node.fragment_name.node;
                let fragment = fragments.get(name).filter(|fragment| fragment.node.directives.is_empty());
                match (known.get(name), fragment) {
                    (Some(known), _) => Some(*known),
                    (None, Some(fragment)) if !within.contains(&name) => {
                        within.push(name);
                        let below = size(&fragment.node.selection_set.node, deep + 1, fragments, known, within)?;
                        within.pop();
                        if let Some(below) = below {
                            known.insert(name.clone(), below);
                        }
                        below
                    }
                    _ => None,
                }
            }
        };
        let Some(below) = below else { return Ok(None) };
        all = Size { height: all.height.max(below.height + 1), bytes: all.bytes.saturating_add(below.bytes) };
        ensure(deep + all.height, all.bytes)?;
    }
    Ok(Some(all))
}

/// Refuses a document that nests its selections too deep, or says too much by its fragments.
fn ensure(height: usize, bytes: usize) -> Result<()> {
    let refused = |message: String| Err(Error::new(Code::GRAPHQL_VALIDATION_FAILED).message(message));
    if height > NESTED {
        return refused(format!("The document nests fields and fragments more than {NESTED} deep."));
    }
    if bytes > ARGUMENTS {
        return refused(format!("The arguments are larger than {ARGUMENTS} bytes once the fragments are spread out."));
    }
    Ok(())
}

fn merge(set: &mut SelectionSet, of: Option<&Name>, serial: bool, fragments: &Fragments) -> Result<()> {
    let mut merged = Merged { items: Vec::new(), places: HashMap::new(), of, serial, fragments };
    merged.take(std::mem::take(&mut set.items));
    set.items = merged.items;
    if let Some((name, _)) = copies(&set.items).into_iter().find(|(_, many)| *many > COPIES) {
        let message = format!("The document selects {name} more than {COPIES} times in one place, under different conditions.");
        return Err(Error::new(Code::GRAPHQL_VALIDATION_FAILED).message(message));
    }
    for item in &mut set.items {
        match &mut item.node {
            Selection::Field(field) => merge(&mut field.node.selection_set.node, None, false, fragments)?,
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.node.clone());
                merge(&mut fragment.node.selection_set.node, on.as_ref().or(of), serial, fragments)?;
            }
            Selection::FragmentSpread(_) => {}
        }
    }
    Ok(())
}

/// The copies of each field of a selection that may run for one object. Of fragments on different types one applies.
fn copies(items: &Items) -> HashMap<&str, usize> {
    let mut all: HashMap<&str, usize> = HashMap::new();
    let mut typed: HashMap<&str, usize> = HashMap::new();
    for item in items {
        match &item.node {
            Selection::Field(field) => *all.entry(field.node.response_key().node.as_str()).or_default() += 1,
            Selection::InlineFragment(fragment) => {
                let conditional = !fragment.node.directives.is_empty();
                for (name, many) in copies(&fragment.node.selection_set.node.items) {
                    if conditional {
                        *all.entry(name).or_default() += many;
                    } else {
                        let most = typed.entry(name).or_default();
                        *most = many.max(*most);
                    }
                }
            }
            Selection::FragmentSpread(_) => {}
        }
    }
    for (name, many) in typed {
        *all.entry(name).or_default() += many;
    }
    all
}

/// A selection while equal parts of it are made one.
struct Merged<'a> {
    items: Items,
    places: HashMap<String, usize>,
    /// The type that it selects from, where that is known without the schema.
    of: Option<&'a Name>,
    /// Whether its fields are run one after the other.
    serial: bool,
    fragments: &'a Fragments,
}

impl Merged<'_> {
    fn take(&mut self, items: Items) {
        for item in items {
            match item.node {
                Selection::Field(field) => self.field(item.pos, field),
                Selection::InlineFragment(fragment) => self.fragment(item.pos, fragment.node),
                Selection::FragmentSpread(spreading) => {
                    let Some(fragment) = self.fragments.get(&spreading.node.fragment_name.node) else { continue };
                    let FragmentDefinition { type_condition, directives: _, selection_set } = fragment.node.clone();
                    let directives = spreading.node.directives;
                    self.fragment(item.pos, InlineFragment { type_condition: Some(type_condition), directives, selection_set });
                }
            }
        }
    }

    fn field(&mut self, pos: async_graphql::Pos, field: Positioned<Field>) {
        let mut key = format!("{} {}(", field.node.response_key().node, field.node.name.node);
        let mut arguments: Vec<String> =
            field.node.arguments.iter().map(|(name, value)| format!("{}: {}", name.node, value.node)).collect();
        arguments.sort_unstable();
        let _ = write!(key, "{})", arguments.join(", "));
        say(&mut key, &field.node.directives);
        let there = self.places.get(&key).and_then(|at| self.items.get_mut(*at));
        match there.map(|there| &mut there.node) {
            Some(Selection::Field(there)) => {
                there.node.selection_set.node.items.extend(field.node.selection_set.node.items);
            }
            _ => self.push(key, Positioned::new(Selection::Field(field), pos)),
        }
    }

    fn fragment(&mut self, pos: async_graphql::Pos, fragment: InlineFragment) {
        let on = |condition: &Positioned<TypeCondition>| condition.node.on.node.clone();
        let on = fragment.type_condition.as_ref().map(on);
        if fragment.directives.is_empty() && (on.is_none() || on.as_ref() == self.of) {
            return self.take(fragment.selection_set.node.items);
        }
        let mut key = format!("... on {}", on.as_ref().map_or("", Name::as_str));
        say(&mut key, &fragment.directives);
        // What stands between two of them runs between them, where the order counts.
        let last = self.items.len().checked_sub(1);
        let place = self.places.get(&key).copied().filter(|at| !self.serial || Some(*at) == last);
        let there = place.and_then(|at| self.items.get_mut(at));
        match there.map(|there| &mut there.node) {
            Some(Selection::InlineFragment(there)) => {
                there.node.selection_set.node.items.extend(fragment.selection_set.node.items);
            }
            _ => self.push(key, Positioned::new(Selection::InlineFragment(Positioned::new(fragment, pos)), pos)),
        }
    }

    fn push(&mut self, key: String, item: Positioned<Selection>) {
        self.places.insert(key, self.items.len());
        self.items.push(item);
    }
}

fn say(key: &mut String, directives: &[Positioned<Directive>]) {
    for directive in directives {
        let arguments = directive.node.arguments.iter().map(|(name, value)| format!("{}: {}", name.node, value.node));
        let arguments: Vec<String> = arguments.collect();
        let _ = write!(key, " @{}({})", directive.node.name.node, arguments.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;

    /// The fields of a document as they are run, without their arguments.
    fn said(text: &str) -> String {
        let mut document = parse_query(text).expect("a document");
        match fields(&mut document) {
            Ok(()) => document.operations.iter().map(|(_, operation)| shown(&operation.node.selection_set.node)).collect(),
            Err(error) => error.text().to_owned(),
        }
    }

    fn shown(set: &SelectionSet) -> String {
        let item = |item: &Positioned<Selection>| match &item.node {
            Selection::Field(field) => field.node.response_key().to_string() + &shown(&field.node.selection_set.node),
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.to_string());
                format!("...{}{}", on.unwrap_or_default(), shown(&fragment.node.selection_set.node))
            }
            Selection::FragmentSpread(fragment) => format!("...{}!", fragment.node.fragment_name),
        };
        let items: Vec<String> = set.items.iter().map(item).collect();
        if items.is_empty() { String::new() } else { format!("{{{}}}", items.join(" ")) }
    }

    #[test]
    fn equal_fields_are_one() {
        for (text, merged) in [
            ("{ viewer { id } viewer { email } viewer { id } }", "{viewer{id email}}"),
            ("{ p(first: 1) { id } p(first: 1) { nodes { id } nodes { id v } } }", "{p{id nodes{id v}}}"),
            ("{ a: p(first: 1, x: 2) { id } a: p(x: 2, first: 1) { v } }", "{a{id v}}"),
            // Validation refuses these: they stay two.
            ("{ p(first: 1) { id } p(first: 2) { id } }", "{p{id} p{id}}"),
            (
                "{ ...A ... on Query { v { b } } ... { v { c } } } fragment A on Query { v { a } ...B } fragment B on Query { v { b } }",
                "{v{a b c}}",
            ),
            (
                "{ node { ... on A { x } ...F ... on B { x } ... on A { ... on A { y } } } } fragment F on A { x z }",
                "{node{...A{x z y} ...B{x}}}",
            ),
            ("query ($a: Boolean!) { v { a } v @include(if: $a) { b } v @include(if: $a) { c } }", "{v{a} v{b c}}"),
            ("subscription { ...S } fragment S on Subscription { changed { id } }", "{changed{id}}"),
            // Left to validation.
            ("{ v { a } v { a } ...Missing }", "{v{a} v{a} ...Missing!}"),
            ("{ v { a } v { a } ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "{v{a} v{a} ...A!}"),
        ] {
            assert_eq!(said(text), merged, "{text}");
        }
    }

    #[test]
    fn a_fragment_that_is_in_its_place_goes_and_an_unused_one_stays() {
        let mut document = parse_query("{ ...A } fragment A on Query { v } fragment B on Query { v }").expect("a document");
        fields(&mut document).expect("merged");
        assert_eq!(document.fragments.keys().map(Name::as_str).collect::<Vec<_>>(), ["B"]);
    }

    #[test]
    fn mutations_keep_their_order() {
        let text =
            "mutation ($a: Boolean!) { ... @include(if: $a) { a } b ... @include(if: $a) { c } ... @include(if: $a) { d } }";
        assert_eq!(said(text), "{...{a} b ...{c d}}");
    }

    #[test]
    fn fragments_are_nested_no_deeper_than_may_be_followed() {
        let chain = |many: usize, first: &[usize], wrap: &str| {
            let spreads: String = first.iter().map(|n| format!("...F{n} ")).collect();
            let (open, close) = (wrap.to_owned(), "}".repeat(wrap.matches('{').count()));
            let fragments: String =
                (1..many).map(|n| format!("fragment F{n} on Query {{ {open} ...F{} {close} }} ", n + 1)).collect();
            said(&format!("{{ {spreads} }} {fragments} fragment F{many} on Query {{ v {{ a }} }}"))
        };
        assert_eq!(chain(NESTED - 2, &[1], ""), "{v{a}}");
        assert!(chain(NESTED, &[1], "").contains("deep"));
        // Wherever the document begins to follow them.
        let backwards: Vec<usize> = (1..=1_900).rev().collect();
        assert!(chain(1_900, &backwards, "").contains("deep"));
        assert!(chain(1_900, &[1], "").contains("deep"));
        assert!(chain(30, &[1], &"x { ".repeat(50)).contains("deep"));
    }

    #[test]
    fn fragments_say_no_more_than_may_be_kept() {
        let spreads: String = (0..500).map(|n| format!("a{n}: v {{ ...A }} ")).collect();
        let text = format!("{{ {spreads} }} fragment A on V {{ x(text: \"{}\") }}", "x".repeat(8_000));
        assert!(said(&text).contains("larger than"));
    }

    #[test]
    fn fragments_on_many_types_are_no_copies() {
        let types: String = (0..30).map(|n| format!("... on T{n} {{ id }} ")).collect();
        assert!(said(&format!("{{ node {{ {types} }} }}")).starts_with("{node{"));
    }

    #[test]
    fn copies_under_different_conditions_have_a_limit() {
        let copies = |many: usize| {
            let variables: String = (0..many).map(|n| format!("$v{n}: Boolean! ")).collect();
            let fields: String = (0..many).map(|n| format!("... @include(if: $v{n}) {{ v {{ a }} }} ")).collect();
            said(&format!("query ({variables}) {{ {fields} }}"))
        };
        assert!(copies(COPIES).starts_with('{'));
        assert!(copies(COPIES + 1).contains("selects v more than"));
    }
}
