use crate::{
    harness::{World, person},
    openapi::DOCUMENT,
};
use reqwest::Method;
use serde_json::json;

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
async fn the_description_is_served() {
    let world = World::new().await;
    let served = world.send(world.request(Method::GET, "/openapi.json")).await;
    assert_eq!((served.status, &served.body), (200, &*DOCUMENT));
}
