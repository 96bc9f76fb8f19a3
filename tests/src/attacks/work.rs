//! Work for whom nobody waits ends, and all that runs is counted.

use crate::harness::{Gate, Options, Socket, World, cluster, person, until, until_or};
use schema::Boundary;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::{sync::atomic::Ordering, time::Duration};

/// A world whose statements wait for locks as long as they like.
async fn patient() -> (World, PgConnection) {
    let cluster = cluster().await;
    let database = cluster.database().await;
    let mut sql = cluster.connect("postgres", &database).await;
    for setting in ["lock_timeout = 0", "statement_timeout = 0", "transaction_timeout = 0"] {
        let set = format!("ALTER ROLE hestami_app IN DATABASE {database} SET {setting}");
        sql.execute(AssertSqlSafe(set)).await.expect("a setting");
    }
    (World::on(cluster, database, Options { bounded: false, ..Options::default() }).await, sql)
}

const BUSY: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'hestami_app' AND wait_event_type = 'Lock'";

/// Reads of a table that somebody holds keep the turns that their tenant may have, until the client says that it does not want them.
#[tokio::test]
async fn what_a_client_completes_ends() {
    let (world, mut sql) = patient().await;
    let (mallory, olga) = (person("mallory"), person("olga"));
    let theirs = world.found(&mallory, "TRUST_OR_LLC").await;
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    world.create_property(&mallory, theirs, "1").await;
    let mut held = sql.begin().await.expect("a transaction");
    held.execute("LOCK TABLE ownership").await.expect("a lock");
    let slow = "{ properties { nodes { id ownerships { id } } } }";
    for end in ["complete", "leave", "abandon"] {
        let mut socket = Socket::open(&world.app.url(), &mallory, Some(theirs), None).await.expect("a connection");
        let mut asking = Vec::new();
        if end == "abandon" {
            for _ in 0..20 {
                let asked = world.gql(&mallory, Some(theirs), slow, json!({}));
                asking.push(tokio::time::timeout(Duration::from_millis(700), asked));
            }
            let answers = futures_util::future::join_all(asking).await;
            assert!(answers.iter().any(Result::is_err), "some wait for the table");
        } else {
            for n in 0..20 {
                socket.subscribe(&format!("q{n}"), slow, json!({})).await;
            }
            until("connections that wait for the table", async || (world.count(BUSY).await >= 1).then_some(())).await;
            if end == "complete" {
                for n in 0..20 {
                    socket.send(json!({ "id": format!("q{n}"), "type": "complete" })).await;
                }
            } else {
                drop(socket);
            }
        }
        // The table is still held: only an end of the work frees the connections.
        until(&format!("an end of the work, {end}"), async || (world.count(BUSY).await == 0).then_some(())).await;
        let quiet = world.gql(&olga, Some(home), "{ properties { nodes { id } } }", json!({})).await;
        assert_eq!(quiet.data()["properties"]["nodes"], json!([]), "{end}");
    }
    held.rollback().await.expect("an end");
}

/// Pairs of `subscribe` and `complete` get no more work done at a time than a connection may have.
#[tokio::test]
async fn pairs_of_subscribe_and_complete_do_not_pass_the_limit() {
    let world = World::new().await;
    let mallory = person("mallory");
    let theirs = world.found(&mallory, "TRUST_OR_LLC").await;
    let gate = Gate::at(Boundary::AfterOperation);
    let held = world.replica(Options { faults: gate.clone(), ..Options::default() }).await;
    let mut socket = Socket::open(&held.url(), &mallory, Some(theirs), None).await.expect("a connection");
    // A mutation goes on whatever the client says, so it keeps its place.
    let create = "mutation ($key: UUID!, $name: String!) { portfolioCreate(idempotencyKey: $key, input: { name: $name }) { result { id } } }";
    for n in 0..100 {
        socket.subscribe(&format!("m{n}"), create, json!({ "key": world.key(), "name": format!("No. {n}") })).await;
    }
    until_or("all are taken on", &mut String::new(), async |told| {
        *told = format!("{} are", gate.held.load(Ordering::SeqCst));
        (gate.held.load(Ordering::SeqCst) >= 100).then_some(())
    })
    .await;
    for n in 0..100 {
        socket.send(json!({ "id": format!("m{n}"), "type": "complete" })).await;
    }
    socket.subscribe("one more", "{ viewer { id } }", json!({})).await;
    assert_eq!(socket.ends().await, ("TOO_MANY_SUBSCRIPTIONS".to_owned(), json!({ "limit": 100 })));
    gate.open();
    until("all that was asked for is done", async || (world.count("SELECT count(*) FROM portfolio").await == 100).then_some(()))
        .await;
    until("a place is free again", async || {
        socket.subscribe("again", "{ viewer { id } }", json!({})).await;
        let message = socket.hear().await.message();
        (message["type"] == "next").then_some(())
    })
    .await;
}
