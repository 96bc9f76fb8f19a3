use super::{
    children::{Child, Spawner},
    folders::Folders,
};
use crate::Fault;
use nix::sys::signal::Signal;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor,
    postgres::{PgConnectOptions, PgConnection},
};
use std::{
    fs,
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Settings that differ between a gateway's own server and one for tests.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    pub durable: bool,
    pub connections: u32,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning { durable: true, connections: 100 }
    }
}

pub struct Postgres {
    child: Child,
    run: PathBuf,
    password: String,
}

/// The iterations of a password's hash. Thousands of them shield a password that could be guessed. The generated password is
/// random and as long as a key, and each sign-in would pay for the iterations: a quarter of a second in a build without
/// optimization.
const SCRAM: &str = "scram_iterations=1";

/// The roles that log in, besides the superuser.
const ROLES: [&str; 4] = ["hestami_owner", "hestami_app", "hestami_workflow", "hestami_relay"];

impl Postgres {
    pub async fn start(spawner: &Spawner, folders: &Folders, password: &str, tuning: Tuning) -> Result<Postgres, Fault> {
        let native = native(&folders.servers)?;
        check_links(&native)?;
        let data = folders.state.join("postgres");
        if !data.join("PG_VERSION").exists() {
            initialize(folders, &native, &data, password)?;
        }
        await_end_of_former(&data).await?;
        let mut command = Command::new(native.join("bin/postgres"));
        as_user(&mut command, folders);
        command.arg("-D").arg(&data).arg("-k").arg(&folders.run);
        let mut settings = vec![
            "listen_addresses=".to_owned(),
            format!("max_connections={}", tuning.connections),
            "shared_buffers=128MB".to_owned(),
            "log_min_messages=fatal".to_owned(),
            "log_line_prefix=%m [%p] %d ".to_owned(),
            "log_statement=none".to_owned(),
            SCRAM.to_owned(),
        ];
        if !tuning.durable {
            settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
        }
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(folders.home.join("postgres.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // SIGINT asks PostgreSQL for its fast stop.
        let child = spawner.spawn("PostgreSQL", command, Signal::SIGINT)?;
        let mut postgres = Postgres { child, run: folders.run.clone(), password: password.to_owned() };
        postgres.await_ready(&folders.home.join("postgres.log")).await?;
        Ok(postgres)
    }

    async fn await_ready(&mut self, log: &Path) -> Result<(), Fault> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.exited() {
                return Err(format!("PostgreSQL ended at its start ({status}); see {}", log.display()).into());
            }
            match self.connect("postgres", "postgres").await {
                Ok(connection) => return Ok(connection.close().await?),
                Err(problem) if Instant::now() > until => return Err(format!("PostgreSQL does not answer: {problem}").into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(25)).await,
            }
        }
    }

    pub async fn connect(&self, role: &str, database: &str) -> Result<PgConnection, sqlx::Error> {
        self.options(role, database).connect().await
    }

    pub fn options(&self, role: &str, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.run)
            .port(5432)
            .username(role)
            .password(&self.password)
            .database(database)
    }

    pub fn url(&self, role: &str, database: &str) -> String {
        url(&self.run, &self.password, role, database)
    }

    /// Makes the owner of all tables, with its password, and its database.
    pub async fn prepare(&self, database: &str) -> Result<(), Fault> {
        let mut connection = self.connect("postgres", "postgres").await?;
        let owner: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hestami_owner')")
            .fetch_one(&mut connection)
            .await?;
        if !owner {
            connection.execute("CREATE ROLE hestami_owner LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE").await?;
        }
        self.set_password(&mut connection, "hestami_owner").await?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(database)
            .fetch_one(&mut connection)
            .await?;
        if !exists {
            connection.execute(AssertSqlSafe(format!("CREATE DATABASE \"{database}\" OWNER hestami_owner"))).await?;
        }
        Ok(connection.close().await?)
    }

    /// Sets the passwords of the roles that log in, after the migrations have made these roles.
    pub async fn open(&self) -> Result<(), Fault> {
        let mut connection = self.connect("postgres", "postgres").await?;
        for role in ROLES {
            self.set_password(&mut connection, role).await?;
        }
        Ok(connection.close().await?)
    }

    async fn set_password(&self, connection: &mut PgConnection, role: &str) -> Result<(), Fault> {
        // The password is generated and hexadecimal, with nothing in it to quote.
        connection.execute(AssertSqlSafe(format!("ALTER ROLE {role} PASSWORD '{}'", self.password))).await?;
        Ok(())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn exited(&mut self) -> bool {
        self.child.exited().is_some()
    }

    pub async fn stop(mut self) {
        self.child.stop(Signal::SIGINT).await;
    }
}

pub fn url(run: &Path, password: &str, role: &str, database: &str) -> String {
    let host = run.to_string_lossy().replace('%', "%25").replace(' ', "%20").replace('/', "%2F");
    format!("postgres://{role}:{password}@localhost:5432/{database}?host={host}")
}

fn native(servers: &Path) -> Result<PathBuf, Fault> {
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let processor = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let native = servers.join(format!("@embedded-postgres/{system}-{processor}/native"));
    if native.join("bin/postgres").exists() {
        Ok(native)
    } else {
        Err(format!("{} has no PostgreSQL; install the servers with `make servers`", servers.display()).into())
    }
}

/// The package makes its libraries' links in an install script, which npm may have skipped.
fn check_links(native: &Path) -> Result<(), Fault> {
    #[derive(serde::Deserialize)]
    struct Link {
        source: String,
        target: String,
    }
    let Ok(list) = fs::read(native.join("pg-symlinks.json")) else { return Ok(()) };
    let links: Vec<Link> = serde_json::from_slice(&list)?;
    let package = native.parent().unwrap_or(native);
    for Link { source, target } in links {
        let link = package.join(target);
        if link.exists() {
            continue;
        }
        let Some(name) = Path::new(&source).file_name() else { continue };
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(name, &link)?;
    }
    for program in ["bin/postgres", "bin/initdb"] {
        use std::os::unix::fs::PermissionsExt;
        let path = native.join(program);
        let mode = fs::metadata(&path)?.permissions().mode();
        if mode & 0o111 != 0o111 {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o755))?;
        }
    }
    Ok(())
}

fn as_user(command: &mut Command, folders: &Folders) {
    if let Some(user) = &folders.user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.current_dir(&folders.run).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
}

/// Makes the data folder under another name, and renames it when it is whole.
fn initialize(folders: &Folders, native: &Path, data: &Path, password: &str) -> Result<(), Fault> {
    let fresh = folders.state.join("postgres.new");
    let _ = fs::remove_dir_all(&fresh);
    let fresh = folders.make("postgres.new")?;
    let file = folders.run.join("password");
    let _ = fs::remove_file(&file);
    {
        use std::io::Write;
        let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
        out.write_all(password.as_bytes())?;
    }
    folders.give(&file)?;
    let mut command = Command::new(native.join("bin/initdb"));
    as_user(&mut command, folders);
    command.arg("-D").arg(&fresh).args(["-U", "postgres", "-E", "UTF8", "--auth=scram-sha-256", "--no-instructions"]);
    command.args(["-c", SCRAM]);
    command.args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]);
    command.arg(format!("--pwfile={}", file.display()));
    let done = command.stdin(Stdio::null()).output()?;
    fs::remove_file(&file)?;
    if !done.status.success() {
        return Err(format!("initdb failed: {}", String::from_utf8_lossy(&done.stderr).trim()).into());
    }
    fs::rename(&fresh, data)?;
    Ok(())
}

/// A former server may still be stopping, because its parent was killed. Its leftover file goes
/// only when the process that it names is not a PostgreSQL on this data.
async fn await_end_of_former(data: &Path) -> Result<(), Fault> {
    let file = data.join("postmaster.pid");
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let Ok(text) = fs::read_to_string(&file) else { return Ok(()) };
        let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok()) else { return Ok(()) };
        let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok();
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let ours = line.contains("postgres") && line.contains(&*data.to_string_lossy());
        if !alive || (cfg!(target_os = "linux") && !ours) {
            let _ = fs::remove_file(&file);
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("a PostgreSQL (process {pid}) still runs on {}", data.display()).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
