//! Outages: servers go away and come back; the gateway says so and needs no restart.

use crate::harness::{Answer, Cluster, Options, World, cluster, folder, person, until};
use futures_util::future::join_all;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use server::embedded::{Folders, Postgres, Spawner, Tuning, start_cerbos};
use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    sync::broadcast,
};

fn end(process: u32, signal: Signal) {
    kill(Pid::from_raw(process.try_into().expect("an id")), signal).expect("a signal");
}

async fn readiness(world: &World) -> Answer {
    world.send(world.client().get(format!("{}/readyz", world.app.operators()))).await
}

/// The PDP ends old connections; here all connections are cut, and far more often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_the_pdp_that_end_under_a_question_are_not_noticed() {
    let pdp = cluster().await.cerbos_url().trim_start_matches("unix:");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (cut, _) = broadcast::channel::<()>(1);
    let cutting = cut.clone();
    let passing_on = async {
        loop {
            let (mut from, _) = listener.accept().await.expect("a connection");
            let (mut to, mut end) = (UnixStream::connect(pdp).await.expect("the PDP"), cutting.subscribe());
            tokio::spawn(async move {
                tokio::select! {
                    _ = copy_bidirectional(&mut from, &mut to) => {}
                    _ = end.recv() => {}
                }
            });
        }
    };
    let url = format!("http://{address}");
    let cerbos = authz::Cerbos::new(authz::Settings::new(&url)).expect("a client");
    let (answered, done) = (AtomicU32::new(0), AtomicBool::new(false));
    let asking = join_all((0..4).map(async |_| {
        while !done.load(Ordering::Relaxed) {
            cerbos.sentinel().await.expect("an answer");
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let ending = async {
        for _ in 0..40 {
            let before = answered.load(Ordering::Relaxed);
            until("more answers", async || (answered.load(Ordering::Relaxed) >= before + 8).then_some(())).await;
            cut.send(()).expect("someone listens");
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::select! {
        () = passing_on => {}
        _ = async { tokio::join!(asking, ending) } => {}
    }
}

#[tokio::test]
async fn without_the_pdp_everything_is_refused_and_with_it_again_everything_works() {
    let cluster = Cluster::own("pdp").await;
    let world = World::on(cluster, cluster.database().await, Options::default()).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let property = world.create_property(&owner, home, "1 First Street").await;
    let list = "{ properties { edges { node { id } } } }";
    world.gql(&owner, Some(home), list, json!({})).await.data();
    assert_eq!(readiness(&world).await.status, 200);

    end(cluster.cerbos(), Signal::SIGKILL);
    until("the sentinel's silence", async || (readiness(&world).await.body["cerbos"] == "unavailable").then_some(())).await;
    let mut keyed = World::property("2 Second Street");
    keyed["idempotencyKey"] = world.key().to_string().into();
    let create = world.rpc(&owner, Some(home), "property/v1/create", keyed.clone()).await;
    create.refused("UNAVAILABLE");
    assert_eq!((create.status, &create.body["error"]["retryable"]), (503, &json!(true)));
    // Cached plans are not used either, from the first silence of the sentinel on.
    until("the end of cached plans", async || {
        (world.rpc(&owner, Some(home), "property/v1/list", json!({})).await.code() == "UNAVAILABLE").then_some(())
    })
    .await;
    world.rpc(&owner, Some(home), "property/v1/get", json!({ "id": property["id"] })).await.refused("UNAVAILABLE");
    let refused = until("the end of cached plans", async || {
        let answer = world.gql(&owner, Some(home), list, json!({})).await;
        (answer.gql_code() == "UNAVAILABLE").then_some(answer)
    })
    .await;
    assert_eq!(refused.body["data"]["properties"], json!(null));
    assert_eq!(readiness(&world).await.status, 503);

    let folders = Folders::lay_out(&folder("pdp"), &crate::harness::root().join("embedded/node_modules")).expect("folders");
    let (_cerbos, _) =
        start_cerbos(&Spawner::start().expect("a spawner"), &folders, &crate::harness::root().join("authz/policies"))
            .await
            .expect("Cerbos");
    until("its return", async || (readiness(&world).await.status == 200).then_some(())).await;
    world.rpc(&owner, Some(home), "property/v1/create", keyed).await.ok();
    world.gql(&owner, Some(home), list, json!({})).await.data();
    // The server that is left ends with this test.
    end(cluster.postgres(), Signal::SIGINT);
}

#[tokio::test]
async fn postgresql_restarted_under_load_loses_nothing_that_was_acknowledged() {
    let cluster = Cluster::own("restart").await;
    let world = World::on(cluster, cluster.database().await, Options::default()).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let stop = AtomicBool::new(false);
    // Each client writes with keys of its own, and keeps the acknowledged writes and the others.
    let client = async |number: u32| {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for count in 0..5_000_u32 {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let key = uuid::Uuid::from_u128(u128::from(number) << 64 | u128::from(count));
            let mut body = World::property(&format!("{number}-{count}"));
            body["idempotencyKey"] = key.to_string().into();
            let answer = world.rpc(&owner, Some(home), "property/v1/create", body.clone()).await;
            match answer.status {
                200 => done.push((body, answer.ok()["id"].clone())),
                202 => failed.push(body),
                _ => {
                    answer.refused("UNAVAILABLE");
                    failed.push(body);
                }
            }
        }
        (done, failed)
    };
    let restart = async {
        until("some writes", async || (world.count("SELECT count(*) FROM property").await > 20).then_some(())).await;
        // The immediate stop: sessions are cut, the log is replayed.
        end(cluster.postgres(), Signal::SIGQUIT);
        let until_refused = until("a refusal", async || {
            let answer = world.rpc(&owner, Some(home), "property/v1/list", json!({})).await;
            (answer.code() == "UNAVAILABLE").then_some(())
        });
        until_refused.await;
        let folders =
            Folders::lay_out(&folder("restart"), &crate::harness::root().join("embedded/node_modules")).expect("folders");
        let spawner = Spawner::start().expect("a spawner");
        let back = Postgres::start(&spawner, &folders, crate::harness::PASSWORD, Tuning::default()).await.expect("PostgreSQL");
        until("its work", async || {
            let answer = world.rpc(&owner, Some(home), "property/v1/list", json!({})).await;
            (answer.status == 200).then_some(())
        })
        .await;
        stop.store(true, Ordering::SeqCst);
        back
    };
    let (one, two, three, back) = tokio::join!(client(1), client(2), client(3), restart);
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (acknowledged, refused) in [one, two, three] {
        done.extend(acknowledged);
        failed.extend(refused);
    }
    // A read was refused meanwhile; whether a write was, or waited until it could be done, is a matter of moments.
    assert!(done.len() > 20, "only {} were acknowledged", done.len());
    let pool = sqlx::PgPool::connect(&cluster.url("postgres", &world.database)).await.expect("a pool");
    for (body, id) in &done {
        let (count, first): (i64, String) = sqlx::query_as("SELECT count(*), min(id::text) FROM property WHERE line1 = $1")
            .bind(body["address"]["line1"].as_str())
            .fetch_one(&pool)
            .await
            .expect("a count");
        assert_eq!((count, json!(first)), (1, id.clone()), "acknowledged is kept, once");
    }
    for body in &failed {
        let answer = until("the key's answer", async || {
            let answer = world.rpc(&owner, Some(home), "property/v1/create", body.clone()).await;
            (answer.status == 200).then_some(answer)
        })
        .await;
        answer.ok();
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM property").fetch_one(&pool).await.expect("a count");
    assert_eq!(rows, i64::try_from(done.len() + failed.len()).expect("few"), "each key once");
    drop(back);
    end(cluster.cerbos(), Signal::SIGKILL);
    tokio::time::timeout(Duration::from_secs(5), pool.close()).await.ok();
}

#[tokio::test]
async fn other_policies_count_at_once_and_cached_plans_are_dropped() {
    let cluster = Cluster::own("policies").await;
    let world = World::on(cluster, cluster.database().await, Options::default()).await;
    let (owner, staff) = (person("olga"), person("sam"));
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.join(&owner, home, &staff, "CONCIERGE_STAFF").await;
    world.create_property(&owner, home, "1 First Street").await;
    let seen = async || {
        world.gql(&staff, Some(home), "{ properties { totalCount } }", json!({})).await.data()["properties"]["totalCount"].clone()
    };
    assert_eq!(seen().await, 1);
    // The PDP watches its folder: staff may not look any more, and the sentinel names another bundle.
    let served = folder("policies").join("policies");
    let change = |file: &str, from: &str, to: &str| {
        let path = served.join(file);
        let text = std::fs::read_to_string(&path).expect("a policy");
        assert!(text.contains(from), "{file}");
        std::fs::write(&path, text.replace(from, to)).expect("written");
    };
    change("property.yaml", "concierge_staff, ", "");
    change("sentinel.yaml", "ruleActivated: '\"", "ruleActivated: '\"other-");
    until("the new policies", async || (seen().await == 0).then_some(())).await;
    end(cluster.postgres(), Signal::SIGINT);
    end(cluster.cerbos(), Signal::SIGKILL);
}
