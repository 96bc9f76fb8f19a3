//! Measures, on servers of its own and as ratios within one run, beside what people would use instead. `QUICK=1` is shorter.
//! Named parts run alone: `filter`, `reads`, `cases`, `writes`, `live`, `fair`, `sleep`, `growth`; `hold` measures nothing and stays, to be looked
//! at. `chaos`, `soak` and `attack` are runs of their own.

mod attack;
mod cases;
mod chaos;
mod fair;
mod filter;
mod ground;
mod growth;
mod limit;
mod live;
mod load;
mod processes;
mod reads;
mod report;
mod soak;
mod writes;

use ground::Ground;
use processes::Process;
use report::Report;
use server::Fault;
use std::time::{Duration, Instant};

/// How long, and how many at a time.
#[derive(Clone, Copy)]
pub struct Run {
    pub time: Duration,
    pub in_flight: &'static [usize],
    pub quick: bool,
}

impl Run {
    fn new() -> Run {
        let quick = std::env::var("QUICK").is_ok_and(|quick| quick == "1");
        Run { time: Duration::from_millis(if quick { 700 } else { 2_000 }), in_flight: &[1, 8, 32], quick }
    }

    /// So that what is measured has run before.
    pub fn warm(self) -> Run {
        Run { time: self.time / 2, ..self }
    }
}

/// The median of many runs, after some that do not count.
pub async fn median(runs: usize, mut work: impl AsyncFnMut() -> Result<(), Fault>) -> Result<Duration, Fault> {
    for _ in 0..runs / 5 {
        work().await?;
    }
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let began = Instant::now();
        work().await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[runs / 2])
}

/// Organizations of 100 properties; after them some of 2,000.
const SMALL: u64 = 1_000;
const LARGE: u64 = 8;

async fn measure(ground: &mut Ground, parts: &[String], run: Run, report: &mut Report) -> Result<(), Fault> {
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let began = Instant::now();
    ground.fill(0..SMALL, 1).await?;
    ground.fill(SMALL..SMALL + LARGE, 20).await?;
    println!("{SMALL} organizations of 100 properties and {LARGE} of 2,000, in {:.0} s", began.elapsed().as_secs_f64());
    let small = ground.askers(0..SMALL)?;
    let large = ground.askers(SMALL..SMALL + LARGE)?;
    let gateway = Process::gateway(ground).await?;
    if parts.iter().any(|part| part == "hold") {
        println!("http://{} on {} in {}", gateway.address, ground.url("hestami_app"), ground.home.display());
        tokio::signal::ctrl_c().await?;
        return gateway.stop().await;
    }
    report.line(format!("Resident after its start: {:.0} MB.", gateway.resident()?));
    if wanted("reads") || wanted("cases") {
        let peers = reads::peers(ground, &small, run, report).await?;
        let sides = reads::Sides { ground, gateway: &gateway, peers: &peers };
        if wanted("reads") {
            reads::run(&sides, &small, &large, run, report).await?;
        }
        if wanted("cases") {
            cases::run(&sides, &small, run, report).await?;
        }
    }
    if wanted("writes") {
        writes::run(ground, &gateway, &small, run, report).await?;
    }
    if wanted("filter") {
        filter::run(ground, &small[0], report).await?;
    }
    if wanted("live") {
        live::told(&gateway, &small[1], report).await?;
    }
    report.line(format!("Resident after all that: {:.0} MB.", gateway.resident()?));
    gateway.stop().await?;
    if wanted("live") {
        live::waiting(ground, &small[..16], run, report).await?;
    }
    if wanted("fair") {
        fair::run(ground, &small[2..], run.quick, report).await?;
    }
    if wanted("sleep") && !run.quick {
        cases::sleeping(run, report).await?;
    }
    if wanted("growth") && !run.quick {
        growth::run(ground, run, report).await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fault> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let parts: Vec<String> = std::env::args().skip(1).collect();
    if parts.first().is_some_and(|part| part == "chaos") {
        return chaos::run().await;
    }
    if parts.first().is_some_and(|part| part == "attack") {
        return attack::run().await;
    }
    if parts.first().is_some_and(|part| part == "soak") {
        return soak::run().await;
    }
    let (began, run) = (Instant::now(), Run::new());
    let mut ground = Ground::new().await?;
    let mut report = Report::default();
    let measured = measure(&mut ground, &parts, run, &mut report).await;
    ground.stop().await;
    measured?;
    println!("in {:.0} s", began.elapsed().as_secs_f64());
    if parts.is_empty() && !run.quick {
        report::write(&report)?;
    }
    Ok(())
}
