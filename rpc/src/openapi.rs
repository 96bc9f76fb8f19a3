//! OpenAPI 3.1 from the table: one path a procedure, with its example and every code that it can answer.
//! Refusals are shared components, named by their codes, so that a path stays short enough to read.

use schema::{Code, Entry, Scope, Surface};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const REF: &str = "#/components/schemas/";
const MEDIA: &str = "application/json";

pub fn openapi(table: &'static [Entry]) -> Value {
    // The two directions differ: an output requires fields that are always there, an input those that must be sent.
    let mut inputs = SchemaSettings::draft2020_12()
        .with(|s| s.definitions_path = "/components/schemas".into())
        .for_deserialize()
        .into_generator();
    let mut outputs = SchemaSettings::draft2020_12()
        .with(|s| s.definitions_path = "/components/schemas".into())
        .for_serialize()
        .into_generator();
    let operation = outputs.subschema_for::<schema::Operation>().to_value();
    let warnings = json!({
        "type": "array",
        "items": outputs.subschema_for::<schema::Warning>(),
        "description": "Hints about a change that was made. There if `withWarnings` asks for them.",
    });

    let carried: Vec<&Entry> = table.iter().filter(|entry| entry.surface() == Surface::Everywhere).collect();
    let bodies: Vec<Value> = carried.iter().map(|entry| entry.input_schema(&mut inputs).to_value()).collect();
    let results: Vec<Value> = carried.iter().map(|entry| entry.output_schema(&mut outputs).to_value()).collect();
    let mut input_definitions = definitions(&mut inputs);
    let mut components = definitions(&mut outputs);

    let mut paths = Map::new();
    let mut responses = BTreeMap::from([("Running".to_owned(), running(&operation))]);
    let mut examples = BTreeMap::new();
    for ((entry, body), result) in carried.iter().zip(bodies).zip(results) {
        let body = body_of(entry, body, &mut input_definitions);
        let mut post = operation_of(entry, body, result, (&operation, &warnings), getter(entry, &carried));
        for (status, codes) in by_status(&entry.errors()) {
            let name = refusal_name(status, &codes);
            post["responses"][status.to_string()] = shared("responses", &name);
            responses.entry(name).or_insert_with(|| refusal_of(&codes));
            examples.extend(codes.iter().map(|code| (code.as_str(), json!({ "value": example_of(*code) }))));
        }
        paths.insert(format!("/api/v1/rpc/{}", entry.name()), json!({ "post": post }));
    }
    let clash: Vec<String> = input_definitions
        .iter()
        .filter(|(name, schema)| components.get(*name).is_some_and(|other| other != *schema))
        .map(|(name, _)| name.clone())
        .collect();
    let (mut paths, mut input_definitions) = (Value::Object(paths), json!(input_definitions));
    for name in clash {
        // One type, read and written, requires different fields: as an input it gets a name of its own.
        rename(&mut input_definitions, &name, true);
        rename_in_bodies(&mut paths, &name);
    }
    if let Value::Object(definitions) = input_definitions {
        components.extend(definitions);
    }
    components.insert("Refusal".into(), error_schema(schema::Table::new(table).codes()));
    components.insert("IdempotencyKey".into(), key_schema());

    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hestami gateway",
            "version": "1",
            "description": "Property operations for owners and their concierge. The same procedures as the GraphQL mutations. \
                A mutation needs an idempotencyKey: sent again, it answers what it answered and does nothing twice.",
            "contact": { "name": "Hestami", "url": "https://hestami.com" },
            "license": { "name": "Proprietary", "identifier": "LicenseRef-Proprietary" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags(&carried),
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "responses": responses,
            "examples": examples,
            "schemas": components,
        },
    })
}

fn definitions(generator: &mut SchemaGenerator) -> BTreeMap<String, Value> {
    generator.take_definitions(true).into_iter().collect()
}

/// The input's own schema, with the key of a mutation.
fn body_of(entry: &Entry, reference: Value, definitions: &mut BTreeMap<String, Value>) -> Value {
    let name = reference["$ref"].as_str().and_then(|r| r.strip_prefix(REF)).unwrap_or_default();
    let mut body = definitions.remove(name).unwrap_or(reference);
    if entry.is_mutation() {
        body["properties"]["idempotencyKey"] = shared("schemas", "IdempotencyKey");
        let mut required = body["required"].as_array().cloned().unwrap_or_default();
        required.insert(0, "idempotencyKey".into());
        body["required"] = required.into();
        if entry.hints().is_some() {
            let about = "Answer `warnings` as well: hints about a change that was made.";
            body["properties"][schema::WITH_WARNINGS] = json!({ "type": ["boolean", "null"], "description": about });
        }
    }
    if body.get("oneOf").is_some() { variants(body) } else { body }
}

/// A body of which exactly one of several fields is given, as a variant for each of them: generators make a type of each.
fn variants(mut body: Value) -> Value {
    let either = std::mem::take(&mut body["oneOf"]);
    let either = either.as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = either.iter().filter_map(|one| one["required"][0].as_str()).collect();
    let description = body["description"].clone();
    let variant = |name: &str| {
        let mut one = body.clone();
        if let Value::Object(fields) = &mut one {
            fields.remove("oneOf");
            fields.remove("description");
        }
        one["title"] = format!("By{}", capital(name)).into();
        one["properties"][name]["type"] = "string".into();
        // Here it is needed, so a blank one will not do.
        if let Some(pattern) =
            one["properties"][name]["pattern"].as_str().and_then(|all| all.strip_prefix(schema::valid::OR_BLANK))
        {
            one["properties"][name]["pattern"] = pattern.to_owned().into();
        }
        for other in names.iter().filter(|other| **other != name) {
            one["properties"][*other] = json!({ "type": "null" });
        }
        if let Value::Array(required) = &mut one["required"] {
            required.push(name.into());
        }
        one
    };
    json!({ "description": description, "oneOf": names.iter().map(|name| variant(name)).collect::<Vec<_>>() })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

fn operation_of(
    entry: &Entry,
    body: Value,
    result: Value,
    (operation, warnings): (&Value, &Value),
    getter: Option<&Entry>,
) -> Value {
    let name = entry.parts();
    let mut example = entry.example();
    let mut properties = json!({ "result": result, "trace_id": { "type": "string" } });
    let mut required = vec!["result", "trace_id"];
    if entry.is_mutation() {
        example["idempotencyKey"] = "6f3c2b1e-0d4a-4c59-9a7e-1f2d3c4b5a69".into();
        properties["operation"] = operation.clone();
        properties["replayed"] = json!({ "type": "boolean", "description": "True if an earlier request with this key did it." });
        required.extend(["operation", "replayed"]);
        if entry.hints().is_some() {
            properties["warnings"] = warnings.clone();
        }
    }
    let ok = json!({
        "description": "Done.",
        "content": { MEDIA: { "schema": { "type": "object", "properties": properties, "required": required } } },
    });
    let mut responses = json!({ "200": ok });
    if entry.is_mutation() {
        responses["202"] = shared("responses", "Running");
    }
    let mut described = json!({
        "operationId": name.field(),
        "tags": [name.namespace],
        "summary": summary(entry),
        "description": entry.about(),
        "requestBody": { "required": true, "content": { MEDIA: { "schema": body, "example": example } } },
        "responses": responses,
    });
    // With an organization, and for whoever works in another one, with a grant as well.
    described["security"] = match entry.scope() {
        Scope::Principal => json!([{ TOKEN: [] }]),
        Scope::Organization => json!([{ TOKEN: [], ORGANIZATION: [] }, { TOKEN: [], ORGANIZATION: [], GRANT: [] }]),
    };
    if let Some(get) = getter {
        let result = "$response.body#/result/id";
        described["responses"]["200"]["links"] = json!({
            get.parts().field(): { "operationId": get.parts().field(), "requestBody": { "id": result }, "description": get.about() },
        });
    }
    described
}

/// The namespaces, each with the procedures that it holds.
fn tags(carried: &[&Entry]) -> Value {
    let mut tags: Vec<(&str, Vec<&str>)> = Vec::new();
    for entry in carried {
        let name = entry.parts();
        match tags.iter_mut().find(|(tag, _)| *tag == name.namespace) {
            Some((_, verbs)) => verbs.push(name.verb),
            None => tags.push((name.namespace, vec![name.verb])),
        }
    }
    tags.into_iter().map(|(name, verbs)| json!({ "name": name, "description": format!("{}.", verbs.join(", ")) })).collect()
}

/// The first procedure that reads one thing of this namespace by its id.
fn getter<'a>(entry: &Entry, carried: &[&'a Entry]) -> Option<&'a Entry> {
    let of = entry.parts().namespace;
    let reads = |other: &&&Entry| other.parts().namespace == of && other.parts().verb == "get";
    carried.iter().find(reads).copied().filter(|_| entry.is_mutation())
}

/// The first sentence of what a procedure does.
fn summary(entry: &Entry) -> &'static str {
    let about = entry.about();
    about.split_once(". ").map_or(about, |(first, _)| first).trim_end_matches('.')
}

fn shared(section: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{section}/{name}") })
}

const TOKEN: &str = "token";
const ORGANIZATION: &str = "organization";
const GRANT: &str = "grant";

/// The headers that every call carries, set once in a client.
fn security_schemes() -> Value {
    let header = |name: &str, about: &str| json!({ "type": "apiKey", "in": "header", "name": name, "description": about });
    json!({
        TOKEN: { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Who calls." },
        ORGANIZATION: header("X-Organization-Id", "The acting organization, by its id: a UUID."),
        GRANT: header("X-Grant-Id", "To work in the organization that gave the acting one this grant: a UUID."),
    })
}

fn running(operation: &Value) -> Value {
    let properties = json!({
        "result": { "type": "null" },
        "operation": operation,
        "replayed": { "type": "boolean" },
        "trace_id": { "type": "string" },
    });
    let required = ["result", "operation", "replayed", "trace_id"];
    json!({
        "description": "Recorded and still running: `result` is null. Send the same key again, or ask for the operation.",
        "content": { MEDIA: { "schema": { "type": "object", "properties": properties, "required": required } } },
    })
}

/// The name of a shared refusal: codes that every procedure or every mutation has are not spelled out.
fn refusal_name(status: u16, codes: &[Code]) -> String {
    let of_mutations = |code: &Code| Code::MUTATION.contains(code);
    let kind = if codes.iter().any(of_mutations) { "MutationError" } else { "Error" };
    let own = codes.iter().filter(|code| !of_mutations(code) && !Code::COMMON.contains(code));
    own.fold(format!("{kind}{status}"), |name, code| name + "." + code.as_str())
}

fn refusal_of(codes: &[Code]) -> Value {
    let examples: Map<String, Value> =
        codes.iter().map(|code| (code.as_str().to_owned(), shared("examples", code.as_str()))).collect();
    json!({
        "description": codes.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(", "),
        "content": { MEDIA: { "schema": shared("schemas", "Refusal"), "examples": examples } },
    })
}

fn by_status(codes: &[Code]) -> BTreeMap<u16, Vec<Code>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.http_status()).or_default().push(*code);
    }
    by_status
}

fn example_of(code: Code) -> Value {
    schema::Error::new(code).envelope("4bf92f3577b34da6a3ce929d0e0e4736")
}

fn key_schema() -> Value {
    json!({
        "type": "string", "format": "uuid",
        "description": "Names this mutation: sent again, it answers what it answered and does nothing twice.",
    })
}

fn error_schema(codes: &[Code]) -> Value {
    let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "required": ["error", "field_errors", "trace_id"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "type", "message", "retryable"],
                "properties": {
                    "code": { "type": "string", "enum": codes },
                    "type": {
                        "type": "string",
                        "enum": [
                            "VALIDATION", "AUTHENTICATION", "AUTHORIZATION", "NOT_FOUND",
                            "CONFLICT", "RATE_LIMIT", "UNAVAILABLE", "INTERNAL",
                        ],
                    },
                    "message": { "type": "string" },
                    "retryable": {
                        "type": "boolean",
                        "description": "True if the same request, with the same key, may succeed later.",
                    },
                    "details": {
                        "type": "object",
                        "description": "The facts behind a refusal, for a program to act on.",
                        "properties": {
                            "currentVersion": { "type": "integer", "description": "The version that the thing has now." },
                            "changedAt": { "type": "string", "format": "date-time", "description": "The time when it was changed last." },
                            "changedBy": { "type": "string", "format": "uuid", "description": "Who changed it last." },
                            "current": { "type": "object", "description": "The thing as it is now." },
                            "action": { "type": "string", "description": "The action that was refused." },
                            "kind": { "type": "string", "description": "The kind of thing that it is about." },
                            "allowed": {
                                "type": "array", "items": { "type": "string" },
                                "description": "The states that the thing can go to from where it stands.",
                            },
                            "freeBasisPoints": { "type": "integer", "description": "The share that is still free." },
                            "from": { "type": "string", "format": "date", "description": "The first day on which no more is free." },
                            "reasons": { "type": "array", "items": { "type": "string" }, "description": "The reasons of a guard." },
                            "versions": { "type": "array", "items": { "type": "string" }, "description": "The versions that there are." },
                            "limitBytes": { "type": "integer", "description": "The largest body that is accepted." },
                        },
                    },
                },
            },
            "field_errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["field", "code", "message"],
                    "properties": {
                        "field": { "type": "string" },
                        "code": { "type": "string", "enum": schema::FieldCode::ABOUT.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>() },
                        "message": { "type": "string" },
                    },
                },
            },
            "trace_id": { "type": "string" },
        },
    })
}

/// Renames a definition, and every reference to it, in a tree of input schemas.
fn rename(tree: &mut Value, name: &str, definition: bool) {
    let new = format!("{name}Input");
    if definition
        && let Value::Object(definitions) = tree
        && let Some(schema) = definitions.remove(name)
    {
        definitions.insert(new.clone(), schema);
    }
    match tree {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && *reference == format!("{REF}{name}")
            {
                *reference = format!("{REF}{new}");
            }
            fields.values_mut().for_each(|field| rename(field, name, false));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, name, false)),
        _ => {}
    }
}

fn rename_in_bodies(paths: &mut Value, name: &str) {
    let Value::Object(paths) = paths else { return };
    for path in paths.values_mut() {
        rename(&mut path["post"]["requestBody"], name, false);
    }
}
