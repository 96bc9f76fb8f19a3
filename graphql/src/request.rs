//! A GraphQL request as a client sends it, in a body or in a URL.

use crate::documents::Document;
use async_graphql::{Request, Variables, parser::types::OperationType};
use schema::{Code, Error, Result};
use serde_json::Value;
use std::sync::Arc;

/// A request with its parsed document.
pub struct Prepared {
    pub query: String,
    pub operation: Option<String>,
    pub variables: Variables,
    pub document: Arc<Document>,
}

impl Prepared {
    /// The type of the chosen operation.
    pub fn operation_type(&self) -> OperationType {
        let chosen = self.document.tree.operations.iter().filter(|(name, _)| named(self.operation.as_deref(), *name));
        let mut chosen = chosen.map(|(_, operation)| operation.node.ty);
        // Among several operations without a choice, one that is no query counts, so that a GET with any mutation is refused.
        let first = chosen.next().unwrap_or(OperationType::Query);
        chosen.fold(first, |most, ty| if ty == OperationType::Query { most } else { ty })
    }

    /// The name of a required variable that was not sent. The engine checks only variables that fields use.
    pub fn missing_variable(&self) -> Option<String> {
        let chosen = self.document.tree.operations.iter().filter(|(name, _)| named(self.operation.as_deref(), *name));
        let mut required = chosen
            .flat_map(|(_, operation)| &operation.node.variable_definitions)
            .filter(|variable| !variable.node.var_type.node.nullable && variable.node.default_value.is_none());
        let missing = required.find(|variable| {
            let given = self.variables.get(variable.node.name.node.as_str());
            given.is_none_or(|value| *value == async_graphql::Value::Null)
        });
        missing.map(|variable| variable.node.name.node.to_string())
    }
}

/// Whether an operation is chosen by its name. Without a choice, each is.
pub fn named(chosen: Option<&str>, name: Option<&async_graphql::Name>) -> bool {
    chosen.is_none() || name.map(|name| name.as_str()) == chosen
}

pub fn from_json(body: Value) -> Result<Request> {
    let refuse = |field: &str, message: &str| Err(Error::new(Code::INVALID_INPUT).field(field, "WRONG_TYPE", message));
    let Value::Object(mut body) = body else {
        return Err(
            Error::new(Code::INVALID_INPUT).message("Send one GraphQL request as a JSON object; batches are not accepted.")
        );
    };
    let extensions = body.remove("extensions");
    if !matches!(extensions, None | Some(Value::Null | Value::Object(_))) {
        return refuse("extensions", "must be an object");
    }
    let request = match body.remove("query") {
        Some(Value::String(query)) => Request::new(query),
        // A client that would send hashes of its documents sends their texts from now on.
        None if extensions.is_some_and(|extensions| extensions["persistedQuery"].is_object()) => {
            return Err(Error::new(Code::PERSISTED_QUERY_NOT_SUPPORTED));
        }
        None | Some(Value::Null) => return refuse("query", "a GraphQL document is required"),
        Some(_) => return refuse("query", "must be a string"),
    };
    let request = match body.remove("operationName") {
        None | Some(Value::Null) => request,
        Some(Value::String(name)) => request.operation_name(name),
        Some(_) => return refuse("operationName", "must be a string"),
    };
    match body.remove("variables") {
        None | Some(Value::Null) => Ok(request),
        Some(variables @ Value::Object(_)) => Ok(request.variables(Variables::from_json(variables))),
        Some(_) => refuse("variables", "must be an object"),
    }
}

pub fn from_query(query: &str) -> Result<Request> {
    let mut body = serde_json::Map::new();
    for (name, value) in form_pairs(query) {
        match name.as_str() {
            "query" | "operationName" => drop(body.insert(name, Value::String(value))),
            "variables" | "extensions" => {
                let object = surface::parse(value.as_bytes()).map_err(|_| {
                    Error::new(Code::INVALID_INPUT).field(name.as_str(), "MALFORMED_JSON", "must be a JSON object")
                })?;
                body.insert(name, object);
            }
            _ => {}
        }
    }
    from_json(Value::Object(body))
}

fn form_pairs(query: &str) -> Vec<(String, String)> {
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&format!("/?{query}").parse().unwrap_or_default())
        .map(|pairs| pairs.0)
        .unwrap_or_default()
}
