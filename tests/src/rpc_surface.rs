use crate::harness::{World, person};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn each_mistake_has_its_own_answer() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let create = "/api/v1/rpc/property/v1/create";
    let to = |method: Method, path: &str| {
        world.request(method, path).bearer_auth(&owner.token).header("x-organization-id", home.to_string())
    };
    let cases = [
        (to(Method::POST, "/api/v1/rpc/property").json(&json!({})), 404, "UNKNOWN_PATH"),
        (to(Method::POST, "/api/v1/rpc/property/v1/create/more").json(&json!({})), 404, "UNKNOWN_PATH"),
        (to(Method::POST, "/api/v2/rpc/property/v1/create").json(&json!({})), 404, "UNKNOWN_PATH"),
        (to(Method::POST, "/api/v1/rpc/%ff/v1/create").json(&json!({})), 404, "UNKNOWN_PATH"),
        (to(Method::POST, "/api/v1/rpc/property/v1/paint").json(&json!({})), 404, "UNKNOWN_PROCEDURE"),
        (to(Method::POST, "/api/v1/rpc/castle/v1/create").json(&json!({})), 404, "UNKNOWN_PROCEDURE"),
        (to(Method::POST, "/api/v1/rpc/property/v9/create").json(&json!({})), 404, "UNKNOWN_VERSION"),
        (to(Method::GET, create), 405, "METHOD_NOT_ALLOWED"),
        (to(Method::DELETE, "/livez"), 405, "METHOD_NOT_ALLOWED"),
        (to(Method::POST, create).body("{}"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (to(Method::POST, create).header("content-type", "text/json").body("{}"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (to(Method::POST, create).header("content-type", "application/json").body("{"), 400, "MALFORMED_JSON"),
        (to(Method::POST, create).header("content-type", "application/json").body(vec![b'"', 0xff, b'"']), 400, "MALFORMED_JSON"),
        (to(Method::POST, create).header("content-type", "application/json").body("[".repeat(10_000)), 400, "MALFORMED_JSON"),
        (to(Method::POST, create).header("content-type", "application/json").body(" ".repeat(70_000)), 413, "BODY_TOO_LARGE"),
        (to(Method::POST, create).json(&json!([])), 422, "INVALID_INPUT"),
        (to(Method::POST, create).json(&json!({ "idempotencyKey": 7 })), 422, "IDEMPOTENCY_KEY_INVALID"),
        (to(Method::POST, create).json(&json!({ "idempotencyKey": "x" })), 422, "IDEMPOTENCY_KEY_INVALID"),
        (to(Method::POST, create).json(&json!({ "idempotencyKey": null })), 422, "IDEMPOTENCY_KEY_REQUIRED"),
    ];
    for (request, status, code) in cases {
        let answer = world.send(request).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{:#}", answer.body);
        answer.refused(code);
    }
    for (change, field, code) in [
        (json!({ "colour": "red" }), "colour", "UNKNOWN_FIELD"),
        (json!({ "kind": "CASTLE" }), "kind", "UNKNOWN_VALUE"),
        (json!({ "kind": 7 }), "kind", "WRONG_TYPE"),
        (json!({ "timeZone": null }), "timeZone", "REQUIRED"),
        (json!({ "kind": { "LAND": null } }), "kind", "WRONG_TYPE"),
        (json!({ "address": ["1", null, "T", null, null, "US"] }), "address", "WRONG_TYPE"),
        (json!({ "hoaId": "x" }), "hoaId", "WRONG_TYPE"),
        (
            json!({ "address": { "line1": "1", "locality": "T", "country": "US", "planet": "Mars" } }),
            "address.planet",
            "UNKNOWN_FIELD",
        ),
        (json!({ "address": { "line1": "1" } }), "address.locality", "REQUIRED"),
        (json!({ "notes": "nul \u{0} inside" }), "notes", "CONTROL_CHARACTER"),
    ] {
        let mut body = World::property("1 First Street");
        for (name, value) in change.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let answer = world.call(&owner, home, "property/v1/create", body).await;
        answer.refused("INVALID_INPUT");
        assert_eq!(
            (&answer.body["field_errors"][0]["field"], &answer.body["field_errors"][0]["code"]),
            (&json!(field), &json!(code)),
            "{:#}",
            answer.body
        );
    }
    assert_eq!(world.count("SELECT count(*) FROM property").await, 0);
    let twice = to(Method::POST, create).header("x-organization-id", home.to_string()).json(&json!({}));
    world.send(twice).await.refused("ORGANIZATION_INVALID");
}

#[tokio::test]
async fn the_description_is_served_and_complete() {
    let world = World::new().await;
    let served = world.send(world.request(Method::GET, "/openapi.json")).await.body;
    assert_eq!(served["openapi"], "3.1.0");
    let mut references = Vec::new();
    collect_references(&served, &mut references);
    for reference in references {
        assert!(
            !served.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null).is_null(),
            "{reference} leads nowhere"
        );
    }
    for entry in crate::harness::examples::carried() {
        let post = &served["paths"][format!("/api/v1/rpc/{}", entry.name())]["post"];
        let content = &post["requestBody"]["content"]["application/json"];
        assert!(content["example"].is_object(), "{}", entry.name());
        let required = content["schema"]["required"].as_array().cloned().unwrap_or_default();
        assert_eq!(required.iter().any(|field| field == "idempotencyKey"), entry.is_mutation(), "{}", entry.name());
        let described: Vec<&str> = post["responses"]
            .as_object()
            .expect("responses")
            .values()
            .filter_map(|response| response["description"].as_str())
            .collect();
        for code in entry.errors() {
            assert!(
                described.iter().any(|text| text.split(", ").any(|each| each == code.as_str())),
                "{}: {}",
                entry.name(),
                code.as_str()
            );
        }
    }
}

fn collect_references(tree: &Value, into: &mut Vec<String>) {
    match tree {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                into.push(reference.clone());
            }
            fields.values().for_each(|field| collect_references(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, into)),
        _ => {}
    }
}
