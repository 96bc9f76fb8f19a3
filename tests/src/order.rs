//! Many writers, two replicas, and everything that can break between a commit and whoever is to hear of it: each
//! subscriber's sequence is complete, once, and in order, as the table has it.

use crate::harness::{Options, Person, Process, Socket, World, person, subscriber::Heard, until_or};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;
use workflows::Supervision;

const EVENTS: &str = "subscription ($after: String) { events(after: $after) { cursor change organizationId event { seq } } }";

/// The events that were heard: each by its organization and its number in the log.
type Heards = Arc<Mutex<Vec<(Uuid, i64)>>>;

struct Listener {
    who: Person,
    organization: Uuid,
    urls: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
    heard: Heards,
    cursor: Option<Value>,
    /// The number of the turn, which says the next replica and the length of the stay.
    turn: usize,
}

impl Listener {
    /// Connects to one replica after another, and always goes on from the last cursor.
    async fn listen(mut self) {
        while !self.over.load(Ordering::Relaxed) {
            let url = {
                let urls = self.urls.lock().expect("no panic holds it");
                urls[self.turn % urls.len()].clone()
            };
            self.turn += 1;
            if let Some(Ok(socket)) = Socket::try_open(&url, &self.who, Some(self.organization)).await {
                self.stay(socket).await;
            } else {
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn stay(&mut self, mut socket: Socket) {
        socket.subscribe("s", EVENTS, json!({ "after": self.cursor })).await;
        for _ in 0..(3 + self.turn * 7 % 40) {
            let Ok(heard) = timeout(Duration::from_millis(1_500), socket.hear()).await else { return };
            let Heard::Message(message) = heard else { return };
            if message["type"] != "next" {
                let code = &message["payload"][0]["extensions"]["code"];
                assert!(["UNAVAILABLE", "SLOW_READER"].map(Value::from).contains(code), "{message:#}");
                return;
            }
            let told = &message["payload"]["data"]["events"];
            if told["change"] != "SCOPE_GAINED" {
                let of = told["organizationId"].as_str().and_then(|id| id.parse().ok()).expect("an organization");
                let seq = told["event"]["seq"].as_i64().expect("a number");
                self.heard.lock().expect("no panic holds it").push((of, seq));
            }
            self.cursor = Some(told["cursor"].clone());
        }
    }
}

const WRITERS: usize = 50;
const EACH: usize = 4;

#[tokio::test]
async fn every_subscriber_hears_all_of_it_once_and_in_order() {
    let supervision =
        Supervision { heartbeat: Duration::from_secs(3_600), dead_after: Duration::from_secs(10_000), ..Default::default() };
    let world = World::with(Options { supervision, real_time: true, ..Options::default() }).await;
    let (olga, oscar, dana, sam) = (person("olga"), person("oscar"), person("dana"), person("sam"));
    let homes =
        [(olga.clone(), world.found(&olga, "TRUST_OR_LLC").await), (oscar.clone(), world.found(&oscar, "TRUST_OR_LLC").await)];
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    world.join(&dana, desk, &sam, "CONCIERGE_STAFF").await;
    for (who, home) in &homes {
        world.engage(who, *home, desk, "READ").await;
    }
    let start = |who: &Person, organization: Uuid| {
        let (who, world) = (who.clone(), &world);
        async move { world.rpc(&who, Some(organization), "change/v1/list", json!({})).await.ok()["cursor"].clone() }
    };
    crate::harness::until("the feed to know of both", async || {
        (world.count("SELECT count(*) FROM feed_scope").await == 3).then_some(())
    })
    .await;
    // This world's own gateway stands aside: two processes do the work.
    world.app.live.stop();
    let settings = [("HESTAMI_DATABASE_CONNECTIONS", "40")];
    let (first, second) = tokio::join!(Process::serve(&world, &settings), Process::serve(&world, &settings));
    let urls = Arc::new(Mutex::new(vec![first.url.clone(), second.url.clone()]));
    let over = Arc::new(AtomicBool::new(false));

    let mut listeners: Vec<(Uuid, i64, Heards)> = Vec::new();
    let mut tasks = Vec::new();
    for turn in 0..6 {
        let (who, organization) = match turn % 3 {
            0 => (olga.clone(), homes[0].1),
            1 => (sam.clone(), desk),
            _ => (oscar.clone(), homes[1].1),
        };
        let (heard, cursor) = (Heards::default(), start(&who, organization).await);
        let position = i64::from_str_radix(&cursor.as_str().expect("a cursor")[33..49], 16).expect("a position");
        listeners.push((organization, position, Arc::clone(&heard)));
        let (urls, over) = (Arc::clone(&urls), Arc::clone(&over));
        tasks.push(tokio::spawn(Listener { who, organization, urls, over, heard, cursor: Some(cursor), turn }.listen()));
    }
    let writers = join_all((0..WRITERS).map(|writer| {
        let ((who, home), urls, world) = (&homes[writer % 2], &urls, &world);
        async move {
            for number in 0..EACH {
                let mut body = World::property(&format!("{writer}-{number}"));
                body["idempotencyKey"] = Uuid::from_u128(((writer as u128) << 32) + number as u128 + 1).to_string().into();
                let mut turn = writer + number;
                loop {
                    let url = {
                        let urls = urls.lock().expect("no panic holds it");
                        urls[turn % urls.len()].clone()
                    };
                    turn += 1;
                    let request = world.client().post(format!("{url}/api/v1/rpc/property/v1/create")).bearer_auth(&who.token);
                    let request =
                        request.header("x-organization-id", home.to_string()).timeout(Duration::from_secs(15)).json(&body);
                    if world.send_quietly(request).await == Some(200) {
                        break;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }));
    let breaks = async {
        let relay_dies = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                          WHERE datname = current_database() AND application_name IN ('hestami-relay', 'hestami-news')";
        let grown = async |to: i64| {
            crate::harness::until("more of it", async || {
                (world.count("SELECT count(*) FROM property").await >= to).then_some(())
            })
            .await;
        };
        grown(20).await;
        world.count(relay_dies).await;
        grown(60).await;
        first.kill().await;
        urls.lock().expect("no panic holds it").remove(0);
        let third = Process::serve(&world, &settings).await;
        urls.lock().expect("no panic holds it").push(third.url.clone());
        grown(140).await;
        world.count(relay_dies).await;
        third
    };
    let (_, third) = tokio::join!(writers, breaks);
    assert_eq!(world.count("SELECT count(*) FROM property").await, (WRITERS * EACH) as i64);

    for (at, (organization, from, heard)) in listeners.iter().enumerate() {
        let expected: Vec<(Uuid, i64)> = if *organization == desk {
            crate::harness::until("the relay", async || {
                let behind = "SELECT count(*) FROM feed_scope s JOIN org_head h ON h.organization_id = s.source_organization_id WHERE h.event_seq > s.relayed_seq";
                (world.count(behind).await == 0).then_some(())
            })
            .await;
            let sql = "SELECT source_organization_id, seq FROM feed WHERE organization_id = $1 AND position > $2 AND seq IS NOT NULL ORDER BY position";
            sqlx::query_as(sql).bind(organization).bind(from).fetch_all(&world.sql).await.expect("rows")
        } else {
            let sql = "SELECT organization_id, seq FROM event WHERE organization_id = $1 AND seq > $2 ORDER BY seq";
            sqlx::query_as(sql).bind(organization).bind(from).fetch_all(&world.sql).await.expect("rows")
        };
        // Every event of an organization came, once, and in the organization's own order.
        for (_, home) in &homes {
            let seqs: Vec<i64> = expected.iter().filter(|(of, _)| of == home).map(|(_, seq)| *seq).collect();
            assert!(seqs.is_empty() || seqs == (seqs[0]..=seqs[seqs.len() - 1]).collect::<Vec<_>>(), "{home}: {seqs:?}");
            assert!(seqs.is_empty() || seqs.len() == WRITERS * EACH / 2, "{}", seqs.len());
        }
        let mut missing = String::new();
        until_or(&format!("listener {at}"), &mut missing, async |missing| {
            let heard = heard.lock().expect("no panic holds it");
            *missing = format!("{} of {}", heard.len(), expected.len());
            (heard.len() >= expected.len()).then_some(())
        })
        .await;
        assert_eq!(*heard.lock().expect("no panic holds it"), expected, "listener {at}");
    }
    over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no listener failed");
    }
    second.stop().await;
    third.stop().await;
}

#[tokio::test]
async fn who_waits_costs_nothing_and_one_event_is_read_once_for_all_who_see_the_same() {
    let name = crate::harness::cluster().await.database().await;
    let cluster = crate::harness::cluster().await;
    let mut superuser = cluster.connect("postgres", "postgres").await;
    for setting in ["log_statement = 'all'", "log_min_messages = 'log'"] {
        let sql = sqlx::AssertSqlSafe(format!("ALTER DATABASE {name} SET {setting}"));
        sqlx::Executor::execute(&mut superuser, sql).await.expect("a setting");
    }
    let supervision =
        Supervision { heartbeat: Duration::from_secs(3_600), dead_after: Duration::from_secs(10_000), ..Default::default() };
    let world = World::on(cluster, name.clone(), Options { supervision, ..Options::default() }).await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let people: Vec<Person> = (0..12).map(|number| person(&format!("trustee{number}"))).collect();
    for someone in &people {
        world.join(&olga, home, someone, "TRUSTEE").await;
    }
    // The statements of this database, by the server's own log. The engine looks into its queue besides, whoever waits.
    const OTHERS: [&str; 4] = ["\"dbos\"", "statement: BEGIN", "statement: COMMIT", "statement: ROLLBACK"];
    let ours = |line: &str| line.contains("LOG:") && !OTHERS.iter().any(|other| line.contains(other));
    let statements = || -> usize {
        let log = std::fs::read(cluster.log()).expect("a log");
        let text = String::from_utf8_lossy(&log).into_owned();
        text.lines().filter(|line| line.contains(&format!("] {name} ")) && ours(line)).count()
    };
    let in_three_seconds = async || {
        let before = statements();
        sleep(Duration::from_secs(3)).await;
        statements() - before
    };
    let alone = in_three_seconds().await;
    let query = "subscription { propertyChanged { cursor property { id address { line1 } hoa { name } } event { seq actor { displayName } } } }";
    let mut sockets = Vec::new();
    for number in 0..60 {
        let who = &people[number % people.len()];
        let mut socket = Socket::open(&world.app.url(), who, Some(home), None).await.expect("it opens");
        socket.subscribe("s", query, json!({})).await;
        socket.standing().await;
        sockets.push(socket);
    }
    let waiting = in_three_seconds().await;
    // The log is looked at once a second, whatever the number of those who wait.
    assert!(waiting <= alone + 12, "{waiting} statements in three seconds for {} who wait, {alone} for none", sockets.len());

    let create = world.create_property(&olga, home, "1 First Street").await;
    let before = statements();
    let version = json!({ "id": create["id"], "version": 1, "notes": "seen by all" });
    for socket in &mut sockets {
        assert_eq!(socket.next().await["property"]["id"], create["id"]);
    }
    world.call(&olga, home, "property/v1/update", version).await.ok();
    for socket in &mut sockets {
        assert_eq!(socket.next().await["property"]["address"]["line1"], "1 First Street");
    }
    let told = statements() - before;
    assert!(told <= 120, "{told} statements for two events to {} subscribers and one mutation", sockets.len());
}
