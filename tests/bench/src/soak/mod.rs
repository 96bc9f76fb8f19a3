//! Half an hour at half load: what must be flat is flat. `SOAK_MINUTES` is a setting. Outcomes and cursors are kept for a
//! minute here, so that what is forgotten in time is seen to be.

mod control;

use crate::{
    ground::{Asker, Ground, Of, id},
    live,
    load::{Connection, Figures, closed},
    processes::{Meter, Process},
    reads, report, writes,
};
use control::{Gathered, Sleeper, Took};
use server::Fault;
use std::{
    fmt::Write,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};

/// Who together ask for as much as they get.
const WORKERS: usize = 8;
/// Who ask in their own time, and do not wait for one another.
const USERS: usize = 64;
/// An answer that does not come by then never comes.
const PATIENCE: Duration = Duration::from_secs(60);
const LISTENERS: usize = 200;
const EVERY: Duration = Duration::from_secs(30);
/// Longer than this is looked into.
const SLOW: Duration = Duration::from_millis(100);

struct Sample {
    at: Duration,
    megabytes: f64,
    connections: i64,
    tables: Vec<i64>,
    per_second: f64,
    p99: Duration,
    /// Of a bare row with its commit.
    commit: Duration,
    /// How long a thread that wanted to run did not, at the most.
    still: Duration,
    /// How much of the machine was nobody's, and how much others had, in percent.
    idle: f64,
    stolen: f64,
}

/// What the machine's cores did since it started: in all, nothing, and what was taken from them.
struct Cores {
    all: f64,
    idle: f64,
    stolen: f64,
}

impl Cores {
    fn read() -> Result<Cores, Fault> {
        let text = std::fs::read_to_string("/proc/stat")?;
        let parts = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let all: Vec<f64> = parts.filter_map(|part| part.parse().ok()).collect();
        let part = |at: usize| all.get(at).copied().unwrap_or_default();
        Ok(Cores { all: all.iter().take(8).sum(), idle: part(3) + part(4), stolen: part(7) })
    }

    /// Since another, in percent: idle, and stolen.
    fn since(&self, before: &Cores) -> (f64, f64) {
        let all = (self.all - before.all).max(1.0) / 100.0;
        ((self.idle - before.idle) / all, (self.stolen - before.stolen) / all)
    }
}

/// What is forgotten in time.
const TABLES: [(&str, &str); 4] =
    [("operations", "operation"), ("finished workflows", "dbos.workflow_status"), ("feed", "feed"), ("replicas", "replica")];

/// What was asked.
async fn call(connection: &mut Connection, askers: &[Asker], n: u64) -> Result<&'static str, Fault> {
    let asker = &askers[usize::try_from(n)? % askers.len()];
    match n % 10 {
        0..=4 => reads::ask_one(connection, asker, n).await.map(|()| "one"),
        5..=6 => reads::ask_list(connection, asker).await.map(|()| "list"),
        7 => reads::ask_nested(connection, asker).await.map(|()| "nested"),
        _ => writes::ask_create(connection, asker).await.map(|()| "create"),
    }
}

/// The desk follows all of them, so that its feed grows as well.
async fn engage(ground: &Ground, askers: &[Asker], desk: &Asker) -> Result<(), Fault> {
    let all: Vec<String> =
        askers.iter().filter(|asker| asker.n != desk.n).map(|asker| format!("'{}'", asker.organization)).collect();
    let sql = format!(
        "UPDATE organization SET type = 'CONCIERGE_OPERATOR' WHERE id = '{0}';
         UPDATE membership SET role = 'ADMINISTRATOR' WHERE organization_id = '{0}';
         INSERT INTO access_grant (organization_id, id, grantee_organization_id, kind, scopes, asked_from, starts_at, accepted_at, granted_by, created_at, updated_at)
           SELECT o.id, gen_random_uuid(), '{0}', 'ENGAGEMENT', '{{read}}', '2020-01-01', '2020-01-01', '2020-01-01', '{1}', now(), now() FROM organization o WHERE o.id IN ({2})",
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
    let askers: Arc<[Asker]> = ground.askers(0..64)?.into();
    let desk = ground.asker(199)?;
    engage(&ground, &askers, &desk).await?;
    let short = [("HESTAMI_OUTCOME_RETENTION", "60s"), ("HESTAMI_CURSOR_WINDOW", "60s")];
    let gateway = Process::gateway_with(&ground, &short).await?;
    let meter = Meter::of(&[&gateway], &ground);

    // What they cost is part of the load that is halved.
    let listeners = live::listeners(gateway.address, &askers[0], LISTENERS / 2).await?;
    let desk_listeners = live::listeners(gateway.address, &desk, LISTENERS / 2).await?;
    let mut full = Figures::default();
    for seconds in [5, 15] {
        let workers = Connection::several(&[gateway.address], WORKERS).await?;
        let asked = |mut connection, n| {
            let askers = &askers;
            async move {
                call(&mut connection, askers, n).await?;
                Ok(connection)
            }
        };
        full = closed(workers, Duration::from_secs(seconds), asked, || meter.read()).await?;
    }
    println!(
        "full load: {:.0} a second of five point reads, two lists, one nested read and two creations in ten, beside {LISTENERS} subscribers",
        full.per_second
    );

    let (times, commits, sleeper) = (Gathered::default(), Gathered::default(), Sleeper::begin());
    let (began, end) = (Instant::now(), Duration::from_secs(minutes * 60));
    let pace = Duration::from_secs_f64(2.0 / full.per_second);
    let work = async {
        let mut free = Connection::several(&[gateway.address], USERS).await?;
        let (mut due, mut asking) = (tokio::time::Instant::now(), JoinSet::new());
        for n in 0.. {
            sleep_until(due).await;
            if began.elapsed() >= end {
                break;
            }
            // By the time that it was due, even if everybody still waits for an answer.
            let asked = due.into_std();
            while let Some(ended) = asking.try_join_next() {
                free.push(ended??);
            }
            let mut connection = match free.pop() {
                Some(connection) => connection,
                None => asking.join_next().await.ok_or("no connection")???,
            };
            let (askers, times) = (Arc::clone(&askers), times.clone());
            asking.spawn(async move {
                let what = timeout(PATIENCE, call(&mut connection, &askers, n)).await??;
                times.add(what, asked);
                Ok::<_, Fault>(connection)
            });
            due += pace;
        }
        while let Some(ended) = asking.join_next().await {
            ended??;
        }
        Ok::<_, Fault>(())
    };
    let watch = async {
        let mut samples = Vec::new();
        let mut sql = ground.connect().await?;
        let (mut before, mut since) = (Cores::read()?, began);
        while since + EVERY <= began + end {
            sleep_until((since + EVERY).into()).await;
            since += EVERY;
            let (taken, committed, late) = (times.take(), commits.take(), sleeper.late.take());
            let connections = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
                .fetch_one(&mut sql)
                .await?;
            let mut tables = Vec::new();
            for (_, table) in TABLES {
                tables.push(
                    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(&mut sql).await?,
                );
            }
            let now = Cores::read()?;
            let (idle, stolen) = now.since(&before);
            before = now;
            let sample = Sample {
                at: began.elapsed(),
                megabytes: gateway.resident()?,
                connections,
                tables,
                per_second: taken.len() as f64 / EVERY.as_secs_f64(),
                p99: control::p99(&taken),
                commit: control::p99(&committed),
                still: control::longest(&late),
                idle,
                stolen,
            };
            println!("{}", sample.row());
            slow(&taken, &committed, &late, began);
            samples.push(sample);
        }
        Ok::<_, Fault>(samples)
    };
    println!("{}", head());
    let done = tokio::try_join!(work, watch, control::commit(&ground, &commits, began + end));
    drop((listeners, desk_listeners));
    gateway.stop().await?;
    ground.stop().await;
    let ((), samples, ()) = done?;
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
        "| minute | MB | connections | {} | a second | p99 ms | of a commit | longest still | idle % | stolen % |\n| --- | --- | --- |{} --- | --- | --- | --- | --- | --- |",
        tables.join(" | "),
        " --- |".repeat(TABLES.len())
    )
}

impl Sample {
    fn row(&self) -> String {
        let tables: Vec<String> = self.tables.iter().map(i64::to_string).collect();
        let minute = self.at.as_secs_f64() / 60.0;
        format!(
            "| {minute:.1} | {:.0} | {} | {} | {:.0} | {:.1} | {:.1} | {:.0} | {:.0} | {:.1} |",
            self.megabytes,
            self.connections,
            tables.join(" | "),
            self.per_second,
            millis(self.p99),
            millis(self.commit),
            millis(self.still),
            self.idle,
            self.stolen
        )
    }
}

/// When requests were slow, which, and what else stood meanwhile.
fn slow(taken: &[Took], commits: &[Took], late: &[Took], began: Instant) {
    let mut slow: Vec<Took> = taken.iter().filter(|took| took.time > SLOW).copied().collect();
    slow.sort_by_key(|took| took.from);
    let mut rest = slow.as_slice();
    while let Some(first) = rest.first() {
        // As long as one begins before all that were begun have ended.
        let (mut until, mut many) = (first.until(), 1);
        while let Some(next) = rest.get(many).filter(|next| next.from < until) {
            (until, many) = (until.max(next.until()), many + 1);
        }
        let (together, after) = rest.split_at(many);
        rest = after;
        let count = |what: &str| together.iter().filter(|took| took.what == what).count();
        let (commits, late) = (control::within(commits, first.from, until), control::within(late, first.from, until));
        println!(
            "  at {:.2} s for {:.2} s: {} one, {} list, {} nested, {} create, up to {:.0} ms; a commit up to {:.0} ms; still up to {:.0} ms",
            (first.from - began).as_secs_f64(),
            (until - first.from).as_secs_f64(),
            count("one"),
            count("list"),
            count("nested"),
            count("create"),
            millis(control::longest(together)),
            millis(control::longest(&commits)),
            millis(control::longest(&late)),
        );
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

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn p99(of: &Sample) -> f64 {
    millis(of.p99)
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
    // The mean may hide behind one bad moment of the second third what the median shows.
    let (before, after) = (median_p99(middle), median_p99(last));
    if after > before * 1.5 + 2.0 {
        grows.push(format!("median of p99: {before:.1} → {after:.1}"));
    }
    if grows.is_empty() { Ok(()) } else { Err(format!("not flat: {}", grows.join("; ")).into()) }
}
