//! An outcome outlives the type that wrote it: a key answers for as long as its outcome is kept.

use crate::harness::{World, examples::Examples, person, root};
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, BTreeSet};

/// The outcomes of each procedure in every shape that it ever had. They are added by `make bless`, and never changed.
const SHIPPED: &str = "schema/golden/outcomes.json";

type Shipped = BTreeMap<String, Vec<Value>>;

/// The names of an outcome's fields, at every depth.
fn shape(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = format!("{path}.{name}");
                into.insert(path.clone());
                shape(field, &path, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| shape(item, path, into)),
        _ => {}
    }
}

fn shape_of(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    shape(value, "", &mut names);
    names
}

#[tokio::test]
async fn outcomes_of_every_shape_that_was_shipped_are_read() {
    let world = World::new().await;
    let examples = Examples::new(&world).await;
    let path = root().join(SHIPPED);
    let mut shipped: Shipped = serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or("{}".into())).expect("outcomes");
    let mutations = crate::harness::examples::carried().filter(|entry| entry.is_mutation());
    for (entry, home) in examples.lay(&world, mutations).await {
        let answer = examples.call(entry, home, Some(world.key())).by_rpc(&world).await;
        let outcome = answer.ok();
        let known = shipped.entry(entry.name().to_owned()).or_default();
        if std::env::var_os("BLESS").is_some() && !known.iter().any(|known| shape_of(known) == shape_of(outcome)) {
            known.push(outcome.clone());
        }
        assert!(
            known.iter().any(|known| shape_of(known) == shape_of(outcome)),
            "{}: an outcome of today's shape is not in {SHIPPED}; `make bless` adds it",
            entry.name()
        );
        for outcome in known {
            if let Err(error) = entry.reads(outcome.clone()) {
                panic!("{} shipped an outcome that is not read any more, say #[added(…)]: {:?}", entry.name(), error.cause());
            }
        }
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&shipped).expect("JSON") + "\n").expect("written");
    }
}

#[tokio::test]
async fn a_replay_answers_what_was_stored() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let key = world.key();
    let input = json!({ "kind": "HOA", "name": "Ridge" });
    let mut body = input.clone();
    body["idempotencyKey"] = key.to_string().into();
    let first = world.rpc(&owner, Some(home), "externalParty/v1/create", body.clone()).await;
    first.ok();
    // The outcome as an earlier version would have written it: one field less, one that is gone since, in another order.
    let result = first.body["result"].as_object().expect("an object");
    let mut before: Map<String, Value> = result.iter().rev().map(|(name, value)| (name.clone(), value.clone())).collect();
    before.shift_remove("linkedOrganizationId");
    before.insert("fax".into(), "+1 520 555 0199".into());
    let text = serde_json::to_string(&json!({ "result": before })).expect("JSON");
    let sql = format!("UPDATE operation SET outcome = '{text}'::json WHERE key = '{key}'");
    sqlx::query(AssertSqlSafe(sql)).execute(&world.sql).await.expect("an outcome of before");

    let again = world.rpc(&owner, Some(home), "externalParty/v1/create", body).await;
    assert_eq!((again.status, &again.body["replayed"]), (200, &json!(true)));
    let replayed = serde_json::to_string(&again.body["result"]).expect("JSON");
    assert_eq!(replayed, serde_json::to_string(&before).expect("JSON"), "to the letter, in its order");

    let query = "mutation ($key: UUID!, $input: ExternalPartyCreateInput!) {
        externalPartyCreate(idempotencyKey: $key, input: $input) { replayed result { name linkedOrganizationId } }
    }";
    let seen = world.gql(&owner, Some(home), query, json!({ "key": key, "input": input })).await;
    let expected = json!({ "replayed": true, "result": { "name": "Ridge", "linkedOrganizationId": null } });
    assert_eq!(seen.data()["externalPartyCreate"], expected);
}
