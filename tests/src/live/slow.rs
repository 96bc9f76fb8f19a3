//! Slow readers: a client that does not read loses nothing, and keeps nobody waiting.

use super::{note, socket, subscribed};
use crate::harness::{Options, World, person};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_slow_reader_is_sent_away_with_its_place_and_misses_nothing() {
    let world = World::with(Options { kept: 20, ..Options::default() }).await;
    let (olga, home) = (person("olga"), world.found(&person("olga"), "TRUST_OR_LLC").await);
    let long = "x".repeat(3_900);
    let property = world.create_property(&olga, home, "1").await;
    // Enough fields to fill the buffers in between.
    let fields: String = (0..45).map(|n| format!("n{n}: notes ")).collect();
    let query = format!(
        "subscription ($after: String) {{ propertyChanged(after: $after) {{ cursor property {{ {fields} }} event {{ seq }} }} }}"
    );
    let mut slow = subscribed(&world, &olga, home, &query, json!({})).await;
    for version in 1..=80 {
        note(&world, &olga, home, &property, version, &format!("{version}{long}")).await;
    }
    let (mut seqs, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let message = slow.hear().await.message();
        if message["type"] == "error" {
            let extensions = &message["payload"][0]["extensions"];
            assert_eq!(extensions["code"], "SLOW_READER");
            assert_eq!(extensions["details"]["cursor"], cursor);
            break;
        }
        let told = &message["payload"]["data"]["propertyChanged"];
        seqs.push(told["event"]["seq"].as_i64().expect("a number"));
        cursor = told["cursor"].clone();
        assert!(seqs.len() < 80, "it was never slow");
    }
    let mut again = subscribed(&world, &olga, home, &query, json!({ "after": cursor })).await;
    while seqs.last() != Some(&82) {
        seqs.push(again.next().await["event"]["seq"].as_i64().expect("a number"));
    }
    assert_eq!(seqs, (3..=82).collect::<Vec<_>>());
}

/// A subscription whose answers soon fill the buffers in between.
fn wide(alias: &str) -> String {
    let fields: String = (0..45).map(|n| format!("n{n}: notes ")).collect();
    format!("subscription {{ {alias}: propertyChanged {{ cursor property {{ {fields} }} event {{ seq }} }} }}")
}

#[tokio::test]
async fn whoever_does_not_read_keeps_nobody_waiting_and_reads_nothing_that_was_written_after_the_right_was_gone() {
    let world = World::new().await;
    let (olga, tom, ines) = (person("olga"), person("tom"), person("ines"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let elsewhere = world.found(&ines, "TRUST_OR_LLC").await;
    let trustee = world.join(&olga, home, &tom, "TRUSTEE").await;
    let property = world.create_property(&olga, home, "1").await;
    // Enough subscriptions to fill the pool several times, whose client never reads.
    let mut stuck = socket(&world, &tom, home).await;
    for number in 0..30 {
        stuck.subscribe(&number.to_string(), &wide(&format!("a{number}")), json!({})).await;
    }
    stuck.standing().await;
    let mut reads = subscribed(&world, &olga, home, &wide("a7"), json!({})).await;
    let long = "x".repeat(3_900);
    for version in 1..=12 {
        note(&world, &olga, home, &property, version, &format!("{version}{long}")).await;
        // A subscriber who asks for the same is told, and others are answered.
        let began = std::time::Instant::now();
        reads.next().await;
        world.gql(&ines, Some(elsewhere), "{ properties { totalCount } }", json!({})).await.data();
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    world.call(&olga, home, "membership/v1/revoke", json!({ "id": trustee["id"], "version": trustee["version"] })).await.ok();
    note(&world, &olga, home, &property, 13, &format!("SECRET{long}")).await;
    reads.next().await;
    let mut ended = 0;
    while ended < 30 {
        let message = stuck.hear().await.message();
        assert!(!message.to_string().contains("SECRET"));
        if message["type"] == "error" {
            assert_eq!(message["payload"][0]["extensions"]["code"], "AUTHORITY_LOST", "{message:#}");
            ended += 1;
        }
    }
}
