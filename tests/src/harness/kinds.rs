//! The kinds, with the facts that tests ask of each by name. A test that goes over kinds begins here, and fails on a kind that it
//! does not know.

use entities::{engaged_property, history};

pub struct Kind {
    /// The name of the kind, and of its table.
    pub name: &'static str,
    /// The first part of the names of the kind's procedures.
    pub namespace: String,
    /// The GraphQL type that shows the kind.
    pub object: Option<String>,
    /// A sample row, if the kind has one.
    pub sample: Option<serde_json::Value>,
}

pub fn kinds() -> impl Iterator<Item = Kind> {
    resolvers::declare();
    entities::KINDS.iter().map(|kind| {
        let object = match (kind.api, kind.name) {
            (Some(api), _) => Some(api.object().into_owned()),
            (None, history::KIND) => Some("HistoryEntry".to_owned()),
            // A projection: its lists show the properties themselves.
            (None, engaged_property::KIND) => None,
            (None, _) if kind.view => None,
            (None, other) => panic!("{other}: say here which object shows it"),
        };
        let sample = kind.api.and_then(|api| api.sample());
        Kind { name: kind.name, namespace: kind.namespace(), object, sample }
    })
}

/// The kind that a GraphQL type shows.
pub fn shown_by(object: &str) -> Option<Kind> {
    kinds().find(|kind| kind.object.as_deref() == Some(object))
}
