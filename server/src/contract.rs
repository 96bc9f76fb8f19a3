//! The contract as files: printed, written, or compared with what is committed.

use crate::Fault;
use schema::{Runs, Scope, Surface};
use std::{fmt::Write, fs, path::Path};

/// Every file of the contract that needs no server, by its path from the project's root.
pub fn files() -> Vec<(&'static str, String)> {
    let openapi = serde_json::to_string_pretty(&rpc::openapi(resolvers::TABLE)).unwrap_or_default() + "\n";
    vec![
        ("schema/golden/schema.graphql", graphql::sdl()),
        ("schema/golden/openapi.json", openapi),
        ("schema/golden/errors.txt", errors()),
        ("schema/golden/procedures.txt", procedures()),
        ("docs/configuration.md", crate::config::document()),
    ]
}

pub fn errors() -> String {
    let mut text = String::new();
    for code in schema::Table::new(resolvers::TABLE).codes() {
        let _ =
            writeln!(text, "{:<28} {:<15} {} {}", code.as_str(), code.error_type().as_str(), code.http_status(), code.message());
    }
    text
}

fn procedures() -> String {
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
        if fs::read_to_string(root.join(path)).unwrap_or_default() != text {
            stale.push(path);
        }
    }
    let policies = root.join("authz/policies");
    if !fs::read_to_string(policies.join("sentinel.yaml"))?.contains(&format!("'\"{}\"'", authz::Bundle::of(&policies)?)) {
        stale.push("authz/policies/sentinel.yaml");
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("not what the code gives: {}; look at the difference after `make bless`", stale.join(", ")).into())
}

/// Writes what the other policies are into the sentinel.
fn bless_sentinel(root: &Path) -> Result<(), Fault> {
    let policies = root.join("authz/policies");
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
