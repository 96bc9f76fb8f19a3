//! The settings: names, defaults, and the documentation of each.

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
        "operators",
        "HESTAMI_OPERATORS",
        Some("127.0.0.1:8081"),
        "address:port",
        "Where `/readyz` and `/metrics` are, for operators alone. Port 0 takes a free one.",
    ),
    setting(
        "trusted",
        "HESTAMI_TRUSTED",
        None,
        "10.0.0.0/8, with commas between several",
        "Proxies whose `X-Forwarded-For` says where a request comes from, and whose `traceparent` is gone on with. Others' is pointed at.",
    ),
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
    setting(
        "token_life",
        "HESTAMI_TOKEN_LIFE",
        Some("24h"),
        "a duration",
        "The longest that a token may be good for, from `iat` to `exp`. A longer one is refused.",
    ),
    secret(
        "fingerprint_key",
        "HESTAMI_FINGERPRINT_KEY",
        "at least 32 characters",
        "Keys the fingerprints of inputs; the same on all replicas. Embedded mode: made on first start.",
    ),
    setting("body_limit", "HESTAMI_BODY_LIMIT", Some("262144"), "1024 to 16777216", "The largest body of a request, in bytes."),
    setting(
        "cost",
        "HESTAMI_COST",
        Some("20000"),
        "100 to 1000000000",
        "Most rows that one GraphQL document may touch, sizes of pages multiplied.",
    ),
    setting(
        "answer_size",
        "HESTAMI_ANSWER_SIZE",
        Some("8388608"),
        "65536 to 1073741824",
        "Most bytes of a GraphQL answer, as it lies in memory.",
    ),
    setting("read_time", "HESTAMI_READ_TIME", Some("10s"), "a duration", "A read ends after this, down to its statement."),
    setting(
        "clock_bound",
        "HESTAMI_CLOCK_BOUND",
        Some("5s"),
        "a duration",
        "Most that the clock may differ from the database's by. Beyond it the gateway serves nobody and does nothing by time.",
    ),
    setting(
        "rates",
        "HESTAMI_RATES",
        Some("enforce"),
        "off | measure | enforce",
        "Whether requests beyond a rate are refused, counted in the metric `hestami.rates.refused`, or neither.",
    ),
    setting(
        "rate_address",
        "HESTAMI_RATE_ADDRESS",
        Some("100000/2000000"),
        "a second/at once",
        "The rate of one address, in rows; a request of it costs 50. Behind a proxy, which is one address, that of all.",
    ),
    setting(
        "rate_client",
        "HESTAMI_RATE_CLIENT",
        Some("200000/4000000"),
        "a second/at once",
        "The rate of all tokens that name one client (`azp`). A read costs the rows that it may touch and 50, a mutation 150.",
    ),
    setting(
        "rate_principal",
        "HESTAMI_RATE_PRINCIPAL",
        Some("20000/400000"),
        "a second/at once",
        "The rate of one person in one organization, priced alike.",
    ),
    setting(
        "rate_organization",
        "HESTAMI_RATE_ORGANIZATION",
        Some("50000/1000000"),
        "a second/at once",
        "The rate of one organization, priced alike.",
    ),
    setting(
        "connections",
        "HESTAMI_CONNECTIONS",
        Some("10000"),
        "64 to 1000000",
        "Most connections of clients. Fewer, if the process may not open as many files.",
    ),
    setting(
        "connections_per_address",
        "HESTAMI_CONNECTIONS_PER_ADDRESS",
        Some("2000"),
        "1 to 1000000",
        "Most connections from one address. Behind a proxy, which is one address, as many as in all.",
    ),
    setting(
        "connections_per_person",
        "HESTAMI_CONNECTIONS_PER_PERSON",
        Some("100"),
        "1 to 1000000",
        "Most live connections of one person, WebSockets and streams.",
    ),
    setting("head_time", "HESTAMI_HEAD_TIME", Some("10s"), "a duration", "How long the head of a request may take to arrive."),
    setting(
        "idle_time",
        "HESTAMI_IDLE_TIME",
        Some("75s"),
        "a duration",
        "How long a connection is kept between two requests. A proxy's own time must be shorter.",
    ),
    setting(
        "origins",
        "HESTAMI_ORIGINS",
        None,
        "* | https://host, with commas between several",
        "Pages in browsers that may call from another origin. By default those on this machine in development, none in production.",
    ),
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
    setting(
        "clock_file",
        "HESTAMI_CLOCK_FILE",
        None,
        "a path",
        "For tests, in development only: the file that holds the time, in microseconds since 1970.",
    ),
];

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
