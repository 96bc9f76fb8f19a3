//! How cost grows: the same questions where one organization has ten times the rows, and where there are ten times the
//! organizations.

use crate::{
    LARGE, Run, SMALL,
    ground::{Ground, PORTFOLIOS, PROPERTIES},
    processes::Process,
    reads,
    report::Report,
    writes,
};
use server::Fault;

pub async fn run(ground: &mut Ground, run: Run, report: &mut Report) -> Result<(), Fault> {
    let first = SMALL + LARGE;
    // As large, and ten times as large.
    ground.fill(first..first + LARGE, 10).await?;
    ground.fill(first + LARGE..first + 2 * LARGE, 100).await?;
    let run = Run { in_flight: &[8], ..run };
    let gateway = Process::gateway(ground).await?;
    let rows = PORTFOLIOS * PROPERTIES;
    for (askers, times) in [(ground.askers(first..first + LARGE)?, 10), (ground.askers(first + LARGE..first + 2 * LARGE)?, 100)] {
        say(ground, &gateway, &askers, &format!("organizations of {} properties", rows * times), run, report).await?;
    }
    let few = ground.askers(0..SMALL)?;
    say(ground, &gateway, &few, &format!("{} organizations", ground.organizations), run, report).await?;
    let before = ground.organizations;
    ground.fill(before..before + 9 * SMALL, 1).await?;
    let many = ground.askers(0..ground.organizations)?;
    say(ground, &gateway, &many, &format!("{} organizations", ground.organizations), run, report).await?;
    gateway.stop().await
}

async fn say(
    ground: &Ground,
    gateway: &Process,
    askers: &[crate::ground::Asker],
    about: &str,
    run: Run,
    report: &mut Report,
) -> Result<(), Fault> {
    let one = reads::one(ground, gateway, askers, run).await?;
    let list = reads::list(ground, gateway, askers, run).await?;
    let create = writes::create_property(ground, gateway, askers, run).await?;
    let cost = |figures: crate::load::Figures| {
        format!("{:.0}/s, {:.2} + {:.2} ms of CPU", figures.per_second, figures.cpu.0, figures.cpu.1)
    };
    report.line(format!("Growth, {about}: R2 {}; R3 {}; M1 {}.", cost(one), cost(list), cost(create)));
    Ok(())
}
