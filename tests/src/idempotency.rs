use crate::harness::{
    Options, Person, Shaky, World,
    examples::{Examples, carried},
    person, root, until,
};
use futures_util::future::join_all;
use schema::{Boundary, Limits};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

fn keyed(mut body: Value, key: uuid::Uuid) -> Value {
    body["idempotencyKey"] = key.to_string().into();
    body
}

#[tokio::test]
async fn a_hundred_equal_calls_over_two_replicas_do_it_once() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let second = world.replica(Options::default()).await;
    let body = keyed(World::property("1 First Street"), world.key());
    let urls = [world.app.url(), second.url()];
    let calls = (0..100).map(|n| world.rpc_at(&urls[n % 2], &owner, Some(home), "property/v1/create", body.clone()));
    let answers = join_all(calls).await;
    let first = answers[0].ok().clone();
    assert!(first["id"].is_string());
    for answer in &answers {
        assert_eq!(answer.ok(), &first, "{:#}", answer.body);
    }
    assert_eq!(answers.iter().filter(|answer| answer.body["replayed"] == false).count(), 1);
    assert_eq!(world.count("SELECT count(*) FROM property").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM operation WHERE procedure = 'property/v1/create'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM event WHERE kind = 'property.created'").await, 1);
}

#[tokio::test]
async fn another_input_with_the_same_key_is_refused_on_both_surfaces() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let key = world.key();
    let first = world.rpc(&owner, Some(home), "property/v1/create", keyed(World::property("1 First Street"), key)).await;
    first.ok();
    let other = world.rpc(&owner, Some(home), "property/v1/create", keyed(World::property("2 Second Street"), key)).await;
    other.refused("IDEMPOTENCY_KEY_REUSED");
    assert_eq!(other.status, 409);
    // An input that is written otherwise is the same input, also through the other surface.
    let mutation = "mutation($key: UUID!, $input: PropertyCreateInput!) { propertyCreate(idempotencyKey: $key, input: $input) { replayed result { id } } }";
    let mut same = World::property("1 First Street");
    same["notes"] = Value::Null;
    let again = world.gql(&owner, Some(home), mutation, json!({ "key": key, "input": same })).await;
    assert_eq!(again.data()["propertyCreate"], json!({ "replayed": true, "result": { "id": first.ok()["id"] } }));
    let refused = world.gql(&owner, Some(home), mutation, json!({ "key": key, "input": World::property("3") })).await;
    assert_eq!(refused.gql_code(), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(world.count("SELECT count(*) FROM property").await, 1);
    // The key belongs to organization and procedure.
    let elsewhere = world.found(&owner, "TRUST_OR_LLC").await;
    world.rpc(&owner, Some(elsewhere), "property/v1/create", keyed(World::property("2 Second Street"), key)).await.ok();
}

#[tokio::test]
async fn a_replayed_archive_answers_as_the_first_time() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let property = world.create_property(&owner, home, "1 First Street").await;
    let archive = keyed(json!({ "id": property["id"], "version": 1 }), world.key());
    let first = world.rpc(&owner, Some(home), "property/v1/archive", archive.clone()).await;
    world.call(&owner, home, "property/v1/restore", json!({ "id": property["id"], "version": 2 })).await.ok();
    let second = world.rpc(&owner, Some(home), "property/v1/archive", archive).await;
    assert_eq!(first.ok().to_string(), second.ok().to_string(), "byte for byte");
    assert_eq!((&first.body["replayed"], &second.body["replayed"]), (&json!(false), &json!(true)));
    // Stored refusals are replayed too.
    let needless = keyed(json!({ "id": property["id"], "version": 3 }), world.key());
    let first = world.rpc(&owner, Some(home), "property/v1/restore", needless.clone()).await;
    first.refused("PROPERTY_NOT_ARCHIVED");
    world.call(&owner, home, "property/v1/archive", json!({ "id": property["id"], "version": 3 })).await.ok();
    let second = world.rpc(&owner, Some(home), "property/v1/restore", needless).await;
    assert_eq!(first.body["error"], second.body["error"], "what was decided stays so for this key");
}

/// A key is spent by success, and by what a handler decided on rows that it had locked. After anything else the same key carries
/// the mended request.
#[tokio::test]
async fn a_key_is_not_spent_by_what_was_not_decided() {
    let world = World::new().await;
    let examples = Examples::new(&world).await;
    let versioned: Vec<_> = carried()
        .filter(|entry| entry.in_an_organization() && entry.is_mutation() && entry.example().get("version").is_some())
        .collect();
    assert!(versioned.len() > 15, "{}", versioned.len());
    for (entry, home) in examples.lay(&world, versioned).await {
        let key = world.key();
        let (caller, ..) = examples.caller(entry, home);
        let ask = async |who: &Person, change: &dyn Fn(&mut Value)| {
            let mut call = examples.call(entry, home, Some(key));
            if who.subject != caller.subject {
                (call.who, call.organization, call.grant) = (who, Some(home.id().to_string()), None);
            }
            change(&mut call.input);
            call.by_rpc(&world).await
        };
        ask(caller, &|input| input["nonsense"] = json!(true)).await.refused("INVALID_INPUT");
        ask(caller, &|input| input["version"] = json!(0)).await.refused("INVALID_INPUT");
        ask(caller, &|input| input["id"] = json!(Uuid::from_u128(7))).await.refused("NOT_FOUND");
        ask(&examples.stranger, &|_| ()).await.refused("ORGANIZATION_NOT_FOUND");
        let refused = ask(&examples.staff, &|_| ()).await;
        assert!(["FORBIDDEN", "NOT_FOUND"].contains(&refused.code()), "{}: {:#}", entry.name(), refused.body);
        for version in [99, 98] {
            let stale = ask(caller, &|input| input["version"] = json!(version)).await;
            assert_eq!(stale.code(), "VERSION_CONFLICT", "{}: {:#}", entry.name(), stale.body);
        }
        let done = ask(caller, &|_| ()).await;
        assert_eq!((done.status, &done.body["replayed"]), (200, &json!(false)), "{}: {:#}", entry.name(), done.body);
        // Now it is.
        ask(caller, &|input| input["version"] = json!(97)).await.refused("IDEMPOTENCY_KEY_REUSED");
        let again = ask(caller, &|_| ()).await;
        assert_eq!((&again.body["replayed"], &again.body["result"]), (&json!(true), &done.body["result"]), "{}", entry.name());
    }
}

#[tokio::test]
async fn a_reference_that_does_not_exist_spends_no_key() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let key = world.key();
    let mut house = World::property("1 First Street");
    house["hoaId"] = json!(Uuid::from_u128(7));
    let refused = world.rpc(&owner, Some(home), "property/v1/create", keyed(house, key)).await;
    refused.refused("INVALID_INPUT");
    assert_eq!(refused.body["field_errors"][0]["code"], "NOT_FOUND");
    let mended = world.rpc(&owner, Some(home), "property/v1/create", keyed(World::property("1 First Street"), key)).await;
    assert_eq!(mended.ok()["address"]["line1"], "1 First Street");
    assert_eq!(world.count("SELECT count(*) FROM operation WHERE procedure = 'property/v1/create'").await, 1);
}

/// The rule by which each code spends a key, or does not, is written where clients read it.
#[test]
fn the_page_of_errors_says_of_each_code_if_it_spends_the_key() {
    let page = std::fs::read_to_string(root().join("docs/clients/errors.md")).expect("the page");
    let mut spending = 0;
    for code in schema::Table::new(resolvers::TABLE).codes() {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", code.as_str())));
        let row = row.unwrap_or_else(|| panic!("{code:?} is not on the page"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[3], code.http_status().to_string(), "{row}");
        assert_eq!(cells[4] == "yes", code.spends_key(), "{row}");
        spending += usize::from(code.spends_key());
    }
    assert!(spending > 10, "{spending}");
}

#[tokio::test]
async fn anothers_key_is_replayed_for_those_who_govern() {
    let world = World::new().await;
    let (owner, trustee, staff) = (person("olga"), person("tom"), person("sam"));
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.join(&owner, home, &trustee, "TRUSTEE").await;
    world.join(&owner, home, &staff, "CONCIERGE_STAFF").await;
    let body = keyed(World::property("1 First Street"), world.key());
    let first = world.rpc(&trustee, Some(home), "property/v1/create", body.clone()).await;
    let owners = world.rpc(&owner, Some(home), "property/v1/create", body.clone()).await;
    assert_eq!((owners.ok(), &owners.body["replayed"]), (first.ok(), &json!(true)));
    world.rpc(&staff, Some(home), "property/v1/create", body).await.refused("FORBIDDEN");
}

#[tokio::test]
async fn what_was_refused_before_it_was_recorded_leaves_the_key_free() {
    let world = World::new().await;
    let (owner, staff) = (person("olga"), person("sam"));
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.join(&owner, home, &staff, "CONCIERGE_STAFF").await;
    let key = world.key();
    world.rpc(&owner, Some(home), "property/v1/create", keyed(World::property(" "), key)).await.refused("INVALID_INPUT");
    world.rpc(&staff, Some(home), "property/v1/create", keyed(World::property("1"), key)).await.refused("FORBIDDEN");
    world.rpc(&owner, Some(home), "property/v1/create", keyed(World::property("1"), key)).await.ok();
}

fn hasty() -> Limits {
    Limits { execution: Duration::from_millis(100), ..Limits::default() }
}

#[tokio::test]
async fn a_transient_failure_leaves_the_key_usable() {
    let faults = Shaky::at(Boundary::BeforeCommit, usize::MAX);
    let world = World::with(Options { limits: hasty(), faults: faults.clone(), ..Options::default() }).await;
    let owner = person("olga");
    let body = keyed(json!({ "type": "TRUST_OR_LLC", "name": "T" }), world.key());
    let failed = world.rpc(&owner, None, "organization/v1/create", body.clone()).await;
    failed.refused("UNAVAILABLE");
    assert_eq!((failed.status, &failed.body["error"]["retryable"]), (503, &json!(true)));
    assert_eq!(world.count("SELECT count(*) FROM organization").await, 0);
    let state: String = sqlx::query_scalar("SELECT state FROM operation").fetch_one(&world.sql).await.expect("an operation");
    assert_eq!(state, "RETRYABLE");
    faults.left.store(0, std::sync::atomic::Ordering::SeqCst);
    let done = world.rpc(&owner, None, "organization/v1/create", body).await;
    done.ok();
    assert_eq!(done.body["operation"]["attempt"], 2);
    assert_eq!(world.count("SELECT count(*) FROM organization").await, 1);
}

#[tokio::test]
async fn what_nobody_asks_for_again_is_tried_again_and_ends() {
    let faults = Shaky::at(Boundary::BeforeCommit, usize::MAX);
    let world = World::with(Options { limits: hasty(), faults: faults.clone(), attempts: 2, ..Options::default() }).await;
    let owner = person("olga");
    let body = keyed(json!({ "type": "TRUST_OR_LLC", "name": "T" }), world.key());
    world.rpc(&owner, None, "organization/v1/create", body.clone()).await.refused("UNAVAILABLE");
    // The sweeper's backoff runs on the gateway's clock.
    let (state, payload): (String, Option<Value>) = until("its end", async || {
        world.clock.advance(Duration::from_secs(2));
        let row: (String, Option<Value>) =
            sqlx::query_as("SELECT state, payload FROM operation").fetch_one(&world.sql).await.expect("an operation");
        (row.0 == "FAILED").then_some(row)
    })
    .await;
    assert_eq!((state.as_str(), payload), ("FAILED", None));
    assert_eq!(world.count("SELECT count(*) FROM organization").await, 0);
    // Nothing was decided, so the key was not spent: once nothing shakes any more, it carries the same request.
    faults.left.store(0, std::sync::atomic::Ordering::SeqCst);
    let done = world.rpc(&owner, None, "organization/v1/create", body).await;
    assert_eq!((&done.ok()["name"], &done.body["replayed"]), (&json!("T"), &json!(false)));
    assert_eq!(world.count("SELECT count(*) FROM organization").await, 1);
}

#[tokio::test]
async fn outcomes_are_forgotten_after_their_time_and_unfinished_operations_never() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.create_property(&owner, home, "1 First Street").await;
    sqlx::query("INSERT INTO operation SELECT organization_id, gen_random_uuid(), NULL, procedure, gen_random_uuid(), fingerprint, initiator, actor, authority, NULL, NULL, '{}', 1, 'AWAITING_APPROVAL', NULL, NULL, NULL, created_at, updated_at FROM operation LIMIT 1")
        .execute(&world.sql)
        .await
        .expect("an operation that waits");
    world.clock.advance(Duration::from_secs(31 * 24 * 3_600));
    until("retention", async || {
        (world.count("SELECT count(*) FROM operation WHERE outcome IS NOT NULL").await == 0).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM operation").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM event").await, 2, "the log is kept");
}

#[tokio::test]
async fn past_the_limit_the_answer_is_the_operation() {
    let gate = crate::harness::Gate::at(Boundary::AfterClaim);
    let limits = Limits { answer: Duration::from_millis(400), rescue: Duration::from_millis(50), ..Limits::default() };
    let world = World::with(Options { limits, faults: gate.clone(), ..Options::default() }).await;
    let owner = person("olga");
    let body = keyed(json!({ "type": "TRUST_OR_LLC", "name": "T" }), world.key());
    let pending = world.rpc(&owner, None, "organization/v1/create", body.clone()).await;
    assert_eq!(pending.status, 202, "{:#}", pending.body);
    assert_eq!((&pending.body["result"], &pending.body["operation"]["state"]), (&Value::Null, &json!("RUNNING")));
    gate.open();
    let done = until("its end", async || {
        let answer = world.rpc(&owner, None, "organization/v1/create", body.clone()).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(done.body["operation"]["id"], pending.body["operation"]["id"]);
    assert_eq!(world.count("SELECT count(*) FROM organization").await, 1);
}

#[tokio::test]
async fn a_client_that_goes_away_changes_nothing() {
    let gate = crate::harness::Gate::at(Boundary::AfterOperation);
    let world = World::with(Options { faults: gate.clone(), ..Options::default() }).await;
    let owner = person("olga");
    let body = keyed(json!({ "type": "TRUST_OR_LLC", "name": "T" }), world.key());
    tokio::select! {
        answer = world.rpc(&owner, None, "organization/v1/create", body.clone()) => panic!("answered from behind the gate: {:#}", answer.body),
        // The request is dropped here, and its connection with it.
        () = gate.someone_waits() => {}
    }
    gate.open();
    until("its completion", async || {
        (world.count("SELECT count(*) FROM operation WHERE state = 'COMPLETED'").await == 1).then_some(())
    })
    .await;
    let answer = world.rpc(&owner, None, "organization/v1/create", body).await;
    assert_eq!((answer.status, &answer.body["replayed"]), (200, &json!(true)));
}
