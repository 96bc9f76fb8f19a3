//! Connections that are taken again as they are: nothing of the one who had it before is left on any.

use crate::harness::{Cluster, Options, World, cluster, person, until};
use chrono::Utc;
use futures_util::future::join_all;
use schema::{Lanes, Mode, OrganizationId, Reach, Tx};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use sqlx::{Executor, PgPool, postgres::PgPoolOptions};
use std::time::{Duration, Instant};
use uuid::Uuid;

struct Ground {
    lanes: Lanes,
    superuser: PgPool,
}

impl Ground {
    async fn of(connections: u32) -> Ground {
        let cluster = cluster().await;
        let database = cluster.database().await;
        let pool = PgPoolOptions::new().max_connections(connections).test_before_acquire(false);
        let pool = pool.connect(&cluster.url("hestami_app", &database)).await.expect("a pool");
        let superuser =
            PgPoolOptions::new().max_connections(1).connect(&cluster.url("postgres", &database)).await.expect("a pool");
        Ground { lanes: Lanes::over(pool), superuser }
    }

    async fn begin(&self, organization: u128, mode: Mode) -> Result<Tx, sqlx::Error> {
        #[expect(clippy::disallowed_methods, reason = "no gateway is here whose clock it could be")]
        let now = Utc::now();
        Tx::begin(&self.lanes, &Reach::of(OrganizationId(Uuid::from_u128(organization)), now), mode).await
    }

    async fn inside(&self) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND usename = 'hestami_app' AND state LIKE 'idle in transaction%'";
        sqlx::query_scalar(sql).fetch_one(&self.superuser).await.expect("a count")
    }
}

async fn text(tx: &Tx, sql: &str) -> Result<String, sea_orm::DbErr> {
    let row = tx.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    row.expect("a row").try_get("", "it")
}

const WHO: &str =
    "SELECT concat_ws(' ', current_setting('app.organization_id'), current_setting('transaction_read_only'), current_user) AS it";
const PID: &str = "SELECT pg_backend_pid()::text AS it";

#[tokio::test]
async fn a_read_is_ended_by_whoever_comes_next_or_by_itself() {
    let ground = Ground::of(4).await;
    let read = ground.begin(1, Mode::Read).await.expect("a transaction");
    let (who, pid) = (text(&read, WHO).await.expect("who"), text(&read, PID).await.expect("a pid"));
    assert_eq!(who, format!("{} on hestami_app", Uuid::from_u128(1)));
    drop(read);
    let write = ground.begin(2, Mode::Write).await.expect("a transaction");
    assert_eq!(text(&write, WHO).await.expect("who"), format!("{} off hestami_app", Uuid::from_u128(2)));
    assert_eq!(text(&write, PID).await.expect("a pid"), pid, "the one that was used last");
    write.commit().await.expect("committed");
    // A single statement stands in no transaction of anyone.
    drop(ground.begin(3, Mode::Read).await.expect("a transaction"));
    let sql = "SELECT nullif(current_setting('app.organization_id', true), '')";
    let left: Option<(Option<String>,)> = ground.lanes.once(Mode::Read, Uuid::nil(), sql, |left| left).await.expect("a setting");
    assert_eq!(left, Some((None,)));
    drop(ground.begin(4, Mode::Read).await.expect("a transaction"));
    until("its end", async || (ground.inside().await == 0).then_some(())).await;
}

#[tokio::test]
async fn what_a_dropped_write_locked_is_free_at_once() {
    let ground = Ground::of(4).await;
    for _ in 0..20 {
        let write = ground.begin(1, Mode::Write).await.expect("a transaction");
        text(&write, "SELECT pg_advisory_xact_lock(7)::text AS it").await.expect("a lock");
        drop(write);
        let next = ground.begin(2, Mode::Write).await.expect("a transaction");
        text(&next, "SELECT pg_advisory_xact_lock(7)::text AS it").await.expect("the same lock");
        next.commit().await.expect("committed");
    }
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_any_more_keeps_nobody_waiting() {
    let ground = Ground::of(4).await;
    let read = ground.begin(1, Mode::Read).await.expect("a transaction");
    let sleeping = text(&read, PID).await.expect("a pid");
    assert!(tokio::time::timeout(Duration::from_millis(50), text(&read, "SELECT pg_sleep(20)::text AS it")).await.is_err());
    drop(read);
    let began = Instant::now();
    for n in 2..6 {
        let next = ground.begin(n, Mode::Read).await.expect("a transaction");
        assert_ne!(text(&next, PID).await.expect("a pid"), sleeping);
        assert_eq!(text(&next, WHO).await.expect("who"), format!("{} on hestami_app", Uuid::from_u128(n)));
    }
    assert!(began.elapsed() < Duration::from_secs(15), "they waited for what sleeps");
}

#[tokio::test]
async fn a_connection_that_fails_is_not_taken_again() {
    let ground = Ground::of(4).await;
    let read = ground.begin(1, Mode::Read).await.expect("a transaction");
    assert!(text(&read, "SELECT (1 / 0)::text AS it").await.is_err());
    drop(read);
    let next = ground.begin(2, Mode::Read).await.expect("a transaction");
    assert_eq!(text(&next, WHO).await.expect("who"), format!("{} on hestami_app", Uuid::from_u128(2)));
    drop(next);
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'hestami_app'";
    sqlx::query(sql).execute(&ground.superuser).await.expect("terminated");
    // The pool may still have another connection that broke with it.
    let next = until("a connection that lives", async || ground.begin(3, Mode::Read).await.ok()).await;
    assert_eq!(text(&next, WHO).await.expect("who"), format!("{} on hestami_app", Uuid::from_u128(3)));
}

#[tokio::test]
async fn a_question_whose_connection_is_lost_is_asked_again_and_a_write_is_not() {
    let ground = Ground::of(4).await;
    let sql = "CREATE SEQUENCE tries; GRANT USAGE ON SEQUENCE tries TO hestami_app";
    sqlx::raw_sql(sql).execute(&ground.superuser).await.expect("a sequence");
    for (mode, tries) in [(Mode::Read, 2), (Mode::Write, 3)] {
        let sql = "SELECT nextval('tries')::text || pg_terminate_backend(pg_backend_pid())::text";
        ground.lanes.once::<(String,)>(mode, Uuid::nil(), sql, |it| it).await.expect_err("it ends its own connection");
        let tried: i64 = sqlx::query_scalar("SELECT last_value FROM tries").fetch_one(&ground.superuser).await.expect("a count");
        assert_eq!(tried, tries, "{mode:?}");
        let asked = ground.lanes.once::<(i32,)>(mode, Uuid::nil(), "SELECT 1", |it| it).await;
        assert_eq!(asked.expect("an answer"), Some((1,)));
    }
}

#[tokio::test]
async fn who_writes_leaves_turns_to_who_reads_and_who_reads_leaves_one_for_a_question() {
    let ground = Ground::of(16).await;
    let mut held = Vec::new();
    for organization in 0..9 {
        held.push(ground.begin(organization, Mode::Write).await.expect("a transaction"));
    }
    let refused = async |mode| ground.begin(9, mode).await.map(drop).map_err(schema::Error::from);
    assert!(refused(Mode::Write).await.is_err_and(|error| error.retryable()), "who waited in vain may come back");
    for organization in 10..12 {
        held.push(ground.begin(organization, Mode::Read).await.expect("a transaction"));
    }
    assert!(refused(Mode::Read).await.is_err_and(|error| error.retryable()));
    let asked = ground.lanes.once::<(i32,)>(Mode::Read, Uuid::nil(), "SELECT 1", |it| it).await;
    assert_eq!(asked.expect("an answer"), Some((1,)));
}

#[tokio::test]
async fn one_organization_leaves_turns_to_the_others() {
    let ground = &Ground::of(16).await;
    let flood = join_all((0..40).map(|_| ground.begin(1, Mode::Write)));
    let others = async {
        until("those of the flood that have their turn", async || (ground.inside().await == 7).then_some(())).await;
        for organization in [2, 3] {
            drop(ground.begin(organization, Mode::Write).await.expect("a turn at once"));
            drop(ground.begin(organization, Mode::Read).await.expect("a turn at once"));
        }
        let asked = ground.lanes.once::<(i32,)>(Mode::Read, Uuid::from_u128(1), "SELECT 1", |it| it).await;
        assert_eq!(asked.expect("an answer"), Some((1,)));
    };
    let (flood, ()) = tokio::join!(flood, others);
    assert_eq!(flood.iter().filter(|turn| turn.is_ok()).count(), 7, "the others waited in vain");
}

#[tokio::test]
async fn writes_by_themselves_leave_a_turn_for_a_question_too() {
    let ground = &Ground::of(16).await;
    // The sleep stands for a commit that takes long.
    let sleeps = "SELECT pg_sleep(4)::text";
    let writes = join_all((0..9).map(|n| ground.lanes.once::<(String,)>(Mode::Write, Uuid::from_u128(n), sleeps, |it| it)));
    let reads = async {
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
        until("all who write", async || {
            let count: i64 = sqlx::query_scalar(sleeping).fetch_one(&ground.superuser).await.expect("a count");
            (count == 9).then_some(())
        })
        .await;
        // The reads ask for all turns to stand that are left, and for one more.
        let mut reads = Vec::new();
        for organization in 0..3 {
            reads.push(ground.begin(organization, Mode::Read).await);
        }
        let asked = ground.lanes.once::<(i32,)>(Mode::Read, Uuid::nil(), "SELECT 1", |it| it).await;
        assert_eq!(asked.expect("an answer"), Some((1,)));
    };
    let (writes, ()) = tokio::join!(writes, reads);
    assert!(writes.iter().all(Result::is_ok));
}

#[tokio::test]
async fn when_no_commit_ends_reads_are_answered_and_then_every_write() {
    let cluster = Cluster::own("commits").await;
    // The world has as many connections as a gateway by default.
    let world = World::on(cluster, cluster.database().await, Options { connections: 16, ..Options::default() }).await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    world.create_property(&olga, home, "0").await;
    let oscar = person("oscar");
    let elsewhere = world.found(&oscar, "TRUST_OR_LLC").await;
    // A commit waits for a standby that does not exist, as for a disk that stands still.
    let stand = async |name: &'static str| {
        let mut connection = cluster.connect("postgres", "postgres").await;
        for sql in [name, "SELECT pg_reload_conf()"] {
            connection.execute(sql).await.expect("a setting");
        }
    };
    stand("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    let writes = join_all((1..=20).map(async |n| {
        let mut body = World::property(&n.to_string());
        body["idempotencyKey"] = world.key().to_string().into();
        // A request that has no turn for long is told to come back.
        until("it is done", async || {
            let answer = world.rpc(&olga, Some(home), "property/v1/create", body.clone()).await;
            (answer.status == 200 && answer.body["operation"]["state"] == "COMPLETED").then_some(())
        })
        .await;
    }));
    let reads = async {
        let standing = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'hestami_app'";
        until("all who may write to wait", async || (world.count(standing).await >= 2).then_some(())).await;
        let since = Instant::now();
        // The loop runs for longer than an actor is kept.
        while since.elapsed() < Duration::from_millis(1_500) {
            for (who, organization) in [(&olga, home), (&oscar, elsewhere)] {
                world.gql(who, Some(organization), "{ properties { totalCount } }", json!({})).await.data();
            }
        }
        assert!(world.count(standing).await >= 2, "they do not wait any more");
        stand("ALTER SYSTEM RESET synchronous_standby_names").await;
    };
    tokio::join!(writes, reads);
    assert_eq!(world.count("SELECT count(*) FROM property").await, 21);
}
