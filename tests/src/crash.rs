//! The gateway's process is killed at each boundary, with procedures standing there: all of them around their commit, some of
//! every sort elsewhere. Half of the clients come back with their keys, half never do.

use crate::{
    harness::{
        Options, Process, World,
        examples::{Examples, Home},
        person, until,
    },
    plans::random::Dice,
};
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use schema::{Boundary, Clock, Entry, Runs, Surface};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
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
    laid: Home,
    home: Uuid,
    key: Uuid,
    input: Value,
    returns: bool,
}

impl Stand {
    /// Two stands for each entry: half of the clients come back, half never do.
    async fn lay(world: &World, examples: &Examples, entries: &[&'static Entry]) -> Vec<Stand> {
        let twice = entries.iter().chain(entries).copied();
        let returns = [true, false].into_iter().flat_map(|returns| std::iter::repeat_n(returns, entries.len()));
        let laid = examples.lay(world, twice).await.into_iter().zip(returns);
        let stand = |((entry, home), returns): ((&'static Entry, Home), bool)| {
            // A key belongs to an organization, so the organization's own id will do as one.
            Stand { entry, laid: home, home: home.id(), key: home.id(), input: home.input(entry), returns }
        };
        laid.map(stand).collect()
    }

    fn inside(&self) -> bool {
        self.entry.surface() == Surface::Inside
    }

    async fn call(&self, world: &World, examples: &Examples, url: &str) -> crate::harness::Answer {
        world.send(self.call_request(world, examples, url)).await
    }

    /// The states of the stand's operations, each with the most events that it wrote of one change to one thing. A timer's key of
    /// the next hour finds the work done, and is refused: such an operation is left out.
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

/// The most procedures that stand at once: as many as a small machine can carry.
const AT_ONCE: usize = 10;

/// The seed of the day, or the seed in `CRASH_SEED`.
fn seed() -> u64 {
    let today = || schema::SystemClock.now().timestamp() / (24 * 3_600);
    std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| today().unsigned_abs())
}

/// The procedures that stand at a boundary. All of them stand around the commit, where it shows whether a procedure's own work is
/// done whole. Elsewhere the waist and the engine are the same for all. There one procedure of each family of workflows stands,
/// with all timers, and others fill up the last process.
fn standing_at(boundary: Boundary, seed: u64) -> Vec<&'static Entry> {
    let all = resolvers::TABLE.iter().filter_map(|entry| match entry.runs() {
        Runs::Mutation(workflow) => Some((workflow.family, entry)),
        Runs::Read => None,
    });
    if matches!(boundary, Boundary::AfterClaim | Boundary::BeforeCommit) {
        return all.map(|(_, entry)| entry).collect();
    }
    let (timers, mut carried): (Vec<_>, Vec<_>) = all.partition(|(_, entry)| entry.surface() == Surface::Inside);
    let mut standing: Vec<_> = timers.into_iter().map(|(_, entry)| entry).collect();
    let mut dice = Dice::new((seed << 8) + boundary as u64);
    let (mut families, mut others) = (BTreeSet::new(), Vec::new());
    while !carried.is_empty() {
        let (family, entry) = carried.swap_remove(dice.below(carried.len()));
        let into = if families.insert(family) { &mut standing } else { &mut others };
        into.push(entry);
    }
    let room = standing.len().next_multiple_of(AT_ONCE) - standing.len();
    standing.extend(others.into_iter().take(room));
    standing
}

#[test]
fn every_procedure_stands_around_its_commit_and_every_family_and_timer_everywhere() {
    let mutations = resolvers::TABLE.iter().filter(|entry| entry.is_mutation());
    let family = |entry: &Entry| match entry.runs() {
        Runs::Mutation(workflow) => workflow.family,
        Runs::Read => "",
    };
    let all: BTreeSet<_> = mutations.clone().map(Entry::name).collect();
    let timers: BTreeSet<_> = mutations.clone().filter(|entry| entry.surface() == Surface::Inside).map(Entry::name).collect();
    let families: BTreeSet<_> = mutations.map(family).collect();
    let mut ever = BTreeSet::new();
    for seed in 0..100 {
        for boundary in Boundary::ALL {
            let standing = standing_at(*boundary, seed);
            let names: BTreeSet<_> = standing.iter().map(|entry| entry.name()).collect();
            assert_eq!(names.len(), standing.len(), "none stands twice");
            match boundary {
                Boundary::AfterClaim | Boundary::BeforeCommit => assert_eq!(names, all),
                _ => {
                    assert!(names.is_superset(&timers));
                    assert_eq!(standing.iter().map(|entry| family(entry)).collect::<BTreeSet<_>>(), families);
                    ever.extend(names);
                }
            }
        }
    }
    assert_eq!(ever, all, "in a hundred days everyone had a turn everywhere");
}

async fn killed_at(boundary: Boundary) {
    let seed = seed();
    eprintln!("CRASH_SEED={seed}");
    let world = sleeping().await;
    let examples = Examples::new(&world).await;
    for entries in standing_at(boundary, seed).chunks(AT_ONCE) {
        let stands = Stand::lay(&world, &examples, entries).await;
        killed_with(&world, &examples, boundary, stands).await;
    }
}

async fn killed_with(world: &World, examples: &Examples, boundary: Boundary, stands: Vec<Stand>) {
    // A timer's work may call for more of the house's work, so only the requests' own operations are counted.
    let asked: Vec<_> = stands.iter().filter(|stand| !stand.inside()).map(|stand| stand.entry.name()).collect();
    let written = async || {
        let counted = "SELECT count(DISTINCT e.operation_id) FROM event e JOIN operation o ON o.id = e.operation_id WHERE o.procedure = ANY($1)";
        sqlx::query_scalar::<_, i64>(counted).bind(&asked).fetch_one(&world.sql).await.expect("events")
    };
    let events_before = written().await;
    // Every run that stands there holds a connection, and the rescues ask for more. Many of them are one desk's, whose share is a part.
    let connections = (stands.len() * 4 + 20).to_string();
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
        // Timers take turns, so one run of a timer's procedure is enough.
        // So is one of those that write into the log of the desk that all engaged: its head is one transaction's at a time.
        let alone = |stand: &Stand| stand.inside() || stand.entry.name() == "case/v1/addInternalNote";
        let stands_there = |stand: &Stand| first.parked(stand.entry.name()) >= if alone(stand) { 1 } else { 2 };
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
            // A committed operation may be answered although its workflow hangs.
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
    // Each operation that was done wrote an event, and none beside them did.
    let expected =
        stands.iter().filter(|stand| !stand.inside() && (stand.returns || boundary != Boundary::BeforeOperation)).count();
    assert_eq!(written().await - events_before, i64::try_from(expected).expect("few"));
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
        let (who, organization, grant) = examples.caller(self.entry, self.laid);
        let mut request =
            world.client().post(format!("{url}/api/v1/rpc/{}", self.entry.name())).bearer_auth(&who.token).json(&body);
        for (header, id) in [("x-organization-id", organization), ("x-grant-id", grant)] {
            if let Some(id) = id {
                request = request.header(header, id.to_string());
            }
        }
        request
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
        // The paused replica's session holds the claim until the server ends it; then another replica does the work.
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
