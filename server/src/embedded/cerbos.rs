use super::{
    children::{Child, Spawner},
    folders::Folders,
};
use crate::Fault;
use nix::sys::signal::Signal;
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

pub fn binary(servers: &Path) -> Result<PathBuf, Fault> {
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let processor = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let name = format!("cerbos-{system}-{processor}");
    let path = servers.join("@cerbos").join(&name).join(&name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} has no Cerbos; install the servers with `make servers`", servers.display()).into())
    }
}

pub async fn start(spawner: &Spawner, folders: &Folders, policies: &Path) -> Result<(Child, String), Fault> {
    // Cerbos serves a copy of the policies that its user can read, and watches the copy for changes.
    let served = folders.make("policies")?;
    copy(policies, &served)?;
    let socket = folders.run.join("cerbos.sock");
    let config = folders.run.join("cerbos.yaml");
    let text = format!(
        "server:\n  grpcListenAddr: \"unix:{}\"\n  httpListenAddr: \"unix:{}\"\n  udsFileMode: \"0o766\"\n\
         schema:\n  enforcement: reject\ntelemetry:\n  disabled: true\n\
         storage:\n  driver: disk\n  disk:\n    directory: \"{}\"\n    watchForChanges: true\n",
        socket.display(),
        folders.run.join("cerbos-http.sock").display(),
        served.display(),
    );
    for stale in ["cerbos.sock", "cerbos-http.sock"] {
        let _ = fs::remove_file(folders.run.join(stale));
    }
    fs::write(&config, text)?;
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644))?;
    let mut command = Command::new(binary(&folders.servers)?);
    if let Some(user) = &folders.user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    // The default log writes every request.
    command.arg("server").arg(format!("--config={}", config.display())).arg("--log-level=error");
    command.current_dir(&folders.run).env_clear().env("HOME", &folders.run).env("CERBOS_NO_TELEMETRY", "1");
    let log = fs::OpenOptions::new().create(true).append(true).open(folders.home.join("cerbos.log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut child = spawner.spawn("Cerbos", command, Signal::SIGKILL)?;
    let url = format!("unix:{}", socket.display());
    let cerbos = authz::Cerbos::new(authz::Settings::new(&url)).map_err(|_| "the address of Cerbos")?;
    let until = Instant::now() + Duration::from_secs(60);
    while cerbos.version().await.is_err() {
        if let Some(status) = child.exited() {
            return Err(format!("Cerbos ended at its start ({status}); see {}", folders.home.join("cerbos.log").display()).into());
        }
        if Instant::now() > until {
            return Err("Cerbos does not answer".into());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Ok((child, url))
}

fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(from).map_err(|problem| format!("{}: {problem}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}
