//! A thousand cases with timers on two replicas, of which one is killed and one stops for a while.

use super::Place;
use crate::harness::{Options, Process, World, until, until_or};
use chrono::{DateTime, TimeDelta, Utc};
use nix::sys::signal::Signal;
use schema::Clock;
use std::time::Duration;
use workflows::Supervision;

const CASES: i64 = 1_000;

#[tokio::test]
async fn a_thousand_timers_fire_once_each_and_in_time_whoever_dies() {
    // The world's own gateway makes the case, and then looks on.
    let supervision =
        Supervision { heartbeat: Duration::from_secs(3_600), dead_after: Duration::from_secs(10_000), ..Default::default() };
    let world = World::with(Options { supervision, real_time: true, ..Options::default() }).await;
    let place = Place::on(world).await;
    let case = place.case().await;
    let id: uuid::Uuid = case["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let settings = [("HESTAMI_HEARTBEAT", "300ms"), ("HESTAMI_DEAD_AFTER", "3s")];
    let one = Process::serve(&place.world, &settings).await;
    let two = Process::serve(&place.world, &settings).await;
    // A thousand more like it, resolved, each of which closes at a time of its own within half a minute.
    let begin: DateTime<Utc> = schema::SystemClock.now() + TimeDelta::seconds(8);
    sqlx::query(
        "INSERT INTO concierge_case (organization_id, id, number, title, description, kind, property_id, priority, priority_rank, state, due_sort, desk_id,
           resolution, resolution_summary, resolved_at, closes_at, next_at, opened_by, opener_organization_id, lifecycle, worked_seconds,
           open_questions, told, reopened_count, created_at, updated_at)
         SELECT organization_id, gen_random_uuid(), 0, title, at::text, kind, property_id, priority, priority_rank, 'RESOLVED', due_sort, desk_id,
           'DONE', 'Done', now(), at, at, opened_by, opener_organization_id, 1, 0, 0, '{}', 0, now(), now()
         FROM concierge_case, LATERAL (SELECT $2::timestamptz + n * interval '30 milliseconds' AS at FROM generate_series(1, $3) n) s
         WHERE id = $1",
    )
    .bind(id)
    .bind(begin)
    .bind(CASES)
    .execute(&place.world.sql)
    .await
    .expect("cases");
    let closed = async |least: i64| {
        until("that some are closed", async || {
            (place.world.count("SELECT count(*) FROM concierge_case WHERE state = 'CLOSED'").await >= least).then_some(())
        })
        .await;
    };
    closed(CASES / 10).await;
    one.kill().await;
    let killed = schema::SystemClock.now();
    let third = Process::serve(&place.world, &settings).await;
    closed(CASES / 5).await;
    two.signal(Signal::SIGSTOP);
    let stopped = schema::SystemClock.now();
    closed(CASES / 2).await;
    two.signal(Signal::SIGCONT);
    let mut missing = String::new();
    until_or("all of them closed", &mut missing, async |missing| {
        let open = place.world.count("SELECT count(*) FROM concierge_case WHERE state = 'RESOLVED'").await;
        *missing = format!("{open} are open");
        (open == 0).then_some(())
    })
    .await;
    let told = "SELECT count(*) FROM event WHERE kind = 'case.closed'";
    assert_eq!(place.world.count(told).await, CASES, "each closed once");
    let sql = "SELECT extract(epoch FROM closed_at - description::timestamptz)::float8 FROM concierge_case WHERE state = 'CLOSED' ORDER BY 1 DESC";
    let late: Vec<f64> = sqlx::query_scalar(sql).fetch_all(&place.world.sql).await.expect("lateness");
    assert_eq!(late.len(), usize::try_from(CASES).expect("few"));
    // How late they may be is measured elsewhere, on a machine that does nothing else.
    assert!(late[0] < 30.0, "{:?}", &late[..5]);
    eprintln!("killed at {killed}, stopped at {stopped}: the latest {:?} s late", &late[..5]);
    third.stop().await;
    two.stop().await;
}
