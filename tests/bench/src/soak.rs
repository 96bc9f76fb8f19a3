//! Half an hour at half load: what must be flat is flat. `SOAK_MINUTES` is a setting. Outcomes and cursors are kept for a
//! minute here, so that what is forgotten in time is seen to be.

use crate::{
    ground::{Asker, Ground, Of, id},
    live,
    load::{Connection, closed},
    processes::{Meter, Process},
    reads, report, writes,
};
use server::Fault;
use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::{sleep, sleep_until};

const WORKERS: usize = 8;
const LISTENERS: usize = 200;
const EVERY: Duration = Duration::from_secs(30);

struct Sample {
    at: Duration,
    megabytes: f64,
    connections: i64,
    tables: Vec<i64>,
    per_second: f64,
    p99: Duration,
    /// How much of the machine others had, in percent.
    stolen: f64,
}

/// What the machine's cores did since it started, in all, and what was taken from them.
fn cores() -> Result<(f64, f64), Fault> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let all: Vec<f64> = text.lines().next().unwrap_or_default().split_whitespace().filter_map(|part| part.parse().ok()).collect();
    Ok((all.iter().take(8).sum(), all.get(7).copied().unwrap_or_default()))
}

/// What is forgotten in time.
const TABLES: [(&str, &str); 4] =
    [("operations", "operation"), ("finished workflows", "dbos.workflow_status"), ("feed", "feed"), ("replicas", "replica")];

async fn call(connection: &mut Connection, askers: &[Asker], n: u64) -> Result<(), Fault> {
    let asker = &askers[usize::try_from(n)? % askers.len()];
    match n % 10 {
        0..=4 => reads::ask_one(connection, asker, n).await,
        5..=6 => reads::ask_list(connection, asker).await,
        7 => reads::ask_nested(connection, asker).await,
        _ => writes::ask_create(connection, asker).await,
    }
}

/// The desk follows all of them, so that its feed grows as well.
async fn engage(ground: &Ground, askers: &[Asker], desk: &Asker) -> Result<(), Fault> {
    let all: Vec<String> =
        askers.iter().filter(|asker| asker.n != desk.n).map(|asker| format!("'{}'", asker.organization)).collect();
    let sql = format!(
        "UPDATE organization SET type = 'CONCIERGE_OPERATOR' WHERE id = '{0}';
         UPDATE membership SET role = 'ADMINISTRATOR' WHERE organization_id = '{0}';
         INSERT INTO access_grant (organization_id, id, grantee_organization_id, kind, scopes, starts_at, granted_by, created_at, updated_at)
           SELECT o.id, gen_random_uuid(), '{0}', 'ENGAGEMENT', '{{read}}', '2020-01-01', '{1}', now(), now() FROM organization o WHERE o.id IN ({2})",
        desk.organization,
        id(Of::Principal, desk.n),
        all.join(", "),
    );
    crate::ground::execute(ground, sql).await
}

pub async fn run() -> Result<(), Fault> {
    let mut ground = Ground::new().await?;
    let minutes = std::env::var("SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(30_u64);
    ground.fill(0..200, 1).await?;
    let askers = ground.askers(0..64)?;
    let desk = ground.asker(199)?;
    engage(&ground, &askers, &desk).await?;
    let short = [("HESTAMI_OUTCOME_RETENTION", "60s"), ("HESTAMI_CURSOR_WINDOW", "60s")];
    let gateway = Process::gateway_with(&ground, &short).await?;
    let meter = Meter::of(&[&gateway], &ground);

    let open = Connection::several(&[gateway.address], WORKERS).await?;
    let full = closed(
        open,
        Duration::from_secs(5),
        |mut connection, n| {
            let askers = &askers;
            async move {
                call(&mut connection, askers, n).await?;
                Ok(connection)
            }
        },
        || meter.read(),
    )
    .await?;
    println!(
        "full load: {:.0} a second of five point reads, two lists, one nested read and two creations in ten",
        full.per_second
    );
    let listeners = live::listeners(&gateway, &askers[0], LISTENERS / 2).await?;
    let desk_listeners = live::listeners(&gateway, &desk, LISTENERS / 2).await?;

    let times: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let (began, end) = (Instant::now(), Duration::from_secs(minutes * 60));
    let pace = Duration::from_secs_f64(WORKERS as f64 / (full.per_second / 2.0));
    let work = async {
        let connections = Connection::several(&[gateway.address], WORKERS).await?;
        let all = connections.into_iter().zip(0u64..).map(async |(mut connection, worker)| {
            let mut due = tokio::time::Instant::now() + pace.mul_f64(worker as f64 / WORKERS as f64);
            let mut n = worker;
            while began.elapsed() < end {
                sleep_until(due).await;
                // By the time that it was due: who waits behind a slow one waits as well.
                let asked = due;
                call(&mut connection, &askers, n).await?;
                times.lock().unwrap_or_else(PoisonError::into_inner).push(asked.elapsed());
                due += pace;
                n += WORKERS as u64;
            }
            Ok::<_, Fault>(())
        });
        futures_util::future::try_join_all(all).await.map(drop)
    };
    let watch = async {
        let mut samples = Vec::new();
        let mut sql = ground.connect().await?;
        let mut before = cores()?;
        while began.elapsed() < end {
            sleep(EVERY).await;
            let mut taken = std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner));
            taken.sort_unstable();
            let p99 = taken.get(taken.len() * 99 / 100).copied().unwrap_or_default();
            let connections = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
                .fetch_one(&mut sql)
                .await?;
            let mut tables = Vec::new();
            for (_, table) in TABLES {
                tables.push(
                    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(&mut sql).await?,
                );
            }
            let now = cores()?;
            let stolen = (now.1 - before.1) / (now.0 - before.0).max(1.0) * 100.0;
            before = now;
            let sample = Sample {
                at: began.elapsed(),
                megabytes: gateway.resident()?,
                connections,
                tables,
                per_second: taken.len() as f64 / EVERY.as_secs_f64(),
                p99,
                stolen,
            };
            println!("{}", sample.row());
            samples.push(sample);
        }
        Ok::<_, Fault>(samples)
    };
    println!("{}", head());
    let done = tokio::try_join!(work, watch);
    drop((listeners, desk_listeners));
    gateway.stop().await?;
    ground.stop().await;
    let ((), samples) = done?;
    let text = told(&samples, full.per_second / 2.0);
    println!("{text}");
    if minutes >= 30 {
        report::write_between("soak", &text)?;
    }
    flat(&samples)
}

fn head() -> String {
    let tables: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
    format!(
        "| minute | MB | connections | {} | a second | p99 ms | stolen % |\n| --- | --- | --- |{} --- | --- | --- |",
        tables.join(" | "),
        " --- |".repeat(TABLES.len())
    )
}

impl Sample {
    fn row(&self) -> String {
        let tables: Vec<String> = self.tables.iter().map(i64::to_string).collect();
        let (minute, p99) = (self.at.as_secs_f64() / 60.0, self.p99.as_secs_f64() * 1e3);
        format!(
            "| {minute:.1} | {:.0} | {} | {} | {:.0} | {p99:.1} | {:.1} |",
            self.megabytes,
            self.connections,
            tables.join(" | "),
            self.per_second,
            self.stolen
        )
    }
}

/// A line each five minutes.
fn told(samples: &[Sample], rate: f64) -> String {
    let mut text = format!(
        "Half load: {rate:.0} requests a second beside {LISTENERS} subscribers; outcomes and cursors kept for a minute.\n\n{}\n",
        head()
    );
    let each = (300.0 / EVERY.as_secs_f64()) as usize;
    for sample in samples.iter().skip(1).step_by(each).chain(samples.last()) {
        let _ = writeln!(text, "{}", sample.row());
    }
    let thirds: Vec<String> = samples
        .chunks(samples.len().div_ceil(3).max(1))
        .map(|third| format!("{:.0} and {:.0}", median_p99(third), mean(third, &p99)))
        .collect();
    let _ = writeln!(text, "\nHalf a minute's p99 in each third, its median and its mean, in ms: {}.", thirds.join("; "));
    text
}

fn p99(of: &Sample) -> f64 {
    of.p99.as_secs_f64() * 1e3
}

fn mean(of: &[Sample], value: &dyn Fn(&Sample) -> f64) -> f64 {
    of.iter().map(value).sum::<f64>() / of.len() as f64
}

fn median_p99(of: &[Sample]) -> f64 {
    let mut all: Vec<f64> = of.iter().map(p99).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// The last third beside the second, which is warm.
fn flat(samples: &[Sample]) -> Result<(), Fault> {
    let third = samples.len() / 3;
    if third == 0 {
        return Ok(());
    }
    let (middle, last) = (&samples[third..2 * third], &samples[2 * third..]);
    let mut grows = Vec::new();
    let mut compare = |name: &str, value: &dyn Fn(&Sample) -> f64, factor: f64, more: f64| {
        let (before, after) = (mean(middle, value), mean(last, value));
        if after > before * factor + more {
            grows.push(format!("{name}: {before:.1} → {after:.1}"));
        }
    };
    compare("memory", &|sample| sample.megabytes, 1.05, 5.0);
    compare("connections", &|sample| sample.connections as f64, 1.0, 2.0);
    for (at, (name, _)) in TABLES.iter().enumerate() {
        compare(name, &|sample| sample.tables[at] as f64, 1.1, 200.0);
    }
    compare("p99", &p99, 1.5, 2.0);
    if grows.is_empty() { Ok(()) } else { Err(format!("not flat: {}", grows.join("; ")).into()) }
}
