//! `make attack`: mixed floods from three tenants on two replicas, beside tenants that do their work. Seeded, for ten minutes. It fails
//! if a quiet tenant is refused or reads a foreign byte, if a replica grows beyond its bound, or if one of them ends.

use crate::{
    chaos::Dice,
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
    // Alone first, for the comparison.
    let mut alone = Vec::new();
    for (n, asker) in peaceful.iter().enumerate() {
        let address = replicas[n % 2].address;
        quiet(address, asker, Duration::from_secs(2)).await?;
        alone.extend(quiet(address, asker, Duration::from_secs(5)).await?.times);
    }
    let (floods, until) = (Arc::new(AtomicU64::new(0)), Instant::now() + time);
    let running = RefCell::new([None::<(Flood, usize)>; 3]);
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
    // Whatever they held is let go of.
    for replica in &replicas {
        let mut connection = Connection::open(replica.address).await?;
        connection.ask(graphql(&peaceful[0], "{ viewer { id } }", json!({}))?).await?;
    }
    for replica in replicas {
        replica.stop().await?;
    }
    match (refused, foreign, most < MEMORY) {
        (0, 0, true) => Ok(()),
        _ => Err(format!("a quiet tenant was refused, or saw a foreign row, or a replica grew beyond {MEMORY} MB").into()),
    }
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
