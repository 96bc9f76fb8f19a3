//! Errors of the GraphQL engine itself, put into the same envelope as ours. An error that nobody classified is INTERNAL, without
//! its text.

use crate::limits::ERRORS;
use async_graphql::{
    ErrorExtensionValues, Pos, Response, ServerError, Value,
    parser::types::{ExecutableDocument, Field, Selection, SelectionSet},
};
use schema::{Code, Error};

/// Gives every error of a response its code, type and trace id.
pub fn classify(response: &mut Response, document: Option<&ExecutableDocument>) {
    response.errors.truncate(ERRORS);
    for error in &mut response.errors {
        let known = error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some());
        if !known {
            let ours = envelope(error, document);
            ours.trace();
            let pos = error.locations.first().copied().unwrap_or_default();
            let (path, locations) = (std::mem::take(&mut error.path), std::mem::take(&mut error.locations));
            *error = async_graphql::Error::from(ours).into_server_error(pos);
            error.path = path;
            error.locations = locations;
        }
    }
}

fn envelope(error: &ServerError, document: Option<&ExecutableDocument>) -> Error {
    let said = error.message.as_str();
    let Some(document) = document else { return Error::new(Code::GRAPHQL_PARSE_FAILED).message(expected(said)) };
    let at = error.locations.first().copied().unwrap_or_default();
    if error.path.is_empty() {
        if said.contains("\"idempotencyKey\"") && (said.contains("required but not provided") || said.contains("is required")) {
            return key_required();
        }
        // A key that is there but null, or no UUID, fails the check of its type.
        if said.contains("\"idempotencyKey\"") {
            let null = argument_at(document, at).is_some_and(|(_, value)| value == "null");
            return if null {
                key_required()
            } else {
                Error::new(Code::IDEMPOTENCY_KEY_INVALID).field(
                    "idempotencyKey",
                    "INVALID_UUID",
                    Code::IDEMPOTENCY_KEY_INVALID.message(),
                )
            };
        }
        return Error::new(Code::GRAPHQL_VALIDATION_FAILED).message(said.chars().take(500).collect::<String>());
    }
    if said.starts_with("Failed to parse") || said.starts_with("Expected input type") {
        let field = argument_at(document, at).map(|(name, _)| name).unwrap_or_default();
        return Error::new(Code::INVALID_INPUT).field(field, "WRONG_TYPE", said);
    }
    Error::internal(said.to_owned())
}

/// The parser's expectation, without the document that the parser quotes.
fn expected(said: &str) -> String {
    let last = said.lines().last().unwrap_or_default().trim_start_matches([' ', '=']);
    let expectation =
        if last.starts_with("expected") || last.starts_with("unexpected") { last } else { Code::GRAPHQL_PARSE_FAILED.message() };
    format!("The document is not valid GraphQL: {}.", expectation.trim_end_matches('.'))
}

fn key_required() -> Error {
    let code = Code::IDEMPOTENCY_KEY_REQUIRED;
    Error::new(code).field("idempotencyKey", "REQUIRED", code.message())
}

/// The name and the text of the argument at this position.
fn argument_at(document: &ExecutableDocument, at: Pos) -> Option<(String, String)> {
    fn search(set: &SelectionSet, at: Pos) -> Option<(String, String)> {
        set.items.iter().find_map(|selection| match &selection.node {
            Selection::Field(field) => in_field(&field.node, at).or_else(|| search(&field.node.selection_set.node, at)),
            Selection::InlineFragment(fragment) => search(&fragment.node.selection_set.node, at),
            Selection::FragmentSpread(_) => None,
        })
    }
    fn in_field(field: &Field, at: Pos) -> Option<(String, String)> {
        field
            .arguments
            .iter()
            .find(|(name, value)| value.pos == at || name.pos == at)
            .map(|(name, value)| (name.node.to_string(), value.node.to_string()))
    }
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).find_map(|set| search(set, at))
}

/// A response with one error, for a request that failed before its document was read.
pub fn refused(error: Error) -> Response {
    error.trace();
    let pos = Pos::default();
    let mut refusal = async_graphql::Error::from(error).into_server_error(pos);
    refusal.locations.clear();
    Response::from_errors(vec![refusal])
}

/// Whether anything was executed: every error of the execution has a path.
pub fn was_executed(response: &Response) -> bool {
    response.errors.is_empty() || response.data != Value::Null || response.errors.iter().any(|error| !error.path.is_empty())
}

/// A response as JSON. One without `data` says that nothing was executed.
pub fn encoded(response: &Response) -> serde_json::Result<Vec<u8>> {
    if was_executed(response) {
        serde_json::to_vec(response)
    } else {
        serde_json::to_vec(&serde_json::json!({ "errors": response.errors }))
    }
}

/// The code of an error, for logs and the HTTP status.
pub fn code_of(error: &ServerError) -> Option<String> {
    fn get(extensions: &ErrorExtensionValues) -> Option<String> {
        match extensions.get("code") {
            Some(Value::String(code)) => Some(code.clone()),
            _ => None,
        }
    }
    error.extensions.as_ref().and_then(get)
}
