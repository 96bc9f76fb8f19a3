//! The gateway's process is killed at each boundary, with every procedure standing there. Half of
//! the clients come back with their keys, half never do.

use crate::harness::{
    Options, Process, World,
    examples::{Examples, reads_of},
    person, until,
};
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use schema::{Boundary, Entry, Scope, Surface};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;
use workflows::Supervision;

/// A world whose own gateway sleeps: the processes do the work.
async fn sleeping() -> World {
    let supervision =
        Supervision { heartbeat: Duration::from_secs(3_600), dead_after: Duration::from_secs(10_000), ..Default::default() };
    World::with(Options { supervision, real_time: true, ..Options::default() }).await
}

/// One mutation, in an organization of its own.
struct Stand {
    entry: &'static Entry,
    home: Uuid,
    key: Uuid,
    input: Value,
    returns: bool,
}

impl Stand {
    async fn lay(world: &World, examples: &Examples, entry: &'static Entry, number: u128, returns: bool) -> Stand {
        let home = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0001_0000 + number);
        let mut input = entry.example();
        let invitation = match (entry.name(), returns) {
            ("membership/v1/accept", true) => "c1".to_owned(),
            ("membership/v1/accept", false) => "c8".to_owned(),
            _ => format!("{:02x}", 0x10 + number),
        };
        if entry.name() == "membership/v1/accept" {
            input["id"] = format!("01920000-0000-7000-8000-0000000000{invitation}").into();
        }
        if entry.name() == "organization/v1/update" {
            input["id"] = home.to_string().into();
        }
        if entry.name() == "principal/v1/register" {
            input["subject"] = format!("agent-{number}").into();
        }
        examples.lay_at(world, home, &invitation, entry.name()).await;
        Stand { entry, home, key: Uuid::from_u128(0xabc0 + number), input, returns }
    }

    fn inside(&self) -> bool {
        self.entry.surface() == Surface::Inside
    }

    async fn call(&self, world: &World, examples: &Examples, url: &str) -> crate::harness::Answer {
        let organization = (self.entry.scope() == Scope::Organization).then_some(self.home);
        let mut body = self.input.clone();
        body["idempotencyKey"] = self.key.to_string().into();
        world.rpc_at(url, &examples.owner, organization, self.entry.name(), body).await
    }

    /// Its operations' states (a timer's key of the next hour finds it done, and is refused), and how often they told of one change to one thing.
    async fn done(&self, world: &World) -> Vec<(String, Option<i64>)> {
        let by_key = "SELECT o.state, (SELECT max(n) FROM (SELECT count(*) AS n FROM event e WHERE e.operation_id = o.id GROUP BY e.kind, e.resource_id) same) FROM operation o WHERE o.procedure = $1 AND (o.key = $2 OR ($3 AND o.organization_id = $4 AND o.state <> 'FAILED'))";
        sqlx::query_as(by_key)
            .bind(self.entry.name())
            .bind(self.key)
            .bind(self.inside())
            .bind(self.home)
            .fetch_all(&world.sql)
            .await
            .expect("operations")
    }
}

/// So many procedures stand at once as a small machine can carry.
const AT_ONCE: usize = 10;

async fn killed_at(boundary: Boundary) {
    let world = sleeping().await;
    let examples = Examples::new(&world).await;
    let mutations: Vec<_> = resolvers::TABLE.iter().filter(|entry| !reads_of(entry)).collect();
    let mut number = 0;
    for entries in mutations.chunks(AT_ONCE) {
        let mut stands = Vec::new();
        for returns in [true, false] {
            for entry in entries {
                stands.push(Stand::lay(&world, &examples, entry, number, returns).await);
                number += 1;
            }
        }
        killed_with(&world, &examples, boundary, stands).await;
    }
}

async fn killed_with(world: &World, examples: &Examples, boundary: Boundary, stands: Vec<Stand>) {
    let events_before = world.count("SELECT count(DISTINCT operation_id) FROM event").await;
    // Everyone who stands there holds a connection, and their rescues ask for more.
    let connections = (stands.len() * 2 + 20).to_string();
    let settings = [("HESTAMI_PARK_AT", boundary.as_str()), ("HESTAMI_DATABASE_CONNECTIONS", connections.as_str())];
    let first = Process::serve(world, &settings).await;
    {
        // The requests hang until the kill; nobody waits for their answers.
        let answered = std::sync::Mutex::new(Vec::new());
        let calls = join_all(stands.iter().filter(|stand| !stand.inside()).map(async |stand| {
            // A client keeps trying while a busy machine puts it off, or does not answer in time.
            loop {
                let answer = world.send_quietly(stand.call_request(world, examples, &first.url)).await;
                if answer.is_some_and(|status| status != 503) {
                    answered.lock().expect("no panic holds it").push((stand.entry.name(), answer));
                    break;
                }
            }
        }));
        // Timers take their turns, so of theirs one is enough.
        let stands_there = |stand: &Stand| first.parked(stand.entry.name()) >= if stand.inside() { 1 } else { 2 };
        let mut missing = String::new();
        let everyone = crate::harness::until_or("every procedure at the boundary", &mut missing, async |missing| {
            // A run that is begun anew stands there twice, so each must have its record as well.
            for stand in stands.iter().filter(|stand| !stand.inside() && boundary != Boundary::BeforeOperation) {
                if stand.done(world).await.is_empty() {
                    *missing = format!("no record of {}; {answered:?}", stand.entry.name());
                    return None;
                }
            }
            let away: Vec<_> = stands.iter().filter(|stand| !stands_there(stand)).map(|stand| stand.entry.name()).collect();
            *missing = format!("{away:?} did not come; {answered:?}; {:#?}", first.lines());
            away.is_empty().then_some(())
        });
        tokio::select! {
            () = everyone => {}
            // What is committed may be answered although its workflow hangs.
            () = async { calls.await; std::future::pending().await } => {}
        }
    }
    first.kill().await;
    let killed = Instant::now();

    let second = Process::serve(world, &[]).await;
    let returning = stands.iter().filter(|stand| stand.returns && !stand.inside());
    let answers = join_all(returning.clone().map(|stand| stand.call(world, examples, &second.url))).await;
    for (stand, answer) in returning.zip(&answers) {
        answer.ok();
        let again = stand.call(world, examples, &second.url).await;
        assert_eq!((again.ok(), &again.body["replayed"]), (answer.ok(), &json!(true)), "{}", stand.entry.name());
        assert_eq!(stand.done(world).await, [("COMPLETED".to_owned(), Some(1))], "{}", stand.entry.name());
    }
    for stand in stands.iter().filter(|stand| !stand.returns || stand.inside()) {
        if boundary == Boundary::BeforeOperation && !stand.inside() {
            assert_eq!(stand.done(world).await, [], "{}: before the record nothing happened", stand.entry.name());
            continue;
        }
        let done = until(stand.entry.name(), async || {
            let done = stand.done(world).await;
            done.iter().all(|(state, _)| state == "COMPLETED").then_some(done).filter(|done| !done.is_empty())
        })
        .await;
        assert_eq!(done, [("COMPLETED".to_owned(), Some(1))], "{}", stand.entry.name());
    }
    assert!(killed.elapsed() < Duration::from_secs(30), "taken over in {:?}", killed.elapsed());
    // Each told of itself.
    let expected = stands.iter().filter(|stand| stand.returns || stand.inside() || boundary != Boundary::BeforeOperation).count();
    assert_eq!(
        world.count("SELECT count(DISTINCT operation_id) FROM event").await - events_before,
        i64::try_from(expected).expect("few")
    );
    assert_eq!(
        world.count("SELECT count(*) FROM (SELECT 1 FROM event GROUP BY organization_id HAVING max(seq) <> count(*)) gaps").await,
        0,
        "numbers are dense"
    );
    second.stop().await;
}

impl Stand {
    fn call_request(&self, world: &World, examples: &Examples, url: &str) -> reqwest::RequestBuilder {
        let mut body = self.input.clone();
        body["idempotencyKey"] = self.key.to_string().into();
        let request =
            world.client().post(format!("{url}/api/v1/rpc/{}", self.entry.name())).bearer_auth(&examples.owner.token).json(&body);
        match self.entry.scope() {
            Scope::Organization => request.header("x-organization-id", self.home.to_string()),
            Scope::Principal => request,
        }
    }
}

#[tokio::test]
async fn killed_before_the_operation_is_recorded() {
    killed_at(Boundary::BeforeOperation).await;
}
#[tokio::test]
async fn killed_after_the_operation_is_recorded() {
    killed_at(Boundary::AfterOperation).await;
}
#[tokio::test]
async fn killed_after_the_claim() {
    killed_at(Boundary::AfterClaim).await;
}
#[tokio::test]
async fn killed_before_the_commit() {
    killed_at(Boundary::BeforeCommit).await;
}
#[tokio::test]
async fn killed_after_the_commit() {
    killed_at(Boundary::AfterCommit).await;
}
#[tokio::test]
async fn killed_before_the_answer() {
    killed_at(Boundary::BeforeAnswer).await;
}

#[tokio::test]
async fn a_replica_paused_inside_its_transaction_changes_nothing_twice() {
    let world = sleeping().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let paused = Process::serve(&world, &[("HESTAMI_PARK_AT", "before-commit"), ("HESTAMI_DEAD_AFTER", "60s")]).await;
    let mut body = World::property("1 First Street");
    body["idempotencyKey"] = world.key().to_string().into();
    let url = paused.url.clone();
    let hanging = world.rpc_at(&url, &owner, Some(home), "property/v1/create", body.clone());
    let story = async {
        until("the claim", async || (paused.parked("") > 0).then_some(())).await;
        paused.signal(Signal::SIGSTOP);
        // Its session holds the claim until the server ends it; then another replica does the work.
        let elsewhere = world.rpc(&owner, Some(home), "property/v1/create", body.clone()).await;
        let done = elsewhere.ok().clone();
        paused.signal(Signal::SIGCONT);
        paused.signal(Signal::SIGUSR2);
        done
    };
    let (late, done) = tokio::join!(hanging, story);
    assert_eq!(late.ok(), &done, "the sleeper answers what the other did");
    assert_eq!(world.count("SELECT count(*) FROM property").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM event WHERE kind = 'property.created'").await, 1);
    paused.stop().await;
}

#[tokio::test]
async fn a_replica_that_was_taken_for_dead_comes_back_under_a_new_id() {
    let world = sleeping().await;
    let replica = Process::serve(&world, &[]).await;
    let first: String = sqlx::query_scalar("SELECT id FROM replica ORDER BY started_at DESC LIMIT 1")
        .fetch_one(&world.sql)
        .await
        .expect("a replica");
    sqlx::query("UPDATE replica SET ended_at = now() WHERE id = $1").bind(&first).execute(&world.sql).await.expect("buried");
    let buried: chrono::DateTime<chrono::Utc> = sqlx::query_scalar("SELECT ended_at FROM replica WHERE id = $1")
        .bind(&first)
        .fetch_one(&world.sql)
        .await
        .expect("a time");
    let second: String = until("its return", async || {
        let anew = "SELECT id FROM replica WHERE started_at > $1 AND ended_at IS NULL";
        sqlx::query_scalar(anew).bind(buried).fetch_optional(&world.sql).await.expect("replicas")
    })
    .await;
    assert_ne!(first, second);
    replica.stop().await;
}

#[tokio::test]
async fn a_stop_hands_on_what_is_running() {
    let world = sleeping().await;
    let owner = person("olga");
    let going = Process::serve(
        &world,
        &[("HESTAMI_PARK_AT", "after-operation"), ("HESTAMI_SHUTDOWN_GRACE", "300ms"), ("HESTAMI_DEAD_AFTER", "60s")],
    )
    .await;
    let body = json!({ "idempotencyKey": world.key(), "type": "TRUST_OR_LLC", "name": "T" });
    let request =
        world.client().post(format!("{}/api/v1/rpc/organization/v1/create", going.url)).bearer_auth(&owner.token).json(&body);
    let hanging = tokio::spawn(request.send());
    until("the record", async || (going.parked("") > 0).then_some(())).await;
    let status = going.stop().await;
    assert!(status.success(), "a stop is no failure: {status}");
    drop(hanging);
    let next = Process::serve(&world, &[("HESTAMI_DEAD_AFTER", "60s")]).await;
    until("its completion", async || {
        (world.count("SELECT count(*) FROM operation WHERE state = 'COMPLETED'").await == 1).then_some(())
    })
    .await;
    next.stop().await;
}
