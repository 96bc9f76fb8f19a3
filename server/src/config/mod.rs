//! Every setting, in one place. The environment comes before the file, and the file before the default. An unknown or wrong
//! setting stops the start with a message.

mod reader;
mod settings;

pub use reader::Reader;
pub use settings::{SETTINGS, Setting, document};

use crate::{connections::Limits, networks::Networks};
use schema::{Boundary, Rate, RateLimits, RateMode};
use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};
use surface::Origins;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Development,
    Production,
}

#[derive(Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub operators: SocketAddr,
    pub trusted: Networks,
    pub mode: Mode,
    pub data: PathBuf,
    pub servers: PathBuf,
    pub policies: PathBuf,
    pub demo: bool,
    pub database_url: Option<String>,
    pub database_owner_url: Option<String>,
    pub database_workflow_url: Option<String>,
    pub database_relay_url: Option<String>,
    pub database_connections: u32,
    pub database_statements: usize,
    pub workflow_connections: u32,
    pub cerbos_url: Option<String>,
    pub issuer: Option<String>,
    pub service_issuer: Option<String>,
    pub audience: String,
    pub jwks: Option<String>,
    pub token_leeway: Duration,
    pub token_life: Duration,
    pub fingerprint_key: Option<String>,
    pub body_limit: usize,
    pub cost: u64,
    pub answer_size: u32,
    pub read_time: Duration,
    pub connections_per_person: usize,
    pub clock_bound: Duration,
    pub rates: RateLimits,
    pub doors: Limits,
    pub origins: Origins,
    pub outcome_retention: Duration,
    pub cursor_window: Duration,
    pub heartbeat: Duration,
    pub dead_after: Duration,
    pub abandoned_after: Duration,
    pub shutdown_grace: Duration,
    pub log: String,
    pub log_json: bool,
    pub otlp: Option<String>,
    pub park_at: Option<Boundary>,
    pub clock_file: Option<PathBuf>,
}

/// The errors of a configuration, one line each.
#[derive(Debug)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| writeln!(f, "configuration: {problem}"))
    }
}

impl std::error::Error for Problems {}

impl Reader {
    pub fn finish(mut self) -> Result<Config, Problems> {
        let text = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        let path = |value: &str| Some(PathBuf::from(value)).filter(|value| !value.as_os_str().is_empty());
        let url = |value: &str| Some(value.to_owned()).filter(|v| v.starts_with("postgres://") || v.starts_with("postgresql://"));
        let flag = |value: &str| value.parse::<bool>().ok();
        let between = |least: u32, most: u32| move |value: &str| value.parse().ok().filter(|n| (least..=most).contains(n));
        let mode = self.get("mode", |value| match value {
            "development" => Some(Mode::Development),
            "production" => Some(Mode::Production),
            _ => None,
        });
        let production = mode == Some(Mode::Production);
        let local = if production { Origins::Listed(Default::default()) } else { Origins::Local };
        let json = |value: &str| match value {
            "json" => Some(true),
            "text" => Some(false),
            _ => None,
        };
        let http = |value: &str| Some(value.to_owned()).filter(|v| v.starts_with("http://") || v.starts_with("https://"));
        let config = (|| {
            Some(Config {
                mode: mode?,
                listen: self.get("listen", |value| value.parse().ok())?,
                operators: self.get("operators", |value| value.parse().ok())?,
                trusted: self.get("trusted", Networks::parse).unwrap_or_default(),
                data: self.get("data", path)?,
                servers: self.get("servers", path)?,
                policies: self.get("policies", path)?,
                demo: self.get("demo", flag)?,
                database_url: self.get("database_url", url),
                database_owner_url: self.get("database_owner_url", url),
                database_workflow_url: self.get("database_workflow_url", url),
                database_relay_url: self.get("database_relay_url", url),
                database_connections: self.get("database_connections", between(2, 500))?,
                database_statements: self.get("database_statements", between(10, 10_000))? as usize,
                workflow_connections: self.get("workflow_connections", between(2, 200))?,
                cerbos_url: self
                    .get("cerbos_url", |value| http(value).or_else(|| value.starts_with("unix:/").then(|| value.to_owned()))),
                issuer: self.get("issuer", text),
                service_issuer: self.get("service_issuer", text),
                audience: self.get("audience", text)?,
                jwks: self.get("jwks", text),
                token_leeway: self.get("token_leeway", duration)?,
                token_life: self.get("token_life", duration)?,
                fingerprint_key: self.get("fingerprint_key", |value| Some(value.to_owned()).filter(|v| v.len() >= 32)),
                body_limit: self.get("body_limit", between(1_024, 16_777_216))? as usize,
                cost: self.get("cost", between(100, 1_000_000_000))?.into(),
                answer_size: self.get("answer_size", between(65_536, 1_073_741_824))?,
                read_time: self.get("read_time", duration)?,
                connections_per_person: self.get("connections_per_person", between(1, 1_000_000))? as usize,
                clock_bound: self.get("clock_bound", duration)?,
                rates: RateLimits {
                    mode: self.get("rates", RateMode::parse)?,
                    address: self.get("rate_address", Rate::parse)?,
                    client: self.get("rate_client", Rate::parse)?,
                    principal: self.get("rate_principal", Rate::parse)?,
                    organization: self.get("rate_organization", Rate::parse)?,
                },
                doors: Limits {
                    most: self.get("connections", between(64, 1_000_000))? as usize,
                    each: self.get("connections_per_address", between(1, 1_000_000))? as usize,
                    head: self.get("head_time", duration)?,
                    idle: self.get("idle_time", duration)?,
                    ..Limits::default()
                },
                origins: self.get("origins", Origins::parse).unwrap_or(local),
                outcome_retention: self.get("outcome_retention", duration)?,
                cursor_window: self.get("cursor_window", duration)?,
                heartbeat: self.get("heartbeat", duration)?,
                dead_after: self.get("dead_after", duration)?,
                abandoned_after: self.get("abandoned_after", duration)?,
                shutdown_grace: self.get("shutdown_grace", duration)?,
                log: self.get("log", text)?,
                log_json: self.get("log_format", json).unwrap_or(production),
                otlp: self.get("otlp", http),
                park_at: self.get("park_at", |value| Boundary::ALL.iter().copied().find(|b| b.as_str() == value)),
                clock_file: self.get("clock_file", path),
            })
        })();
        if let Some(config) = &config {
            self.problems.extend(contradictions(config));
        }
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(Problems(self.problems)),
        }
    }
}

fn contradictions(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    let mut need = |set: bool, what: &str| {
        if !set {
            problems.push(what.to_owned());
        }
    };
    let own_database = config.database_url.is_some();
    if own_database {
        need(
            config.database_workflow_url.is_some(),
            "DATABASE_URL needs HESTAMI_DATABASE_WORKFLOW_URL: the same database as hestami_workflow",
        );
        need(
            config.database_relay_url.is_some(),
            "DATABASE_URL needs HESTAMI_DATABASE_RELAY_URL: the same database as hestami_relay",
        );
        need(config.jwks.is_some(), "DATABASE_URL needs HESTAMI_JWKS: with a database of one's own the binary issues no tokens");
        need(config.issuer.is_some(), "DATABASE_URL needs HESTAMI_ISSUER");
        need(config.fingerprint_key.is_some(), "DATABASE_URL needs HESTAMI_FINGERPRINT_KEY, the same on all replicas");
    }
    if config.issuer.is_some() {
        need(config.jwks.is_some(), "HESTAMI_ISSUER needs HESTAMI_JWKS: without it the binary is its own issuer");
    }
    need(
        config.service_issuer.is_none() || config.service_issuer != config.issuer,
        "HESTAMI_SERVICE_ISSUER must not be HESTAMI_ISSUER: people and machines are told apart by it",
    );
    if config.mode == Mode::Production {
        need(own_database, "HESTAMI_MODE=production needs DATABASE_URL: the embedded PostgreSQL is for development");
        need(config.cerbos_url.is_some(), "HESTAMI_MODE=production needs CERBOS_URL: the embedded Cerbos is for development");
        need(config.park_at.is_none(), "HESTAMI_PARK_AT is refused in production");
        need(config.clock_file.is_none(), "HESTAMI_CLOCK_FILE is refused in production");
    }
    if let (Some(app), Some(workflow)) = (&config.database_url, &config.database_workflow_url) {
        // Operation rows and workflow rows rely on one log.
        need(
            cluster(app) == cluster(workflow),
            "DATABASE_URL and HESTAMI_DATABASE_WORKFLOW_URL must name the same database of the same cluster",
        );
    }
    if let (Some(app), Some(relay)) = (&config.database_url, &config.database_relay_url) {
        need(
            cluster(app) == cluster(relay),
            "DATABASE_URL and HESTAMI_DATABASE_RELAY_URL must name the same database of the same cluster",
        );
    }
    need(config.dead_after > config.heartbeat * 2, "HESTAMI_DEAD_AFTER must be more than twice HESTAMI_HEARTBEAT");
    problems
}

/// Host, port and database of a URL, without its user and password.
fn cluster(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.rsplit_once('@').map_or(rest, |(_, place)| place).to_owned()
}

/// A duration, such as `250ms`, `10s`, `5m`, `12h` or `30d`; zero is refused.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok().filter(|n| *n > 0)?;
    let seconds = |factor: u64| number.checked_mul(factor).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Problems> {
        Reader::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).finish()
    }

    #[test]
    fn says_what_was_read_and_what_is_allowed() {
        assert!(read(&[]).is_ok());
        let problem = read(&[("HESTAMI_HEARTBEAT", "soon")]).err().map(|p| p.to_string()).unwrap_or_default();
        assert!(
            problem.contains("HESTAMI_HEARTBEAT") && problem.contains("\"soon\"") && problem.contains("a duration"),
            "{problem}"
        );
        let problem = read(&[("HESTAMI_LISTN", "x")]).err().map(|p| p.to_string()).unwrap_or_default();
        assert!(problem.contains("HESTAMI_LISTN") && problem.contains("HESTAMI_LISTEN"), "{problem}");
    }

    #[test]
    fn never_shows_a_secret() {
        let problem = read(&[("DATABASE_URL", "mysql://me:hunter2@db/x")]).err().map(|p| p.to_string()).unwrap_or_default();
        assert!(problem.contains("DATABASE_URL") && !problem.contains("hunter2"), "{problem}");
        let reader = Reader::new([("DATABASE_URL".to_owned(), "postgres://me:hunter2@db/x".to_owned())].into_iter());
        assert!(reader.explain().iter().all(|(_, value, _)| !value.contains("hunter2")));
    }

    #[test]
    fn refuses_what_contradicts_itself() {
        let own = [("DATABASE_URL", "postgres://a@db/x"), ("HESTAMI_DATABASE_WORKFLOW_URL", "postgres://b@elsewhere/x")];
        let problem = read(&own).err().map(|p| p.to_string()).unwrap_or_default();
        assert!(problem.contains("same cluster") && problem.contains("HESTAMI_JWKS"), "{problem}");
        assert!(read(&[("HESTAMI_MODE", "production")]).is_err());
    }
}
