//! The contract as files: printed, written, or compared with the committed files.

use crate::Fault;
use schema::{Runs, Scope, Surface};
use serde_json::{Value, json};
use std::{fmt::Write, fs, path::Path};

/// Every file of the contract that needs no server, by its path from the project's root.
pub fn files() -> Vec<(String, String)> {
    let contract = [
        ("schema/golden/schema.graphql", graphql::sdl()),
        ("schema/golden/openapi.json", openapi()),
        ("schema/golden/errors.txt", errors()),
        ("schema/golden/procedures.txt", procedures()),
        ("docs/states.md", schema::Machine::document(entities::MACHINES)),
        ("docs/configuration.md", crate::config::document()),
        ("docs/clients/errors.md", errors_page()),
    ];
    let schemas = authz::schemas().into_iter().map(|(path, schema)| (path, broken(&schema, 0) + "\n"));
    let policies = schemas.chain([authz::delegated_roles()]);
    let contract = contract.into_iter().map(|(path, text)| (path.to_owned(), text));
    contract.chain(policies.map(|(path, text)| (format!("{POLICIES}/{path}"), text))).collect()
}

const POLICIES: &str = "authz/policies";

pub fn openapi() -> String {
    broken(&rpc::openapi(resolvers::TABLE), 0) + "\n"
}

/// The longest line, as in the code.
const WIDTH: usize = 130;

/// JSON with one line for each member that fits on a line, so that a changed field is one changed line.
fn broken(value: &Value, indent: usize) -> String {
    let Some((open, members, close)) = members(value) else { return value.to_string() };
    let inner = " ".repeat(indent + 2);
    let lines = members.into_iter().map(|(name, member)| {
        let line = format!("{inner}{name}{}", joined(member));
        if line.len() < WIDTH { line } else { format!("{inner}{name}{}", broken(member, indent + 2)) }
    });
    format!("{open}\n{}\n{}{close}", lines.collect::<Vec<_>>().join(",\n"), " ".repeat(indent))
}

/// JSON on one line.
fn joined(value: &Value) -> String {
    let Some((open, members, close)) = members(value) else { return value.to_string() };
    let space = if value.is_object() { " " } else { "" };
    let members: Vec<String> = members.into_iter().map(|(name, member)| name + &joined(member)).collect();
    format!("{open}{space}{}{space}{close}", members.join(", "))
}

/// Members, each with the text that stands before it.
type Members<'a> = Vec<(String, &'a Value)>;

/// The members of an object or a list that is not empty, between its brackets.
fn members(value: &Value) -> Option<(char, Members<'_>, char)> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            Some(('{', fields.iter().map(|(name, field)| (format!("{}: ", json!(name)), field)).collect(), '}'))
        }
        Value::Array(items) if !items.is_empty() => Some(('[', items.iter().map(|item| (String::new(), item)).collect(), ']')),
        _ => None,
    }
}

pub fn errors() -> String {
    let mut text = String::new();
    for code in schema::Table::new(resolvers::TABLE).codes() {
        let _ =
            writeln!(text, "{:<28} {:<15} {} {}", code.as_str(), code.error_type().as_str(), code.http_status(), code.message());
    }
    text
}

/// The page of errors that clients read: every code with the rule by which it spends a key, and every code of a field.
fn errors_page() -> String {
    let mut text = String::from(
        "<!-- Written by `make bless`. -->
# Errors

Every error has a `code`, a message in English, the fields that are wrong, and a trace id. Over GraphQL they stand in `extensions` of the
error, and those that a form can show in `errors` of the mutation's payload as well; over RPC in the body. Switch on codes, never on
messages. A code keeps its meaning.

**When a key is spent.** A mutation's `idempotencyKey` is spent by success, and by a decision that was made on rows that it had locked. Sent
again with the same input, it then answers the same; with another input, `IDEMPOTENCY_KEY_REUSED`. After any other error nothing was done,
and the same key carries the mended request. `UNAVAILABLE` says that nobody knows yet: send the same request with the same key.

| code | type | status | spends the key | message |
| --- | --- | --- | --- | --- |
",
    );
    for code in schema::Table::new(resolvers::TABLE).codes() {
        let (name, kind, status, message) = (code.as_str(), code.error_type().as_str(), code.http_status(), code.message());
        let spends = if code.spends_key() { "yes" } else { "no" };
        let _ = writeln!(text, "| `{name}` | {kind} | {status} | {spends} | {message} |");
    }
    text.push_str("\n## Codes of fields\n\n| code | the mistake |\n| --- | --- |\n");
    for (code, about) in schema::FieldCode::ABOUT {
        let _ = writeln!(text, "| `{}` | {about} |", code.as_str());
    }
    text
}

pub fn procedures() -> String {
    let mut text = String::new();
    for entry in resolvers::TABLE {
        let kind = match entry.runs() {
            Runs::Read => "read".to_owned(),
            Runs::Mutation(workflow) => workflow.name(),
        };
        let scope = match entry.scope() {
            Scope::Organization => "organization",
            Scope::Principal => "principal",
        };
        let surface = match entry.surface() {
            Surface::Everywhere => "everywhere",
            Surface::Inside => "inside",
        };
        let _ = writeln!(text, "{:<28} {:<26} {scope:<13} {surface}", entry.name(), kind);
    }
    text
}

pub fn write(root: &Path) -> Result<(), Fault> {
    for (path, text) in files() {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(path, text)?;
    }
    bless_sentinel(root)
}

pub fn check(root: &Path) -> Result<(), Fault> {
    let mut stale = Vec::new();
    for (path, text) in files() {
        if fs::read_to_string(root.join(&path)).unwrap_or_default() != text {
            stale.push(path);
        }
    }
    let policies = root.join(POLICIES);
    if !fs::read_to_string(policies.join("sentinel.yaml"))?.contains(&format!("'\"{}\"'", authz::Bundle::of(&policies)?)) {
        stale.push(format!("{POLICIES}/sentinel.yaml"));
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("not what the code gives: {}; look at the difference after `make bless`", stale.join(", ")).into())
}

/// Writes the hash and the traits of the other policies into the sentinel.
fn bless_sentinel(root: &Path) -> Result<(), Fault> {
    let policies = root.join(POLICIES);
    let path = policies.join("sentinel.yaml");
    let text = fs::read_to_string(&path)?;
    let said = authz::Bundle::of(&policies)?;
    let line = |line: &str| {
        let indent = &line[..line.len() - line.trim_start().len()];
        if line.trim_start().starts_with("ruleActivated:") {
            format!("{indent}ruleActivated: '\"{said}\"'")
        } else {
            line.to_owned()
        }
    };
    let blessed: String = text.lines().map(line).flat_map(|line| [line, "\n".to_owned()]).collect();
    Ok(fs::write(path, blessed)?)
}
