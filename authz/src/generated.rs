//! The policy files that follow from the kinds' declarations: the schema of each kind, and a derived role for each action that
//! can be delegated.

use entities::{KINDS, organization::OrganizationType};
use kind::{DelegatedAction, delegated};
use queryplan::{Attribute, Elements, Null, Of, Scalar, ScalarType};
use schema::{PrincipalKind, Role, TextEnum};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The schemas of the principal and of every kind, by their path among the policies.
pub fn schemas() -> Vec<(String, Value)> {
    let kinds = KINDS.iter().map(|kind| (kind.name, object(kind.resource.attributes, kind.resource.table)));
    let all = kinds.chain([("principal", principal())]);
    all.map(|(name, mut schema)| {
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
        (format!("_schemas/{name}.json"), schema)
    })
    .collect()
}

/// The derived roles of delegates.
pub fn delegated_roles() -> (String, String) {
    let mut text = String::from(
        "# Whoever has it by a delegation that counts. Written by `make bless` from the actions that can be delegated.
apiVersion: api.cerbos.dev/v1
derivedRoles:
  name: delegated
  definitions:
",
    );
    for action in DelegatedAction::TEXTS {
        let name = action.to_lowercase();
        let _ = writeln!(
            text,
            "    - name: delegated_to_{name}
      parentRoles: [principal]
      condition:
        match:
          expr: 'P.attr.delegated && R.attr.relation == \"OWN\" && \"{action}\" in R.attr.delegated'"
        );
    }
    ("delegated.yaml".to_owned(), text)
}

/// The schema of a principal, as `Facts::principal` writes it.
fn principal() -> Value {
    json!({
        "type": "object",
        "properties": {
            "kind": one_of("string", PrincipalKind::TEXTS),
            "roles": { "type": "array", "items": one_of("string", Role::TEXTS) },
            "organization": { "type": "string" },
            "organizationType": one_of("string", OrganizationType::TEXTS),
            "delegated": { "type": "boolean" },
            "acts": { "type": "boolean" },
        },
        "required": ["kind", "roles", "organization", "delegated", "acts"],
        "additionalProperties": false,
    })
}

fn object(attributes: &[Attribute], table: &str) -> Value {
    let properties: Map<String, Value> =
        attributes.iter().map(|attribute| (attribute.name.to_owned(), property(&attribute.of, table))).collect();
    let required: Vec<&str> =
        attributes.iter().filter(|attribute| always_there(&attribute.of)).map(|attribute| attribute.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Whether an attribute is always there. A row that is yet to be created has no relations.
fn always_there(of: &Of) -> bool {
    match of {
        Of::Value(scalar) => scalar.null != Null::Missing,
        Of::Object(_) => true,
        Of::One(_) | Of::Many { .. } => false,
    }
}

fn property(of: &Of, table: &str) -> Value {
    match of {
        Of::Value(scalar) => value(scalar, table),
        Of::Object(fields) => object(fields, table),
        Of::One(link) => object(link.to.fields, link.to.table),
        Of::Many { link, elements, .. } => {
            let items = match elements {
                Elements::Records => object(link.to.fields, link.to.table),
                Elements::Values(scalar) => value(scalar, link.to.table),
            };
            json!({ "type": "array", "items": items })
        }
    }
}

fn value(scalar: &Scalar, table: &str) -> Value {
    let choice;
    let (plain, texts) = match scalar.stored {
        ScalarType::Bool => ("boolean", &[][..]),
        ScalarType::Integer | ScalarType::Double => ("number", &[][..]),
        ScalarType::Text | ScalarType::Uuid | ScalarType::Timestamp => ("string", texts(table, scalar.column)),
        ScalarType::Choice { equal, other, .. } => {
            choice = [equal, other];
            ("string", &choice[..])
        }
    };
    assert!(scalar.null != Null::Explicit, "{table}.{}: say here how its schema takes a null", scalar.column);
    one_of(plain, texts)
}

fn one_of(plain: &str, texts: &[&str]) -> Value {
    if texts.is_empty() { json!({ "type": plain }) } else { json!({ "type": plain, "enum": texts }) }
}

/// The texts that a column may hold, as the struct of its table declares them.
fn texts(table: &str, column: &str) -> &'static [&'static str] {
    let kind = KINDS.iter().find(|kind| kind.resource.table == table).map(|kind| kind.columns);
    let columns = kind.or_else(|| delegated::columns(table)).unwrap_or_else(|| panic!("{table} is no kind's table"));
    let known = columns.iter().find(|known| known.name == column);
    known.unwrap_or_else(|| panic!("{table} has no column {column}")).texts
}
