//! A cache of parsed documents, which remembers the shapes of variables that each was found valid with. A known document is not
//! parsed again, and not validated again for other variables of a known shape.

use crate::{cost::Costs, limits, merge};
use async_graphql::{ScalarType, Value, Variables, parser::types::ExecutableDocument};
use schema::{Date, Planned, Result, Time};
use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::{BuildHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};
use uuid::Uuid;

/// A parsed document, with the plans that follow from it alone.
pub struct Document {
    pub tree: ExecutableDocument,
    pub planned: Planned,
    pub costs: Costs,
    valid: Mutex<HashSet<u64>>,
}

/// The most shapes of variables that are remembered for a document.
const SHAPES: usize = 64;

impl Document {
    /// Refuses a document beyond the limits, and makes its equal fields one.
    pub fn new(mut tree: ExecutableDocument) -> Result<Document> {
        limits::check(&tree)?;
        merge::fields(&mut tree)?;
        let (planned, costs) = (crate::planned(&tree), Costs::of(&tree));
        Ok(Document { tree, planned, costs, valid: Mutex::default() })
    }

    fn shapes<T>(&self, work: impl FnOnce(&mut HashSet<u64>) -> T) -> T {
        work(&mut self.valid.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the document was found valid with variables of this shape.
    pub fn is_valid(&self, shape: u64) -> bool {
        self.shapes(|valid| valid.contains(&shape))
    }

    pub fn found_valid(&self, shape: u64) {
        self.shapes(|valid| {
            if valid.len() < SHAPES {
                valid.insert(shape);
            }
        });
    }
}

/// The longest text that is cached.
const LONGEST: usize = 16 << 10;
/// The most bytes of text in each of the two generations.
const KEPT: usize = 512 << 10;

/// Documents by their text, in two generations. A document that a whole generation did not ask for is dropped.
#[derive(Clone, Default)]
pub struct DocumentCache(Arc<Shared>);

#[derive(Default)]
struct Shared {
    generations: Mutex<Generations>,
    hash: RandomState,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Arc<str>, Arc<Document>>,
    old: HashMap<Arc<str>, Arc<Document>>,
    /// The length of the young texts.
    bytes: usize,
}

impl Generations {
    fn keep(&mut self, text: Arc<str>, document: Arc<Document>) {
        if self.bytes + text.len() > KEPT {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += text.len();
        self.young.insert(text, document);
    }
}

impl DocumentCache {
    fn with<T>(&self, work: impl FnOnce(&mut Generations) -> T) -> T {
        work(&mut self.0.generations.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn find(&self, text: &str) -> Option<Arc<Document>> {
        self.with(|generations| {
            if let Some(document) = generations.young.get(text) {
                return Some(Arc::clone(document));
            }
            let (text, document) = generations.old.remove_entry(text)?;
            generations.keep(text, Arc::clone(&document));
            Some(document)
        })
    }

    pub fn keep(&self, text: &str, document: &Arc<Document>) {
        if text.len() <= LONGEST {
            self.with(|generations| generations.keep(text.into(), Arc::clone(document)));
        }
    }

    /// A hash of everything that validation tells apart in an operation's name and variables.
    pub fn shape(&self, operation: Option<&str>, variables: &Variables) -> u64 {
        let mut hasher = self.0.hash.build_hasher();
        operation.hash(&mut hasher);
        for (name, value) in variables.iter() {
            name.as_str().hash(&mut hasher);
            self.shape_of(value).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn shape_of(&self, value: &Value) -> u64 {
        let mut hasher = self.0.hash.build_hasher();
        match value {
            Value::Null => 0.hash(&mut hasher),
            Value::Boolean(_) => 1.hash(&mut hasher),
            Value::Number(number) => match number.as_i64().filter(|number| i32::try_from(*number).is_ok()) {
                Some(_) => 2.hash(&mut hasher),
                None => (3, number.to_string()).hash(&mut hasher),
            },
            Value::String(text) => text_shape(text).hash(&mut hasher),
            Value::Enum(name) => (9, name.as_str()).hash(&mut hasher),
            Value::Binary(_) => 10.hash(&mut hasher),
            Value::List(items) => {
                let mut shapes: Vec<u64> = items.iter().map(|item| self.shape_of(item)).collect();
                shapes.sort_unstable();
                shapes.dedup();
                (11, shapes).hash(&mut hasher);
            }
            Value::Object(fields) => {
                let mut shapes: Vec<(&str, u64)> =
                    fields.iter().map(|(name, value)| (name.as_str(), self.shape_of(value))).collect();
                shapes.sort_unstable();
                (12, shapes).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

/// The shape of a text: UUIDs, days and times have one each. A short word has its own, since it may be a number or the value of
/// an enum.
fn text_shape(text: &str) -> (u8, &str) {
    if Uuid::try_parse(text).is_ok() {
        (4, "")
    } else if Date::parse(text).is_some() {
        (5, "")
    } else if <Time as ScalarType>::parse(Value::String(text.to_owned())).is_ok() {
        (6, "")
    } else if text.len() <= 64 && text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        (7, text)
    } else {
        (8, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shapes_tell_apart_what_the_validation_does() {
        let documents = DocumentCache::default();
        let shape = |variables: serde_json::Value| documents.shape(None, &Variables::from_json(variables));
        let same = [
            (json!({ "id": "01920000-0000-7000-8000-000000000001" }), json!({ "id": "01920000-0000-7000-8000-000000000002" })),
            (json!({ "first": 5 }), json!({ "first": 50 })),
            (json!({ "filter": { "a": 1, "b": ["X", "X"] } }), json!({ "filter": { "b": ["X"], "a": 2 } })),
            (json!({ "name": "1 First Street" }), json!({ "name": "2 Second Street" })),
            (json!({ "at": "2026-05-01T09:30:00Z" }), json!({ "at": "2027-05-01T09:30:00Z" })),
        ];
        for (one, other) in same {
            assert_eq!(shape(one.clone()), shape(other), "{one}");
        }
        let different = [
            (json!({ "order": "CREATED_ASC" }), json!({ "order": "CREATED_DOWN" })),
            (json!({ "first": 5 }), json!({ "first": "5" })),
            (json!({ "first": 5 }), json!({ "first": 5_000_000_000_i64 })),
            (json!({ "first": 5 }), json!({ "first": 5.5 })),
            (json!({ "first": 5 }), json!({ "first": null })),
            (json!({ "first": 5 }), json!({})),
            (json!({ "first": 5 }), json!({ "first": 5, "other": 5 })),
            (json!({ "first": 5 }), json!({ "first": [5] })),
            (json!({ "first": [5] }), json!({ "first": [5, "x"] })),
            (json!({ "filter": { "a": 1 } }), json!({ "filter": { "b": 1 } })),
            (json!({ "on": "2026-05-01" }), json!({ "on": "2026-15-01" })),
            (json!({ "at": "2026-05-01T09:30:00Z" }), json!({ "at": "2026-05-01 09:30:00Z" })),
            (json!({ "amount": "-5" }), json!({ "amount": "-x" })),
            (json!({ "id": "01920000-0000-7000-8000-000000000001" }), json!({ "id": "01920000-0000-7000-8000-00000000000" })),
        ];
        for (one, other) in different {
            assert_ne!(shape(one.clone()), shape(other.clone()), "{one} {other}");
        }
    }

    #[test]
    fn a_document_that_was_asked_for_lately_stays() {
        let documents = DocumentCache::default();
        let text = |n: usize| format!("{{ a{n} {} }}", "x ".repeat(4_000));
        let keep = |n: usize| {
            let tree = async_graphql::parser::parse_query("{ a }").expect("a document");
            documents.keep(&text(n), &Arc::new(Document::new(tree).expect("small")));
        };
        keep(0);
        for n in 1..400 {
            keep(n);
            assert!(documents.find(&text(0)).is_some(), "{n}");
        }
        assert!(documents.find(&text(1)).is_none());
        documents
            .with(|generations| assert!(generations.young.len() + generations.old.len() < 150, "{}", generations.young.len()));
    }
}
