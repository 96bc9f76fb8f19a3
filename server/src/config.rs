//! Every setting, in one place. It is read from the environment, then from the file, then it has
//! its default; whatever is unknown or wrong stops the start and says so.

use schema::Boundary;
use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

/// One line of the documentation, and of `hestami check-config`.
pub struct Setting {
    /// In the file.
    pub name: &'static str,
    /// In the environment.
    pub env: &'static str,
    pub default: Option<&'static str>,
    pub allowed: &'static str,
    pub about: &'static str,
    pub secret: bool,
}

const fn setting(
    name: &'static str,
    env: &'static str,
    default: Option<&'static str>,
    allowed: &'static str,
    about: &'static str,
) -> Setting {
    Setting { name, env, default, allowed, about, secret: false }
}

const fn secret(name: &'static str, env: &'static str, allowed: &'static str, about: &'static str) -> Setting {
    Setting { name, env, default: None, allowed, about, secret: true }
}

pub const SETTINGS: &[Setting] = &[
    setting("listen", "HESTAMI_LISTEN", Some("127.0.0.1:8080"), "address:port", "Where it serves. Port 0 takes a free one."),
    setting(
        "mode",
        "HESTAMI_MODE",
        Some("development"),
        "development | production",
        "Production logs JSON, hides GraphiQL and introspection, and refuses the embedded servers.",
    ),
    setting("data", "HESTAMI_DATA", Some(".hestami"), "a folder", "Embedded mode: data, secrets and sockets."),
    setting(
        "servers",
        "HESTAMI_SERVERS",
        Some("embedded/node_modules"),
        "a folder",
        "Embedded mode: the npm packages with PostgreSQL, Cerbos and GraphiQL.",
    ),
    setting(
        "policies",
        "HESTAMI_POLICIES",
        Some("authz/policies"),
        "a folder",
        "Embedded mode: the policies that Cerbos decides by.",
    ),
    setting(
        "demo",
        "HESTAMI_DEMO",
        Some("true"),
        "true | false",
        "Embedded mode: load a small believable demo on the first start.",
    ),
    secret(
        "database_url",
        "DATABASE_URL",
        "postgres://…",
        "A PostgreSQL of one's own, as hestami_app. Without it the embedded one is started.",
    ),
    secret(
        "database_owner_url",
        "HESTAMI_DATABASE_OWNER_URL",
        "postgres://…",
        "The same database, as the owner of its tables: only `hestami migrate` uses it.",
    ),
    secret("database_workflow_url", "HESTAMI_DATABASE_WORKFLOW_URL", "postgres://…", "The same database, as hestami_workflow."),
    secret("database_relay_url", "HESTAMI_DATABASE_RELAY_URL", "postgres://…", "The same database, as hestami_relay."),
    setting(
        "database_connections",
        "HESTAMI_DATABASE_CONNECTIONS",
        Some("16"),
        "2 to 500",
        "Most connections of the application.",
    ),
    setting(
        "database_statements",
        "HESTAMI_DATABASE_STATEMENTS",
        Some("400"),
        "10 to 10000",
        "Prepared statements that each of these connections keeps. Too few, if the metric `hestami.database.statements.evicted` grows all the time.",
    ),
    setting(
        "workflow_connections",
        "HESTAMI_WORKFLOW_CONNECTIONS",
        Some("8"),
        "2 to 200",
        "Most connections of the workflow engine.",
    ),
    setting(
        "cerbos_url",
        "CERBOS_URL",
        None,
        "http://host:port | unix:/path",
        "A Cerbos of one's own. Without it the embedded one is started.",
    ),
    setting("issuer", "HESTAMI_ISSUER", None, "text", "The `iss` that tokens must have. Embedded mode: the binary itself."),
    setting(
        "service_issuer",
        "HESTAMI_SERVICE_ISSUER",
        None,
        "text",
        "The `iss` of agents' and services' tokens, signed with the same keys. By default the issuer with /services behind it.",
    ),
    setting("audience", "HESTAMI_AUDIENCE", Some("hestami"), "text", "The `aud` that tokens must have."),
    setting(
        "jwks",
        "HESTAMI_JWKS",
        None,
        "a file | http(s)://…",
        "The keys that tokens are signed with. Embedded mode: the binary's own.",
    ),
    setting("token_leeway", "HESTAMI_TOKEN_LEEWAY", Some("30s"), "a duration", "How far clocks may differ."),
    secret(
        "fingerprint_key",
        "HESTAMI_FINGERPRINT_KEY",
        "at least 32 characters",
        "Keys the fingerprints of inputs; the same on all replicas. Embedded mode: made on first start.",
    ),
    setting("body_limit", "HESTAMI_BODY_LIMIT", Some("262144"), "1024 to 16777216", "The largest body of a request, in bytes."),
    setting(
        "outcome_retention",
        "HESTAMI_OUTCOME_RETENTION",
        Some("30d"),
        "a duration",
        "How long an outcome, and so an idempotency key, is kept.",
    ),
    setting(
        "cursor_window",
        "HESTAMI_CURSOR_WINDOW",
        Some("30d"),
        "a duration",
        "How long a client may be away and still go on from its cursor.",
    ),
    setting("heartbeat", "HESTAMI_HEARTBEAT", Some("1s"), "a duration", "How often a replica says that it lives."),
    setting("dead_after", "HESTAMI_DEAD_AFTER", Some("10s"), "a duration", "After this silence others take over its work."),
    setting(
        "abandoned_after",
        "HESTAMI_ABANDONED_AFTER",
        Some("15s"),
        "a duration",
        "After this an operation that nobody works on is taken up.",
    ),
    setting("shutdown_grace", "HESTAMI_SHUTDOWN_GRACE", Some("10s"), "a duration", "How long a stop waits for requests."),
    setting("log", "HESTAMI_LOG", Some("info"), "a filter, such as info,hestami=debug", "What is logged."),
    setting("log_format", "HESTAMI_LOG_FORMAT", None, "text | json", "By default text in development, JSON in production."),
    setting("otlp", "HESTAMI_OTLP", None, "http://host:port", "Where traces, metrics and logs are sent, by OTLP over gRPC."),
    setting(
        "park_at",
        "HESTAMI_PARK_AT",
        None,
        "before-operation | after-operation | after-claim | before-commit | after-commit | before-answer",
        "For crash tests, in development only: every mutation stops for ever at this point.",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Development,
    Production,
}

#[derive(Clone)]
pub struct Config {
    pub listen: SocketAddr,
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
    pub fingerprint_key: Option<String>,
    pub body_limit: usize,
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
}

/// What was wrong, one line each.
#[derive(Debug)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| writeln!(f, "configuration: {problem}"))
    }
}

impl std::error::Error for Problems {}

/// What was read, and where.
struct Read {
    value: String,
    place: String,
}

pub struct Reader {
    read: BTreeMap<&'static str, Read>,
    problems: Vec<String>,
}

impl Reader {
    /// From the environment and, if it is there or was named, the file.
    pub fn new(environment: impl Iterator<Item = (String, String)>) -> Self {
        let mut reader = Reader { read: BTreeMap::new(), problems: Vec::new() };
        let environment: BTreeMap<String, String> = environment.collect();
        let file = environment.get("HESTAMI_CONFIG").map_or("hestami.toml", String::as_str);
        match std::fs::read_to_string(file) {
            Ok(text) => reader.file(file, &text),
            Err(problem) if environment.contains_key("HESTAMI_CONFIG") => {
                reader.problems.push(format!("HESTAMI_CONFIG names {file:?}, which cannot be read: {problem}"));
            }
            Err(_) => {}
        }
        for (name, value) in &environment {
            match SETTINGS.iter().find(|setting| setting.env == name) {
                Some(setting) => {
                    reader.read.insert(setting.name, Read { value: value.clone(), place: name.clone() });
                }
                None if name == "HESTAMI_CONFIG" => {}
                None if name.starts_with("HESTAMI_") => reader.problems.push(unknown(name, SETTINGS.iter().map(|s| s.env))),
                None => {}
            }
        }
        reader
    }

    fn file(&mut self, file: &str, text: &str) {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(problem) => return self.problems.push(format!("{file} is not TOML: {}", problem.message())),
        };
        for (name, value) in table {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
                self.problems.push(format!("in {file}: {}", unknown(&name, SETTINGS.iter().map(|s| s.name))));
                continue;
            };
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                _ => {
                    self.problems.push(format!("{name} in {file} must be a text, a number or true/false"));
                    continue;
                }
            };
            self.read.insert(setting.name, Read { value, place: format!("{name} in {file}") });
        }
    }

    fn get<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name)?;
        let (value, place) = match (self.read.get(name), setting.default) {
            (Some(read), _) => (read.value.clone(), read.place.clone()),
            (None, Some(default)) => (default.to_owned(), "the default".to_owned()),
            (None, None) => return None,
        };
        let parsed = parse(&value);
        if parsed.is_none() {
            let shown = if setting.secret { "a value that is not shown".to_owned() } else { format!("{value:?}") };
            self.problems.push(format!("{place}: read {shown}, allowed is {}", setting.allowed));
        }
        parsed
    }

    /// Each setting, what it is and where that is from. Secrets are not shown.
    pub fn explain(&self) -> Vec<(&'static Setting, String, String)> {
        SETTINGS
            .iter()
            .map(|setting| match (self.read.get(setting.name), setting.default) {
                (Some(_), _) if setting.secret => (setting, "(set, not shown)".into(), self.read[setting.name].place.clone()),
                (Some(read), _) => (setting, read.value.clone(), read.place.clone()),
                (None, Some(default)) => (setting, default.into(), "default".into()),
                (None, None) => (setting, "(not set)".into(), "default".into()),
            })
            .collect()
    }

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
                fingerprint_key: self.get("fingerprint_key", |value| Some(value.to_owned()).filter(|v| v.len() >= 32)),
                body_limit: self.get("body_limit", between(1_024, 16_777_216))? as usize,
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

/// Host, port and database of a URL, without who connects.
fn cluster(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.rsplit_once('@').map_or(rest, |(_, place)| place).to_owned()
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let nearest = known.min_by_key(|candidate| distance(name, candidate)).unwrap_or_default();
    format!("there is no setting {name}; did you mean {nearest}? `hestami check-config` lists all")
}

fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let insert = (row[j] + 1).min(row[j + 1] + 1);
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = insert.min(substitute);
        }
    }
    row[b.len()]
}

/// `250ms`, `10s`, `5m`, `12h`, `30d`; more than nothing.
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

/// The documentation of all settings, as it is committed.
pub fn document() -> String {
    let mut text = String::from(
        "# Settings\n\nRead from the environment, then from `hestami.toml` (or the file that `HESTAMI_CONFIG` names), then the default.\n\
         An unknown or wrong setting stops the start. `hestami check-config` says what is read, and from where.\n\n\
         | environment | file | default | allowed | what |\n| --- | --- | --- | --- | --- |\n",
    );
    for setting in SETTINGS {
        let default = setting.default.map(|default| format!("`{default}`")).unwrap_or_default();
        let secret = if setting.secret { " Secret: never shown." } else { "" };
        let allowed = setting.allowed.replace('|', "\\|");
        text.push_str(&format!(
            "| `{}` | `{}` | {default} | {allowed} | {}{secret} |\n",
            setting.env, setting.name, setting.about
        ));
    }
    text
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
