//! The kinds that a document reads, found before anything is resolved, so that their filters are planned before the query's
//! transaction opens. A field's plan is declared beside the field: for a root at its query, for the others at the relations. A
//! test walks the schema and finds every field that needs a plan and has none.

use crate::roots;
use async_graphql::parser::{
    parse_schema,
    types::{BaseType, ExecutableDocument, OperationType, Selection, SelectionSet, Type, TypeKind, TypeSystemDefinition},
};
use schema::Planned;
use std::{collections::HashMap, sync::OnceLock};

/// The plan of an object's field.
#[derive(Debug, Default)]
pub struct Read {
    /// The type that the field returns.
    pub to: Option<String>,
    pub list: bool,
    pub kinds: &'static [&'static str],
    pub across: bool,
    judging: bool,
}

/// The plans of every object's fields, by their names.
pub struct Plans(HashMap<String, HashMap<String, Read>>);

/// The plans of the schema, made once.
pub fn plans() -> &'static Plans {
    static PLANS: OnceLock<Plans> = OnceLock::new();
    PLANS.get_or_init(Plans::new)
}

impl Plans {
    fn new() -> Plans {
        let mut plans = Plans(objects(&roots::sdl()));
        for (object, plan) in roots::plans() {
            let fields = plans.0.get_mut(&object).unwrap_or_else(|| panic!("{object} is planned, and not in the schema"));
            let field =
                fields.get_mut(&plan.shown()).unwrap_or_else(|| panic!("{object}.{} is planned, and not there", plan.shown()));
            field.kinds = plan.kinds;
            field.across = plan.across;
            field.judging = plan.judging;
        }
        plans
    }

    /// Whether a type has fields.
    pub fn has(&self, object: &str) -> bool {
        self.0.contains_key(object)
    }

    /// All fields, each with its object and its name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &Read)> {
        self.0.iter().flat_map(|(object, fields)| fields.iter().map(move |(name, read)| (&**object, &**name, read)))
    }

    pub fn field(&self, object: &str, field: &str) -> Option<&Read> {
        self.0.get(object)?.get(field)
    }

    /// Whether a kind is planned wherever an object's field is read: by the field itself, or on every way to the object.
    pub fn covers(&self, object: &str, field: &str, kind: &str) -> bool {
        self.field(object, field).is_some_and(|read| read.kinds.contains(&kind)) || self.arrives(object, kind, &mut Vec::new())
    }

    /// Whether a kind is planned on every way to an object.
    fn arrives<'a>(&'a self, object: &'a str, kind: &str, met: &mut Vec<&'a str>) -> bool {
        if met.contains(&object) {
            return true;
        }
        met.push(object);
        let mut leading = self.0.iter().flat_map(|(of, fields)| fields.values().map(move |read| (of, read)));
        let leads = |read: &Read| read.to.as_deref() == Some(object);
        let known = leading.clone().any(|(_, read)| leads(read));
        known && leading.all(|(of, read)| !leads(read) || read.kinds.contains(&kind) || self.arrives(of, kind, met))
    }
}

/// The objects and interfaces of a schema, by the names of their fields.
fn objects(sdl: &str) -> HashMap<String, HashMap<String, Read>> {
    let document = parse_schema(sdl).unwrap_or_else(|error| panic!("our own schema is not read: {error}"));
    let mut objects = HashMap::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let fields = match definition.node.kind {
            TypeKind::Object(object) => object.fields,
            TypeKind::Interface(interface) => interface.fields,
            _ => continue,
        };
        let fields = fields.into_iter().map(|field| {
            let to = Some(named(&field.node.ty.node).to_owned());
            let list = matches!(field.node.ty.node.base, BaseType::List(_));
            (field.node.name.node.to_string(), Read { to, list, ..Read::default() })
        });
        objects.insert(definition.node.name.node.to_string(), fields.collect());
    }
    objects
}

fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

/// The name of an operation's root.
pub fn root(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

pub fn planned(document: &ExecutableDocument) -> Planned {
    let (plans, mut kinds) = (plans(), Planned::default());
    for (_, operation) in document.operations.iter() {
        walk(plans, root(operation.node.ty), &operation.node.selection_set.node, &mut kinds);
    }
    // Every fragment of the document is walked by itself.
    for fragment in document.fragments.values() {
        walk(plans, &fragment.node.type_condition.node.on.node, &fragment.node.selection_set.node, &mut kinds);
    }
    kinds
}

fn walk(plans: &Plans, object: &str, set: &SelectionSet, kinds: &mut Planned) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                // Validation refuses an unknown field later.
                let Some(read) = plans.field(object, &field.node.name.node) else { continue };
                kinds.kinds.extend(read.kinds);
                kinds.across |= read.across;
                if read.judging {
                    let actions = read.kinds.iter().flat_map(|kind| kind::actions::of(kind));
                    kinds.judged.extend(actions.map(|action| (action.kind, action.action)));
                }
                if let Some(to) = &read.to {
                    walk(plans, to, &field.node.selection_set.node, kinds);
                }
            }
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map_or(object, |on| &on.node.on.node);
                walk(plans, on, &fragment.node.selection_set.node, kinds);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}
