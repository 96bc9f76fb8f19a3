//! The cost of a document: the rows that it may touch. It is known from the document and its variables before anything is read.
//! The sizes of pages multiply down the tree; a list without pages counts as many rows as it may ever have.

use crate::{
    kinds::{Plans, Read, plans, root},
    request::named,
};
use async_graphql::{
    Name, Pos, Positioned, Value as Constant, Variables,
    parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::Value;
use kind::page;
use schema::{Code, Error, MUTATION, Quota, Result, quota};
use std::{collections::BTreeMap, sync::OnceLock};

/// The rows of the lists that have no pages: as many as there may be, or fewer where a list is hardly ever full. A list that is not
/// here stops the start.
const LISTS: &[(&str, &str, u64)] = &[
    ("Case", "questions", most(quota::QUESTIONS_OF_A_CASE) / 20),
    ("ChangePage", "items", page::MOST),
    ("Delegation", "items", most(quota::ITEMS) / 4),
    ("ExternalParty", "contacts", most(quota::CONTACTS_OF_A_PARTY) / 4),
    ("Financials", "sums", FIGURES),
    ("Financials", "totals", 10),
    ("HistoryEntry", "moves", 10),
    ("HistoryEntry", "references", 10),
    ("OwnershipTransfer", "received", most(quota::OWNERSHIPS)),
    ("Portfolio", "report", FIGURES),
    ("Property", "ownerships", most(quota::OWNERSHIPS) / 4),
    ("Property", "portfolios", most(quota::PORTFOLIOS_OF_A_PROPERTY)),
    ("Query", "nodes", page::MOST),
    ("Report", "rows", FIGURES),
    ("WorkItemCounted", "counts", 250),
    ("Viewer", "delegations", entities::viewer::SOME as u64),
    ("Viewer", "invitations", entities::viewer::SOME as u64),
    ("Viewer", "organizations", most(quota::HELD)),
];

/// The figures of a report that are expected: those of a statement are made of rows that are not sent.
const FIGURES: u64 = 50;

/// Fields that work more than for a row.
const WEIGHTS: &[(&str, &str, u64)] = &[
    ("Property", "financials", 10),
    ("Query", "portfolioFinancials", 100),
    ("Query", "propertyFinancials", 10),
    ("Query", "workItemCounts", 500),
    ("Query", "report", 500),
    ("Organization", "portfolioFinancials", 100),
    ("Organization", "propertyFinancials", 10),
    ("Organization", "report", 500),
];

/// The weight of a list's total, which is counted over the whole list.
const TOTAL: u64 = 20;

const fn most(quota: Quota) -> u64 {
    quota.most as u64
}

/// The costs of a document's operations.
#[derive(Debug, Default)]
pub struct Costs(Vec<(Option<Name>, Vec<Part>)>);

/// A part of a selection.
#[derive(Debug)]
enum Part {
    Field(Place),
    /// One of these applies: fragments on different types.
    Either(Vec<Vec<Part>>),
}

/// A field that touches rows.
#[derive(Debug)]
struct Place {
    key: Name,
    at: Pos,
    weight: u64,
    times: Times,
    /// The page that its parts belong to.
    page: Option<(Asked, Asked)>,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Times {
    Once,
    /// The rows of the page that it lies in.
    Page,
    Most(u64),
    Given(Asked, u64),
}

/// A number that a document asks for.
#[derive(Debug, Clone)]
enum Asked {
    Nothing,
    Number(u64),
    Variable(Name, Option<u64>),
}

impl Asked {
    fn of(field: &Field, operation: Option<&OperationDefinition>, argument: &str) -> Asked {
        match field.arguments.iter().find(|(name, _)| name.node == argument).map(|(_, value)| &value.node) {
            None | Some(Value::Null) => Asked::Nothing,
            Some(Value::Variable(name)) => {
                let mut defined = operation.into_iter().flat_map(|operation| &operation.variable_definitions);
                let found = defined.find(|variable| variable.node.name.node == *name);
                let default = found.and_then(|variable| variable.node.default_value.as_ref());
                Asked::Variable(name.clone(), default.map(|default| many(&default.node)))
            }
            Some(Value::List(items)) => Asked::Number(items.len() as u64),
            Some(Value::Number(number)) => Asked::Number(number.as_u64().unwrap_or(page::MOST)),
            Some(_) => Asked::Number(page::MOST),
        }
    }

    fn with(&self, variables: &Variables) -> Option<u64> {
        match self {
            Asked::Nothing => None,
            Asked::Number(number) => Some(*number),
            Asked::Variable(name, default) => match variables.get(name.as_str()) {
                Some(Constant::Null) => None,
                Some(value) => Some(many(value)),
                None => *default,
            },
        }
    }
}

fn many(value: &Constant) -> u64 {
    match value {
        Constant::Number(number) => number.as_u64().unwrap_or(page::MOST),
        Constant::List(items) => items.len() as u64,
        _ => page::MOST,
    }
}

/// The cost of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub rows: u64,
    pub most: u64,
}

impl Cost {
    pub fn value(self) -> Constant {
        let named = [("rows", self.rows), ("most", self.most)];
        Constant::Object(named.into_iter().map(|(name, number)| (Name::new(name), Constant::from(number))).collect())
    }
}

impl Costs {
    pub fn of(document: &ExecutableDocument) -> Costs {
        let operations = document.operations.iter().map(|(name, operation)| {
            let made = Made { plans: weighed(), operation: &operation.node };
            let set = &operation.node.selection_set.node;
            (name.cloned(), made.parts(root(operation.node.ty), set, false))
        });
        Costs(operations.collect())
    }

    /// The cost of the chosen operation, or a refusal that names its dearest place.
    pub fn ensure(&self, operation: Option<&str>, variables: &Variables, most: u64) -> Result<Cost> {
        let chosen = self.0.iter().filter(|(name, _)| named(operation, name.as_ref()));
        let Some((rows, parts)) = chosen.map(|(_, parts)| (sum(parts, 0, variables), parts)).max_by_key(|(rows, _)| *rows) else {
            return Ok(Cost { rows: 0, most });
        };
        if rows <= most {
            return Ok(Cost { rows, most });
        }
        let mut path = Vec::new();
        let (at, touched) = dearest(parts, 0, 1, variables, &mut path);
        let path = path.join(".");
        let message = format!(
            "The document may touch {rows} rows; {most} are allowed. {touched} of them are at {path} (line {}, column {}). Ask for smaller pages, or in several requests.",
            at.line, at.column
        );
        let details = serde_json::json!({ "cost": rows, "most": most, "path": path });
        Err(Error::new(Code::QUERY_TOO_COSTLY).message(message).details(details))
    }
}

fn sum(parts: &[Part], page: u64, variables: &Variables) -> u64 {
    let of = |part: &Part| match part {
        Part::Field(place) => place.rows(page, variables),
        Part::Either(ways) => ways.iter().map(|parts| sum(parts, page, variables)).max().unwrap_or_default(),
    };
    parts.iter().map(of).fold(0, u64::saturating_add)
}

/// The deepest place at which more than half of the rows are touched, with their number.
fn dearest(parts: &[Part], page: u64, times: u64, variables: &Variables, path: &mut Vec<String>) -> (Pos, u64) {
    let dearest_of = parts.iter().max_by_key(|part| sum(std::slice::from_ref(part), page, variables));
    match dearest_of {
        None => (Pos::default(), 0),
        Some(Part::Either(ways)) => {
            let way = ways.iter().max_by_key(|parts| sum(parts, page, variables));
            way.map_or((Pos::default(), 0), |parts| dearest(parts, page, times, variables, path))
        }
        Some(Part::Field(place)) => {
            path.push(place.key.to_string());
            let own = place.rows(page, variables).saturating_mul(times);
            let (times, page) = (place.times(page, variables).saturating_mul(times), place.page(variables));
            let within = sum(&place.parts, page, variables).saturating_mul(times);
            if within.saturating_mul(2) > own {
                return dearest(&place.parts, page, times, variables, path);
            }
            (place.at, own)
        }
    }
}

impl Place {
    fn page(&self, variables: &Variables) -> u64 {
        let Some((first, last)) = &self.page else { return 0 };
        // A number out of range is refused later.
        first.with(variables).or_else(|| last.with(variables)).unwrap_or(page::DEFAULT).min(page::MOST)
    }

    fn times(&self, page: u64, variables: &Variables) -> u64 {
        match &self.times {
            Times::Once => 1,
            Times::Page => page,
            Times::Most(most) => *most,
            Times::Given(asked, most) => asked.with(variables).unwrap_or(*most).min(*most),
        }
    }

    fn rows(&self, page: u64, variables: &Variables) -> u64 {
        let one = sum(&self.parts, self.page(variables), variables).saturating_add(self.weight);
        one.saturating_mul(self.times(page, variables))
    }
}

/// The plans, once it is known that each list has a bound.
fn weighed() -> &'static Plans {
    static WEIGHED: OnceLock<&Plans> = OnceLock::new();
    WEIGHED.get_or_init(|| {
        let plans = plans();
        for (object, name, read) in plans.all() {
            let plain = read.list && read.to.as_ref().is_some_and(|to| plans.has(to));
            let bounded = object.ends_with("Connection") || object.ends_with("Payload") || listed(object, name).is_some();
            assert!(!plain || bounded, "{object}.{name} is a list without a bound: see `LISTS`");
        }
        for (object, name, _) in LISTS.iter().chain(WEIGHTS) {
            assert!(plans.field(object, name).is_some(), "{object}.{name} is no field");
        }
        plans
    })
}

fn listed(object: &str, field: &str) -> Option<u64> {
    LISTS.iter().find(|(of, name, _)| (*of, *name) == (object, field)).map(|(_, _, most)| *most)
}

struct Made<'a> {
    plans: &'static Plans,
    operation: &'a OperationDefinition,
}

impl Made<'_> {
    fn parts(&self, object: &str, set: &SelectionSet, in_page: bool) -> Vec<Part> {
        let mut parts = Vec::new();
        // By their types: fragments on one type, under conditions of their own, may all apply.
        let mut ways: BTreeMap<&str, Vec<Part>> = BTreeMap::new();
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    if let Some(read) = self.plans.field(object, &field.node.name.node) {
                        parts.extend(self.field(object, field, read, in_page).map(Part::Field));
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map(|on| &*on.node.on.node);
                    let within = self.parts(on.unwrap_or(object), &fragment.node.selection_set.node, in_page);
                    // Fragments on the same type, or on an interface, apply besides others.
                    if on.is_none_or(|on| on == object || on == "Node") {
                        parts.extend(within);
                    } else if let Some(on) = on.filter(|_| !within.is_empty()) {
                        ways.entry(on).or_default().extend(within);
                    }
                }
                // Fragments are in their places by now, where the document is not wrong.
                Selection::FragmentSpread(_) => {}
            }
        }
        if !ways.is_empty() {
            parts.push(Part::Either(ways.into_values().collect()));
        }
        parts
    }

    fn field(&self, object: &str, field: &Positioned<Field>, read: &Read, in_page: bool) -> Option<Place> {
        let name = &*field.node.name.node;
        let to = read.to.as_deref().unwrap_or_default();
        let asked = |argument: &str| Asked::of(&field.node, Some(self.operation), argument);
        let is_page = to.ends_with("Connection");
        let times = match (read.list && self.plans.has(to), in_page) {
            (false, _) => Times::Once,
            (true, true) => Times::Page,
            (true, false) if object.ends_with("Payload") => Times::Once,
            (true, false) if (object, name) == ("Query", "nodes") => Times::Given(asked("ids"), page::MOST),
            (true, false) => Times::Most(listed(object, name).unwrap_or(page::MOST)),
        };
        let weighed = WEIGHTS.iter().find(|(of, field, _)| (*of, *field) == (object, name)).map(|(_, _, weight)| *weight);
        let weight = match (weighed, &times) {
            (Some(weight), _) => weight,
            (None, Times::Once) if in_page && name == "totalCount" => TOTAL,
            // Values that lie in the row of their object cost nothing; what is read for it costs a row.
            (None, Times::Once) if object == "Mutation" => MUTATION,
            (None, Times::Once) => u64::from(!read.kinds.is_empty() || (object == "Query" && self.plans.has(to))),
            (None, _) => 1,
        };
        let page = is_page.then(|| (asked("first"), asked("last")));
        let parts = if self.plans.has(to) { self.parts(to, &field.node.selection_set.node, is_page) } else { Vec::new() };
        let counts = weight > 0 || !parts.is_empty();
        counts.then(|| Place { key: field.node.response_key().node.clone(), at: field.pos, weight, times, page, parts })
    }
}
