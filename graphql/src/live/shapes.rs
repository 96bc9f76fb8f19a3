//! A cache of documents and filters, so that subscribers share equal ones.

use crate::{documents::Document, request::Prepared};
use ::live::Key;
use async_graphql::{
    Request,
    parser::types::{ExecutableDocument, Selection},
};
use resolvers::change::topic::Topic;
use schema::Filters;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// A subscription document with its variables, shared by its subscribers.
pub struct Shape {
    request: String,
    operation: Option<String>,
    variables: async_graphql::Variables,
    pub document: Arc<Document>,
    pub topic: Topic,
    pub digest: Key,
}

impl Shape {
    pub fn new(prepared: Prepared, topic: Topic) -> Shape {
        let Prepared { query, operation, variables, document } = prepared;
        // The cursor to start from does not change any answer.
        let mut distinct = serde_json::to_value(&variables).unwrap_or_default();
        if let (Some(distinct), Some(name)) = (distinct.as_object_mut(), cursor_variable(&query, &document.tree)) {
            distinct.remove(&name);
        }
        let mut hash = Sha256::new();
        hash.update(serde_json::json!([query, operation, distinct]).to_string());
        Shape { request: query, operation, variables, document, topic, digest: hash.finalize().into() }
    }

    pub fn request(&self) -> Request {
        let mut request = Request::new(self.request.clone()).variables(self.variables.clone());
        request.operation_name = self.operation.clone();
        request.set_parsed_query(self.document.tree.clone());
        request
    }
}

/// The variable that holds nothing but the cursor to start from.
fn cursor_variable(query: &str, document: &ExecutableDocument) -> Option<String> {
    let roots = document.operations.iter().flat_map(|(_, operation)| &operation.node.selection_set.node.items);
    let after = roots.filter_map(|selection| match &selection.node {
        Selection::Field(field) => field.node.get_argument("after"),
        _ => None,
    });
    let mut named = after.filter_map(|value| value.node.to_string().strip_prefix('$').map(str::to_owned));
    // The text names the variable twice: in its declaration, and here.
    named.next().filter(|name| query.matches(&format!("${name}")).count() == 2)
}

/// The shapes and the filters that subscribers hold.
#[derive(Clone, Default)]
pub struct ShapeCache(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    shapes: HashMap<Key, Weak<Shape>>,
    filters: HashMap<Key, Weak<Filters>>,
}

impl ShapeCache {
    fn with<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn same(&self, shape: Shape) -> Arc<Shape> {
        self.with(|held| same(&mut held.shapes, shape.digest, Arc::new(shape)))
    }

    /// The filters with this key that somebody holds already, or these.
    pub fn filters(&self, key: Key, filters: Filters) -> Arc<Filters> {
        self.with(|held| same(&mut held.filters, key, Arc::new(filters)))
    }
}

fn same<T>(held: &mut HashMap<Key, Weak<T>>, key: Key, made: Arc<T>) -> Arc<T> {
    if let Some(known) = held.get(&key).and_then(Weak::upgrade) {
        return known;
    }
    if held.len() > 64 && held.len().is_power_of_two() {
        held.retain(|_, held| held.strong_count() > 0);
    }
    held.insert(key, Arc::downgrade(&made));
    made
}
