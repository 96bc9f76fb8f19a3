//! Processes of their own, and what they cost.

use crate::ground::{Ground, root};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use server::{Fault, secrets};
use std::{net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

const AMPLE: &str = "1000000000/4000000000";

/// A process that serves HTTP.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    async fn start(mut command: Command, says: &str) -> Result<Process, Fault> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let address = tokio::time::timeout(Duration::from_secs(60), address(&mut lines, says)).await??;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Process { child, address })
    }

    /// The binary that was built beside this one, on the ground's servers.
    pub async fn gateway(ground: &Ground) -> Result<Process, Fault> {
        Process::gateway_with(ground, &[]).await
    }

    pub async fn gateway_with(ground: &Ground, more: &[(&str, &str)]) -> Result<Process, Fault> {
        let mut command = Command::new(std::env::current_exe()?.with_file_name("hestami"));
        command.arg("serve").current_dir(root()).env_clear().envs([
            ("DATABASE_URL", ground.url("hestami_app")),
            ("HESTAMI_DATABASE_WORKFLOW_URL", ground.url("hestami_workflow")),
            ("HESTAMI_DATABASE_RELAY_URL", ground.url("hestami_relay")),
            ("CERBOS_URL", ground.stack.cerbos_url.clone()),
            ("HESTAMI_ISSUER", secrets::ISSUER.to_owned()),
            ("HESTAMI_JWKS", ground.home.join("jwks.json").display().to_string()),
            ("HESTAMI_FINGERPRINT_KEY", ground.secrets.fingerprint_key.clone()),
            ("HESTAMI_LISTEN", "127.0.0.1:0".to_owned()),
            // All load comes from one address.
            ("HESTAMI_CONNECTIONS", "20000".to_owned()),
            ("HESTAMI_CONNECTIONS_PER_ADDRESS", "20000".to_owned()),
            ("HESTAMI_CONNECTIONS_PER_PERSON", "20000".to_owned()),
            ("HESTAMI_OPERATORS", "127.0.0.1:0".to_owned()),
            // Rates are kept to, and nobody here meets them: what is measured is the cost of counting.
            ("HESTAMI_RATES", std::env::var("HESTAMI_RATES").unwrap_or_else(|_| "enforce".to_owned())),
            ("HESTAMI_RATE_ADDRESS", AMPLE.to_owned()),
            ("HESTAMI_RATE_PRINCIPAL", AMPLE.to_owned()),
            ("HESTAMI_RATE_ORGANIZATION", AMPLE.to_owned()),
            ("HESTAMI_LOG", "warn".to_owned()),
        ]);
        command.envs(more.iter().copied());
        Process::start(command, "hestami serves ").await
    }

    pub async fn postgraphile(ground: &Ground, connections: u32) -> Result<Process, Fault> {
        let mut command = peer("postgraphile.mjs")?;
        command.arg(ground.url("hestami_app")).arg(connections.to_string()).stderr(Stdio::null());
        Process::start(command, "serves ").await
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Megabytes in memory.
    pub fn resident(&self) -> Result<f64, Fault> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kilobytes.ok_or("no resident size")? / 1024.0)
    }

    pub fn signal(&self, signal: Signal) -> Result<(), Fault> {
        Ok(kill(Pid::from_raw(self.id().try_into()?), signal)?)
    }

    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub async fn stop(mut self) -> Result<(), Fault> {
        self.signal(Signal::SIGTERM)?;
        self.child.wait().await?;
        Ok(())
    }
}

async fn address(lines: &mut Lines<BufReader<ChildStdout>>, says: &str) -> Result<SocketAddr, Fault> {
    while let Some(line) = lines.next_line().await? {
        if let Some(rest) = line.strip_prefix(says) {
            let url = rest.split([' ', '#']).next().unwrap_or_default();
            let host = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
            return Ok(host.parse()?);
        }
    }
    Err(format!("it ended before it said: {says}").into())
}

/// A peer's script, by the Node that it needs.
pub fn peer(script: &str) -> Result<Command, Fault> {
    let bench = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let node = bench.join(format!("node_modules/node-linux-{machine}/bin/node"));
    if !node.exists() {
        return Err(format!("{} is missing: run `make bench`", node.display()).into());
    }
    let mut command = Command::new(node);
    command.arg(bench.join("peers").join(script)).env("NODE_ENV", "production").env("GRAPHILE_ENV", "production");
    Ok(command)
}

/// Seconds of CPU so far.
pub struct Meter {
    gateway: Vec<u32>,
    postgres: u32,
}

impl Meter {
    pub fn of(gateway: &[&Process], ground: &Ground) -> Meter {
        Meter { gateway: gateway.iter().map(|process| process.id()).collect(), postgres: ground.stack.postgres.id() }
    }

    /// Of the process that is asked, and of PostgreSQL with all its backends.
    pub fn read(&self) -> (f64, f64) {
        let gateway = self.gateway.iter().map(|id| spent(*id, false)).sum();
        let backends = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.postgres)).unwrap_or_default();
        let backends: f64 = backends.split_whitespace().filter_map(|id| id.parse().ok()).map(|id| spent(id, false)).sum();
        (gateway, spent(self.postgres, true) + backends)
    }
}

fn spent(id: u32, with_ended: bool) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after = stat.rsplit(") ").next().unwrap_or_default();
    // User and system time, then those of children that ended; in hundredths of a second.
    let take = if with_ended { 4 } else { 2 };
    after.split(' ').skip(11).take(take).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
