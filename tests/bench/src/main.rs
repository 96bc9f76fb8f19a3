//! Measures, on servers of its own and as ratios within one run.

mod filter;
mod live;

use server::{
    Fault,
    embedded::{Folders, Stack, Tuning},
    serve,
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Embedded servers in a folder of their own, migrated.
struct Ground {
    stack: Stack,
    home: PathBuf,
}

impl Ground {
    async fn new() -> Result<Ground, Fault> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let home = std::env::temp_dir().join(format!("hestami-bench-{}", std::process::id()));
        std::fs::create_dir_all(&home)?;
        let folders = Folders::lay_out(&home, &root.join("embedded/node_modules"))?;
        let policies = root.join("authz/policies");
        let stack = Stack::start(&folders, "only for this run", Some(&policies), Tuning::default()).await?;
        stack.postgres.prepare("bench").await?;
        serve::migrate(&stack.postgres.url("hestami_owner", "bench")).await?;
        stack.postgres.open().await?;
        Ok(Ground { stack, home })
    }

    fn url(&self, role: &str) -> String {
        self.stack.postgres.url(role, "bench")
    }

    async fn stop(self) {
        self.stack.stop().await;
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

/// The median of many runs, after some that do not count.
async fn median(runs: usize, mut work: impl AsyncFnMut() -> Result<(), Fault>) -> Result<Duration, Fault> {
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

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ground = Ground::new().await?;
    let measured = filter::run(&ground).await;
    ground.stop().await;
    measured?;
    live::run().await
}
