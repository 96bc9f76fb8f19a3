//! Each entry gives the same result and the same error on both surfaces, asked in two equal worlds. Each world has its own time
//! and ids, so that even those are equal.

use crate::{
    harness::{
        Person, World,
        examples::{Call, Examples, Home, carried, reads_of},
    },
    openapi,
};
use schema::{Entry, Runs};
use serde_json::{Value, json};
use uuid::Uuid;

/// Two equal worlds with an organization for each entry, of the same id in both.
async fn twins() -> ([World; 2], Examples, Vec<(&'static Entry, Home)>) {
    let (a, b) = (World::new().await, World::new().await);
    let (of_a, of_b) = (Examples::new(&a).await, Examples::new(&b).await);
    of_b.lay(&b, carried()).await;
    let homes = of_a.lay(&a, carried()).await;
    ([a, b], of_a, homes)
}

/// The result over RPC, without nulls that the GraphQL call does not select.
fn shown(result: &Value) -> Value {
    let mut shown = result.clone();
    // `error: null` of an operation is an object in GraphQL.
    if let Some(edges) = shown.get_mut("edges").and_then(Value::as_array_mut) {
        for edge in edges {
            if let Some(node) = edge["node"].as_object_mut() {
                node.retain(|name, value| !(name == "error" && value.is_null()));
            }
        }
    }
    if let Some(object) = shown.as_object_mut() {
        // A total that was not asked for is not selected either.
        object.retain(|name, value| !(matches!(name.as_str(), "error" | "totalCount") && value.is_null()));
    }
    shown
}

#[tokio::test]
async fn every_example_answers_the_same_on_both_surfaces() {
    let ([one, two], examples, homes) = twins().await;
    for (entry, home) in homes {
        let call = examples.call(entry, home, Some(home.id()).filter(|_| entry.is_mutation()));
        let rpc = call.by_rpc(&one).await;
        let result = shown(rpc.ok());
        let gql = call.by_graphql(&two, &result).await;
        let field = gql.data().as_object().and_then(|data| data.values().next()).cloned().unwrap_or_default();
        if entry.is_mutation() {
            assert_eq!(field["result"], result, "{}", entry.name());
            assert_eq!(field["replayed"], rpc.body["replayed"]);
            for (name, value) in field["operation"].as_object().expect("an operation") {
                assert_eq!(value, &rpc.body["operation"][name], "{}: operation.{name}", entry.name());
            }
        } else {
            assert_eq!(field, result, "{}", entry.name());
        }
    }
}

/// A way to go wrong; None where it does not apply to an entry.
type Wrong = fn(&mut Value, &mut Option<String>, &mut Option<Uuid>, &Examples) -> Option<Person>;

const WRONGS: &[(&str, Wrong)] = &[
    ("no token", |_, _, _, world| Some(Person { token: String::new(), ..world.owner.clone() })),
    ("a token that is none", |_, _, _, world| Some(Person { token: "nonsense".into(), ..world.owner.clone() })),
    ("no organization", |_, organization, _, world| organization.take().map(|_| world.owner.clone())),
    ("a malformed organization", |_, organization, _, world| organization.replace("home".into()).map(|_| world.owner.clone())),
    ("an organization that is not there", |_, organization, _, world| {
        organization.replace(Uuid::nil().to_string()).map(|_| world.owner.clone())
    }),
    ("another's organization", |_, organization, _, world| organization.as_ref().map(|_| world.stranger.clone())),
    ("the wrong role", |_, organization, _, world| organization.as_ref().map(|_| world.staff.clone())),
    ("no key", |_, _, key, world| key.take().map(|_| world.owner.clone())),
    ("an unknown id", |input, _, _, world| {
        input.get("id")?.is_string().then(|| {
            input["id"] = Uuid::from_u128(99).to_string().into();
            world.owner.clone()
        })
    }),
    ("a stale version", |input, _, _, world| {
        input.get("version")?.is_number().then(|| {
            input["version"] = json!(99);
            world.owner.clone()
        })
    }),
    ("an impossible version", |input, _, _, world| {
        input.get("version")?.is_number().then(|| {
            input["version"] = json!(0);
            world.owner.clone()
        })
    }),
    ("a blank name", |input, _, _, world| {
        input.get("name")?.is_string().then(|| {
            input["name"] = json!("  ");
            world.owner.clone()
        })
    }),
    ("a page of nothing", |input, _, _, world| {
        input.get("first")?.is_number().then(|| {
            input["first"] = json!(1);
            input["after"] = json!("zz");
            world.owner.clone()
        })
    }),
];

fn said(code: &str, message: &Value, fields: &Value) -> Value {
    json!({ "code": code, "message": message, "fields": fields })
}

#[tokio::test]
async fn every_error_is_the_same_on_both_surfaces() {
    let ([one, two], examples, homes) = twins().await;
    let mut met = std::collections::BTreeSet::new();
    let mut number = 100;
    for (entry, home) in homes {
        for (wrong, make) in WRONGS {
            number += 1;
            let mut input = home.input(entry);
            let mut organization = home.header(entry).map(|id| id.to_string());
            let mut key = Some(Uuid::from_u128(number)).filter(|_| entry.is_mutation());
            let Some(who) = make(&mut input, &mut organization, &mut key, &examples) else { continue };
            let call = Call { entry, who: &who, organization, grant: None, key, input };
            let rpc = call.by_rpc(&one).await;
            let gql = call.by_graphql(&two, &Value::Null).await;
            if rpc.status == 200 && reads_of(entry) && matches!(*wrong, "the wrong role") {
                gql.data();
                continue;
            }
            let error = &gql.body["errors"][0];
            let of_rpc = said(rpc.code(), &rpc.body["error"]["message"], &rpc.body["field_errors"]);
            let of_gql = said(gql.gql_code(), &error["message"], &error["extensions"]["field_errors"]);
            assert_eq!(of_rpc, of_gql, "{} with {wrong}: {:#} {:#}", entry.name(), rpc.body, gql.body);
            assert!(!rpc.code().is_empty(), "{} with {wrong} is refused: {:#}", entry.name(), rpc.body);
            assert!(rpc.status < 500, "{} with {wrong}: a client's mistake is no failure of ours", entry.name());
            let declared = entry.errors().iter().any(|code| code.as_str() == rpc.code());
            assert!(declared, "{} answers {} without declaring it", entry.name(), rpc.code());
            met.insert(rpc.code().to_owned());
        }
    }
    for code in [
        "AUTHENTICATION_REQUIRED",
        "TOKEN_INVALID",
        "ORGANIZATION_REQUIRED",
        "ORGANIZATION_INVALID",
        "ORGANIZATION_NOT_FOUND",
        "FORBIDDEN",
        "IDEMPOTENCY_KEY_REQUIRED",
        "NOT_FOUND",
        "VERSION_CONFLICT",
        "INVALID_INPUT",
        "INVALID_CURSOR",
    ] {
        assert!(met.contains(code), "nothing met {code}");
    }
}

#[test]
fn absent_null_and_value_stay_apart_through_storage() {
    let mut patches = 0;
    for entry in resolvers::TABLE {
        let example = entry.example();
        let schema = &openapi::described(entry.name())["requestBody"]["content"]["application/json"]["schema"];
        for name in schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()) {
            let patch = patchable(schema, &name);
            let mut absent = example.clone();
            absent.as_object_mut().expect("an object").remove(&name);
            let Ok(kept) = entry.round_trip(absent) else { continue };
            let mut null = example.clone();
            null[&name] = Value::Null;
            if !patch {
                continue;
            }
            patches += 1;
            assert!(kept.get(&name).is_none(), "{}.{name}: absent came back as {}", entry.name(), kept[&name]);
            if let Ok(back) = entry.round_trip(null) {
                assert_eq!(back.get(&name), Some(&Value::Null), "{}.{name}: null is kept", entry.name());
            }
        }
        // An input comes back as it was given.
        let back = entry.round_trip(example.clone()).map_err(|_| entry.name()).expect("the example parses");
        assert_eq!(back, example, "{}", entry.name());
    }
    assert!(patches >= 7, "the patches were looked at");
}

/// The optional fields of an update are a patch: an absent field leaves the row as it is.
fn patchable(schema: &Value, name: &str) -> bool {
    let required = schema["required"].as_array().is_some_and(|all| all.iter().any(|each| each == name));
    let update = schema["properties"].get("version").is_some()
        && schema["description"].as_str().is_some_and(|about| about.starts_with("What is absent stays"));
    update && !required
}

#[tokio::test]
async fn the_workflow_that_ran_is_the_declared_one() {
    let world = World::new().await;
    let examples = Examples::new(&world).await;
    for (entry, home) in examples.lay(&world, carried().filter(|entry| entry.is_mutation())).await {
        let answer = examples.call(entry, home, Some(world.key())).by_rpc(&world).await;
        answer.ok();
        let Runs::Mutation(workflow) = entry.runs() else { unreachable!() };
        assert_eq!(workflow.version, entry.parts().version, "{}: the workflow's version is the procedure's", entry.name());
        let id = format!("{}:1", answer.body["operation"]["id"].as_str().expect("an id"));
        let (name, inputs): (String, String) =
            sqlx::query_as("SELECT name, inputs::text FROM dbos.workflow_status WHERE workflow_uuid = $1")
                .bind(&id)
                .fetch_one(&world.sql)
                .await
                .expect("a workflow");
        assert_eq!(name, workflow.name(), "{}", entry.name());
        // The engine's tables, outside row security, have ids only.
        assert!(inputs.len() < 300 && !inputs.contains("Saguaro") && !inputs.contains("example.com"), "{inputs}");
    }
}
