//! `make attack`: mixed floods from three tenants on two replicas, beside tenants that do their work. Seeded, for ten minutes. It fails
//! if a quiet tenant is refused, waits for too long or reads a foreign byte, if something that was acknowledged is not there once, if a
//! replica grows beyond its bound, keeps connections that nobody needs any more, or ends.

use crate::{
    chaos::{Book, Client, Dice, Proxy, check},
    fair::{Flood, graphql, members, quiet},
    ground::{Asker, Ground},
    load::{Connection, Figures},
    processes::Process,
};
use serde_json::{Value, json};
use server::Fault;
use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The most memory of a replica, in megabytes.
const MEMORY: f64 = 300.0;
/// The most by which a quiet tenant's p99 is longer than alone, beside three floods at a time on every core that there is.
const LONGER: f64 = 6.0;
/// The files that a replica may have open besides those it had before.
const FILES: usize = 40;
/// The time of one flood of a tenant, before its next one.
const WAVE: Duration = Duration::from_secs(20);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub async fn run() -> Result<(), Fault> {
    let (seed, seconds) = (setting("ATTACK_SEED", 1), setting("ATTACK_SECONDS", 600));
    println!("seed {seed}, {seconds} s: ATTACK_SEED and ATTACK_SECONDS choose others");
    let mut ground = Ground::new().await?;
    let attacked = attack(&mut ground, seed, Duration::from_secs(seconds)).await;
    ground.stop().await;
    attacked
}

async fn attack(ground: &mut Ground, seed: u64, time: Duration) -> Result<(), Fault> {
    ground.fill(0..20, 1).await?;
    let replicas = [
        Process::gateway_with(ground, &crate::fair::DEFAULTS).await?,
        Process::gateway_with(ground, &crate::fair::DEFAULTS).await?,
    ];
    let mut attackers = Vec::new();
    for n in 0..3 {
        let asker = ground.asker(n)?;
        attackers.push((members(ground, &asker).await?, asker));
    }
    let peaceful: Vec<Asker> = (10..14).map(|n| ground.asker(n)).collect::<Result<_, _>>()?;
    let files = |replica: &Process| std::fs::read_dir(format!("/proc/{}/fd", replica.id())).map_or(0, Iterator::count);
    let before = replicas.each_ref().map(files);
    // Alone first, for the comparison.
    let mut alone = Vec::new();
    for (n, asker) in peaceful.iter().enumerate() {
        let address = replicas[n % 2].address;
        quiet(address, asker, Duration::from_secs(2)).await?;
        alone.extend(quiet(address, asker, Duration::from_secs(5)).await?.times);
    }
    let (floods, until) = (Arc::new(AtomicU64::new(0)), Instant::now() + time);
    let running = RefCell::new([None::<(Flood, usize)>; 3]);
    // Clients that write, and remember all that they were told.
    let (book, proxy) = (Book::new(), Proxy::start(replicas.iter().map(|replica| replica.address).collect()).await?);
    let mut dice = Dice(seed ^ 0xc1a0);
    let mut writers = Vec::new();
    for n in 14..17 {
        let asker = ground.asker(n)?;
        let (book, proxy, dice) = (Arc::clone(&book), proxy.clone(), Dice(dice.next()));
        let client = Client { book, proxy, token: asker.token, organization: Some(asker.organization), grant: None, dice };
        writers.push(tokio::spawn(client.write(format!("Quiet {n}"))));
    }
    let left = || until.saturating_duration_since(Instant::now());
    let attacking = attackers.iter().zip(0u64..).map(async |((members, asker), n)| -> Result<(), Fault> {
        let mut dice = Dice(seed ^ (n << 32));
        while !left().is_zero() {
            let flood = Flood::ALL[dice.below(6) as usize];
            let at = dice.below(2) as usize;
            let replica = &replicas[at];
            running.borrow_mut()[n as usize] = Some((flood, at));
            // A flood that is shut out ends: the next one comes.
            let _ = tokio::time::timeout(WAVE.min(left()), flood.run(replica.address, asker, members, &floods)).await;
        }
        Ok(())
    });
    let watching = async {
        let mut most: f64 = 0.0;
        while !left().is_zero() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for replica in &replicas {
                let resident = replica.resident()?;
                if resident > most + 10.0 {
                    println!("  {resident:.0} MB after {:.0} s, with {:?}", (time - left()).as_secs_f64(), running.borrow());
                }
                most = most.max(resident);
            }
        }
        Ok::<_, Fault>(most)
    };
    let working = peaceful.iter().enumerate().map(async |(n, asker)| quiet(replicas[n % 2].address, asker, left()).await);
    let looking = peaceful.iter().enumerate().map(async |(n, asker)| own(replicas[(n + 1) % 2].address, asker, left()).await);
    let (attacked, most, worked, looked) = tokio::join!(
        futures_util::future::try_join_all(attacking),
        watching,
        futures_util::future::try_join_all(working),
        futures_util::future::try_join_all(looking),
    );
    attacked?;
    let (most, worked, foreign): (f64, _, u64) = (most?, worked?, looked?.into_iter().sum());
    let refused: u64 = worked.iter().map(|quiet| quiet.refused).sum();
    let times: Vec<Duration> = worked.into_iter().flat_map(|quiet| quiet.times).collect();
    let (answers, alone, beside) = (times.len(), Figures::of(alone, time)?, Figures::of(times, time)?);
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!(
        "{answers} answers of quiet tenants, {refused} refused; p99 {:.1} ms, alone {:.1} ms; p50 {:.1} ms, alone {:.1} ms; {} answers or tries of floods; {most:.0} MB resident at most; {foreign} foreign rows",
        millis(beside.p99),
        millis(alone.p99),
        millis(beside.p50),
        millis(alone.p50),
        floods.load(Ordering::Relaxed),
    );
    book.stop.store(true, Ordering::Relaxed);
    for writer in writers {
        tokio::time::timeout(Duration::from_secs(120), writer).await.map_err(|_| "a writer has no end")??;
    }
    check::at_rest(ground, &book).await?;
    check::acknowledged(ground, &book).await?;
    let (acknowledged, mut wrong) = book.with(|kept| (kept.acknowledged.len(), kept.violations.clone()));
    println!("{acknowledged} things were acknowledged, and are there once");
    // Whatever the floods held is let go of.
    for (replica, before) in replicas.iter().zip(before) {
        let mut connection = Connection::open(replica.address).await?;
        connection.ask(graphql(&peaceful[0], "{ viewer { id } }", json!({}))?).await?;
        let began = Instant::now();
        while files(replica) > before + FILES && began.elapsed() < Duration::from_secs(100) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if files(replica) > before + FILES {
            wrong.push(format!("{} files are open, {before} were before", files(replica)));
        }
    }
    if refused > 0 {
        wrong.push(format!("a quiet tenant was refused {refused} times"));
    }
    if foreign > 0 {
        wrong.push(format!("a quiet tenant saw {foreign} rows of others"));
    }
    if most >= MEMORY {
        wrong.push(format!("a replica grew beyond {MEMORY} MB"));
    }
    if beside.p99.as_secs_f64() > LONGER * alone.p99.as_secs_f64() {
        wrong
            .push(format!("a quiet tenant's p99 was {:.1} times that alone", beside.p99.as_secs_f64() / alone.p99.as_secs_f64()));
    }
    for replica in replicas {
        replica.stop().await?;
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:#?}").into()) }
}

/// Looks at all that a tenant sees, again and again, and counts what is not its own.
async fn own(address: std::net::SocketAddr, asker: &Asker, time: Duration) -> Result<u64, Fault> {
    const ALL: &str = "{ properties(first: 50) { nodes { organizationId } } portfolios(first: 20) { nodes { organizationId } } ownerships(first: 50) { nodes { organizationId } } }";
    let (until, mut foreign) = (Instant::now() + time, 0);
    let mut connection = Connection::open(address).await?;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let answer: Value = serde_json::from_slice(&connection.ask(graphql(asker, ALL, json!({}))?).await?)?;
        let own = asker.organization.to_string();
        let lists = answer["data"].as_object().into_iter().flat_map(|data| data.values());
        let rows = lists.flat_map(|list| list["nodes"].as_array().into_iter().flatten());
        foreign += rows.filter(|row| row["organizationId"] != own.as_str()).count() as u64;
    }
    Ok(foreign)
}
