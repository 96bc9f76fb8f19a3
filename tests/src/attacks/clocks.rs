//! Clocks that are wrong. Nothing is forgotten, ended or begun by one, and nobody is served.

use crate::harness::{Options, Socket, World, person, until};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use workflows::Supervision;

/// One of two replicas has a clock that jumps. It serves nobody, and neither outcomes nor rights end by it; the other goes on.
#[tokio::test]
async fn a_clock_that_jumps_ends_nothing() {
    let bound = Some(Duration::from_secs(5));
    let supervision = Supervision { heartbeat: Duration::from_millis(100), ..Supervision::default() };
    let options = || Options { real_time: true, clock_bound: bound, supervision: supervision.clone(), ..Options::default() };
    let world = World::with(options()).await;
    let (olga, mara) = (person("olga"), person("mara"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let property = world.create_property(&olga, home, "1").await;
    let ends = (schema::Clock::now(&schema::SystemClock) + chrono::Duration::days(100)).to_rfc3339();
    let delegation = json!({ "holderId": world.principal(&mara).await, "propertyIds": [property["id"]], "actions": ["UPDATE"], "endsAt": ends });
    world.delegate(&olga, home, delegation).await;
    let mut body = World::property("2");
    body["idempotencyKey"] = world.key().to_string().into();
    let first = world.rpc(&olga, Some(home), "property/v1/create", body.clone()).await.ok()["id"].clone();

    let ahead = Arc::new(AtomicI64::new(0));
    let other = world.replica(Options { ahead: Some(Arc::clone(&ahead)), ..options() }).await;
    let read = "{ properties { totalCount } }";
    world.gql_at(&other.url(), &olga, Some(home), read, json!({})).await.data();
    for days in [40, -40, 200, -200] {
        ahead.store(days * 86_400, Ordering::SeqCst);
        until("a refusal", async || {
            let answer = world.gql_at(&other.url(), &olga, Some(home), read, json!({})).await;
            (answer.status == 503 && answer.gql_code() == "UNAVAILABLE").then_some(())
        })
        .await;
        let ready = world.client().get(format!("{}/readyz", other.operators())).send().await.expect("an answer");
        assert_eq!(ready.status(), 503, "{days}");
        assert_eq!(ready.json::<serde_json::Value>().await.expect("JSON")["clock"], "unavailable");
        assert!(Socket::open(&other.url(), &olga, Some(home), None).await.is_err());
        // It beats on, and the other one leads or follows; neither ends anything.
        let beats = "SELECT count(*) FROM replica WHERE ended_at IS NULL AND heartbeat_at > now() - interval '1 second'";
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            until("both beat", async || (world.count(beats).await == 2).then_some(())).await;
        }
        assert_eq!(world.count("SELECT count(*) FROM operation WHERE procedure = 'property/v1/create'").await, 2, "{days}");
        assert_eq!(world.count("SELECT count(*) FROM delegation WHERE state = 'ACTIVE'").await, 1, "{days}");
        world.gql(&olga, Some(home), read, json!({})).await.data();
        // The clock comes back.
        ahead.store(0, Ordering::SeqCst);
        until("an answer", async || {
            (world.gql_at(&other.url(), &olga, Some(home), read, json!({})).await.status == 200).then_some(())
        })
        .await;
    }
    let again = world.rpc_at(&other.url(), &olga, Some(home), "property/v1/create", body).await;
    assert_eq!((&again.body["replayed"], &again.ok()["id"]), (&json!(true), &first));
}

/// What the database deletes by time, it judges by its own clock, whatever the caller says.
#[tokio::test]
async fn the_database_forgets_by_its_own_clock() {
    let world = World::with(Options { real_time: true, ..Options::default() }).await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    world.create_property(&olga, home, "1").await;
    let kept = world.count("SELECT count(*) FROM operation").await;
    assert_eq!(world.count("SELECT app.operations_forget('2999-01-01')").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM operation").await, kept);
}
