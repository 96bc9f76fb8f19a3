//! A gateway in a process of its own, to be killed or paused.

use super::{World, people::SECRETS, world::process_environment};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

pub struct Process {
    child: Child,
    pub url: String,
    /// The address of operators' pages.
    pub operators: String,
    lines: Arc<Mutex<Vec<String>>>,
}

/// The binary that `make test` built beside this one.
pub fn binary() -> PathBuf {
    let here = std::env::current_exe().expect("this binary");
    let built = here.parent().and_then(|deps| deps.parent()).expect("target/debug").join("hestami");
    assert!(built.exists(), "{} is not built; run `make test`", built.display());
    built
}

impl Process {
    /// Starts a gateway on a world's database.
    pub async fn serve(world: &World, more: &[(&str, &str)]) -> Process {
        let keys = super::folder("keys").join("jwks.json");
        std::fs::write(&keys, serde_json::to_vec(&SECRETS.jwks().expect("keys")).expect("JSON")).expect("a file");
        let mut settings: Vec<(String, String)> = process_environment(world, &keys)
            .into_iter()
            .map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned()))
            .collect();
        settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Process::run(&settings, None).await
    }

    /// Starts a gateway with these settings alone, as this user and group.
    pub async fn run(settings: &[(String, String)], user: Option<(u32, u32)>) -> Process {
        let mut command = Command::new(binary());
        command.arg("serve").env_clear().envs(settings.iter().cloned()).current_dir(super::root());
        command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn().expect("a process");
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        collect(BufReader::new(out), Arc::clone(&lines));
        collect(BufReader::new(err), Arc::clone(&lines));
        let mut process = Process { child, url: String::new(), operators: String::new(), lines };
        let address =
            |line: &str| line.strip_prefix("hestami serves ").and_then(|rest| rest.split(' ').next().map(str::to_owned));
        process.url = process.line("its address", address).await;
        let operators = |line: &str| line.strip_prefix("  operators  ")?.strip_suffix("/readyz").map(str::to_owned);
        process.operators = process.line("its address for operators", operators).await;
        if settings.iter().all(|(name, _)| name != "DATABASE_URL") {
            // The demo's links come after the address.
            process.line("the end of its greeting", |line| line.starts_with("More tokens").then_some(())).await;
        }
        process
    }

    /// Waits for a line of the gateway's output.
    pub async fn line<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        super::until(what, async || self.lines().iter().find_map(|line| find(line))).await
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic holds it").clone()
    }

    /// The number of runs that stopped at the boundary, of this procedure or of all.
    pub fn parked(&self, procedure: &str) -> usize {
        let parked = format!("parked {procedure}");
        self.lines().iter().filter(|line| line.starts_with(&parked)).count()
    }

    pub fn id(&self) -> i32 {
        self.child.id().and_then(|id| id.try_into().ok()).expect("a running process")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id()), signal).expect("a signal");
    }

    /// The most memory that it had, in bytes.
    pub fn peak(&self) -> u64 {
        let id = self.child.id().expect("a running process");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("its status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
        peak.expect("a number of kilobytes") << 10
    }

    /// Kills the process by SIGKILL, without a chance to tidy up.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a kill");
    }

    pub async fn stop(mut self) -> std::process::ExitStatus {
        self.signal(Signal::SIGTERM);
        self.child.wait().await.expect("an end")
    }
}

fn collect<R: tokio::io::AsyncRead + Unpin + Send + 'static>(reader: BufReader<R>, into: Arc<Mutex<Vec<String>>>) {
    tokio::spawn(async move {
        let mut lines = reader.lines();
        while let Ok(Some(line)) = lines.next_line().await {
            into.lock().expect("no panic holds it").push(line);
        }
    });
}
