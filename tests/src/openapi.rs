//! The OpenAPI document, compared with the entries: each procedure is described as its entry declares, whatever is shared in the
//! document.

use crate::harness::examples::carried;

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| rpc::openapi(resolvers::TABLE));

/// The document's description of a procedure.
pub fn described(name: &str) -> &'static Value {
    &DOCUMENT["paths"][format!("/api/v1/rpc/{name}")]["post"]
}

/// The value itself, or the value that it refers to.
fn resolved(value: &'static Value) -> &'static Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    let found = DOCUMENT.pointer(reference.trim_start_matches('#'));
    found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

fn object(value: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    value.as_object().into_iter().flatten().map(|(name, member)| (name.as_str(), member))
}

#[test]
fn every_procedure_is_described_with_its_example_and_its_key() {
    assert_eq!(object(&DOCUMENT["paths"]).count(), carried().count());
    for entry in carried() {
        let content = &described(entry.name())["requestBody"]["content"]["application/json"];
        let mut example = content["example"].clone();
        let key = example.as_object_mut().expect("an object").remove("idempotencyKey");
        assert_eq!((example, key.is_some()), (entry.example(), entry.is_mutation()), "{}", entry.name());
        // A body of which one of several fields is given has a schema for each.
        let schema = &content["schema"];
        for schema in schema["oneOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice) {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            assert_eq!(required.iter().any(|field| field == "idempotencyKey"), entry.is_mutation(), "{}", entry.name());
        }
    }
}

#[test]
fn every_procedure_answers_the_codes_that_it_declares_and_no_other() {
    for entry in carried() {
        let answers: &[&str] = if entry.is_mutation() { &["200", "202"] } else { &["200"] };
        let mut declared: BTreeMap<String, BTreeSet<&str>> = answers.iter().map(|&status| (status.into(), [].into())).collect();
        for code in entry.errors() {
            declared.entry(code.http_status().to_string()).or_default().insert(code.as_str());
        }
        let responses = object(&described(entry.name())["responses"]);
        let said: BTreeMap<_, _> =
            responses.map(|(status, response)| (status.to_owned(), codes_of(resolved(response)))).collect();
        assert_eq!(said, declared, "{}", entry.name());
    }
}

/// The codes of a response, each of which has its example; none where it is no refusal.
fn codes_of(response: &'static Value) -> BTreeSet<&'static str> {
    let (table, content) = (schema::Table::new(resolvers::TABLE), &response["content"]["application/json"]);
    let codes: BTreeSet<&str> = object(&content["examples"])
        .map(|(name, example)| {
            let code = table.code(name).unwrap_or_else(|| panic!("there is no code {name}"));
            let error = &resolved(example)["value"]["error"];
            assert_eq!(
                (&error["code"], &error["type"], &error["message"]),
                (&name.into(), &code.error_type().as_str().into(), &code.message().into()),
            );
            name
        })
        .collect();
    if !codes.is_empty() {
        let told: BTreeSet<&str> = response["description"].as_str().expect("a description").split(", ").collect();
        assert_eq!(told, codes);
        assert_eq!(resolved(&content["schema"]), &DOCUMENT["components"]["schemas"]["Refusal"]);
    }
    codes
}

#[test]
fn every_component_is_reached_from_a_path() {
    let mut reached = BTreeSet::new();
    reach(&DOCUMENT["paths"], &mut reached);
    for (section, components) in object(&DOCUMENT["components"]).filter(|(section, _)| *section != "securitySchemes") {
        for (name, _) in object(components) {
            assert!(reached.contains(format!("#/components/{section}/{name}").as_str()), "no path leads to {section}/{name}");
        }
    }
    let posts = object(&DOCUMENT["paths"]).map(|(_, path)| &path["post"]["security"]);
    let required: BTreeSet<&str> =
        posts.flat_map(|security| security.as_array().expect("security")).flat_map(object).map(|(name, _)| name).collect();
    let offered: BTreeSet<&str> = object(&DOCUMENT["components"]["securitySchemes"]).map(|(name, _)| name).collect();
    assert_eq!(required, offered);
}

/// Follows every reference in a tree.
fn reach(tree: &'static Value, reached: &mut BTreeSet<&'static str>) {
    if let Some(reference) = tree["$ref"].as_str()
        && reached.insert(reference)
    {
        reach(resolved(tree), reached);
    }
    object(tree).map(|(_, member)| member).chain(tree.as_array().into_iter().flatten()).for_each(|member| reach(member, reached));
}
