//! The binary as its user runs it: embedded servers, servers of one's own, and its messages when something is wrong.

use crate::harness::{Process, World, binary, cluster, folder, people::SECRETS, root, until};
use nix::{
    sys::signal::Signal,
    unistd::{User, chown},
};
use sqlx::{AssertSqlSafe, Executor};
use std::{
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Command, Output},
};

fn hestami(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(root());
    command.output().expect("it runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Processes whose command line names this folder.
fn children_of(home: &Path) -> Vec<i32> {
    let home = home.to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    let mut found: Vec<i32> = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&home)
        })
        .collect();
    found.sort_unstable();
    found
}

fn embedded(home: &Path) -> Vec<(String, String)> {
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        set("HESTAMI_DATA", &home.display().to_string()),
        set("HESTAMI_LISTEN", "127.0.0.1:0"),
        set("HESTAMI_OPERATORS", "127.0.0.1:0"),
        set("HESTAMI_LOG", "warn"),
    ]
}

#[tokio::test]
async fn the_embedded_servers_live_and_die_with_the_gateway_and_keep_their_data() {
    let home = folder("embedded");
    let settings = embedded(&home);
    let first = Process::run(&settings, None).await;
    assert!(children_of(&home).len() >= 2, "PostgreSQL and Cerbos are children");
    let links = first.lines().iter().filter(|line| line.contains("/graphiql#organization=")).count();
    assert_eq!(links, 6, "a link a role: {:#?}", first.lines());

    // A second gateway on the same data says why it does not start.
    let pairs: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let second = hestami(&["serve"], &pairs);
    assert!(!second.status.success() && said(&second).contains("another gateway (process"), "{}", said(&second));

    let token = hestami(&["token", "--role", "TRUSTEE", "--organization", "Alvarez Family Trust"], &pairs);
    assert!(token.status.success() && said(&token).contains("X-Organization-Id"), "{}", said(&token));
    let nobody = hestami(&["token", "--role", "OWNER", "--organization", "Nobody's"], &pairs);
    assert!(said(&nobody).contains("nobody is OWNER in \"Nobody's\""), "{}", said(&nobody));

    // No orphan stays after a kill, which leaves no chance to tidy up.
    first.kill().await;
    until("the children's end", async || children_of(&home).is_empty().then_some(())).await;

    let third = Process::run(&settings, None).await;
    let token = String::from_utf8(hestami(&["token", "--role", "OWNER", "--organization", "Chen Holdings LLC"], &pairs).stdout)
        .expect("text");
    let organization = third
        .lines()
        .iter()
        .find_map(|line| line.split("Chen Holdings LLC, X-Organization-Id ").nth(1).map(str::to_owned))
        .expect("an id");
    let client = reqwest::Client::new();
    let request =
        client.post(format!("{}/graphql", third.url)).bearer_auth(token.trim()).header("x-organization-id", organization.trim());
    let body = serde_json::json!({ "query": "{ properties { totalCount } }" });
    let answer: serde_json::Value = request.json(&body).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer["data"]["properties"]["totalCount"], 20, "the demo is there once: {answer:#}");
    for (path, holds) in [
        ("/graphiql", "GraphiQL"),
        ("/graphiql/graphiql.js", "GraphiQL"),
        ("/graphiql/react.js", "React"),
        ("/graphiql/graphiql.css", ".graphiql"),
    ] {
        let page = client.get(format!("{}{path}", third.url)).send().await.expect("a page").text().await.expect("text");
        assert!(page.contains(holds), "{path}");
    }
    assert!(third.stop().await.success());
    assert_eq!(children_of(&home), Vec::<i32>::new(), "a stop takes its children along");
}

#[tokio::test]
async fn it_runs_as_a_normal_user_too() {
    if !nix::unistd::geteuid().is_root() {
        // Every other test here runs as a normal user already.
        return;
    }
    let user = User::from_name("nobody").expect("users").expect("nobody");
    let home = folder("nobody");
    chown(&home, Some(user.uid), Some(user.gid)).expect("given");
    let gateway = Process::run(&embedded(&home), Some((user.uid.as_raw(), user.gid.as_raw()))).await;
    for pid in children_of(&home) {
        let owner = std::fs::metadata(format!("/proc/{pid}")).expect("alive").uid();
        assert_eq!(owner, user.uid.as_raw());
    }
    gateway.signal(Signal::SIGINT);
    until("its end", async || children_of(&home).is_empty().then_some(())).await;
}

#[test]
fn what_is_wrong_stops_the_start_and_says_so() {
    for (environment, says) in [
        (vec![("HESTAMI_LISTN", "x")], vec!["HESTAMI_LISTN", "HESTAMI_LISTEN"]),
        (vec![("HESTAMI_LISTEN", "everywhere")], vec!["HESTAMI_LISTEN", "\"everywhere\"", "address:port"]),
        (vec![("HESTAMI_MODE", "production")], vec!["DATABASE_URL", "CERBOS_URL"]),
        (vec![("DATABASE_URL", "oracle://me:hunter2@x/y")], vec!["DATABASE_URL", "postgres://"]),
        (vec![("HESTAMI_CONFIG", "/nowhere.toml")], vec!["/nowhere.toml"]),
        (vec![("HESTAMI_SERVERS", "/nowhere")], vec!["/nowhere", "make servers"]),
    ] {
        let home = folder("wrong").display().to_string();
        let mut environment = environment;
        environment.push(("HESTAMI_DATA", &home));
        let output = hestami(&["serve"], &environment);
        let text = said(&output);
        assert!(!output.status.success(), "{environment:?}");
        assert!(
            says.iter().all(|word| text.contains(word)) && !text.contains("hunter2") && !text.contains("panicked"),
            "{environment:?}: {text}"
        );
    }
    let file = folder("wrong").join("hestami.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:0\"\nheartbeat = \"often\"\ncolour = \"red\"\n").expect("a file");
    let output = hestami(
        &["check-config"],
        &[("HESTAMI_CONFIG", &file.display().to_string()), ("HESTAMI_FINGERPRINT_KEY", "a secret of some thirty-two letters")],
    );
    let text = said(&output);
    assert!(!output.status.success());
    for word in ["heartbeat", "\"often\"", "colour", "(set, not shown)", "127.0.0.1:0"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("thirty-two letters"), "{text}");
}

#[tokio::test]
async fn servers_of_ones_own_are_migrated_by_command_only() {
    let cluster = cluster().await;
    let name = "own_server";
    let mut superuser = cluster.connect("postgres", "postgres").await;
    superuser.execute(AssertSqlSafe(format!("CREATE DATABASE {name} OWNER hestami_owner"))).await.expect("a database");
    let keys = folder("own").join("jwks.json");
    std::fs::write(&keys, SECRETS.jwks().expect("keys").to_string()).expect("a file");
    let (app, workflow, owner) =
        (cluster.url("hestami_app", name), cluster.url("hestami_workflow", name), cluster.url("hestami_owner", name));
    let relay = cluster.url("hestami_relay", name);
    let jwks = keys.display().to_string();
    let environment = [
        ("DATABASE_URL", app.as_str()),
        ("HESTAMI_DATABASE_WORKFLOW_URL", workflow.as_str()),
        ("HESTAMI_DATABASE_RELAY_URL", relay.as_str()),
        ("CERBOS_URL", cluster.cerbos_url()),
        ("HESTAMI_ISSUER", "https://issuer.example"),
        ("HESTAMI_JWKS", jwks.as_str()),
        ("HESTAMI_FINGERPRINT_KEY", "a secret of some thirty-two letters"),
        ("HESTAMI_LISTEN", "127.0.0.1:0"),
        ("HESTAMI_MODE", "production"),
    ];
    let unmigrated = hestami(&["serve"], &environment);
    assert!(!unmigrated.status.success() && said(&unmigrated).contains("hestami migrate"), "{}", said(&unmigrated));
    let with_owner: Vec<_> = environment.iter().copied().chain([("HESTAMI_DATABASE_OWNER_URL", owner.as_str())]).collect();
    let migrated = hestami(&["migrate"], &with_owner);
    assert!(migrated.status.success() && said(&migrated).contains("applied m20261121_000001_scope"), "{}", said(&migrated));
    assert!(said(&hestami(&["migrate"], &with_owner)).contains("nothing to do"));
    let checked = hestami(&["check-config"], &environment);
    assert!(checked.status.success() && said(&checked).contains("the configuration is sound"), "{}", said(&checked));
    // A role that could pass by row security is refused.
    let superuser = cluster.url("postgres", name);
    let mut powerful = environment;
    powerful[0].1 = &superuser;
    let refused = hestami(&["check-config"], &powerful);
    assert!(!refused.status.success() && said(&refused).contains("row security"), "{}", said(&refused));

    let settings: Vec<(String, String)> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let gateway = Process::run(&settings, None).await;
    let client = reqwest::Client::new();
    assert_eq!(client.get(format!("{}/readyz", gateway.operators)).send().await.expect("an answer").status(), 200);
    assert_eq!(
        client.get(format!("{}/graphiql", gateway.url)).send().await.expect("an answer").status(),
        404,
        "production hides it"
    );
    gateway.signal(Signal::SIGTERM);
    until("its last words", async || {
        gateway.lines().iter().any(|line| line.starts_with('{') && line.contains("stopped")).then_some(())
    })
    .await;
}

/// Servers that end are started again, and the gateway goes on by itself.
#[tokio::test]
async fn embedded_servers_that_die_are_started_again() {
    let home = folder("reborn");
    let gateway = Process::run(&embedded(&home), None).await;
    let link = gateway.lines().iter().find(|line| line.contains("/graphiql#organization=")).cloned().expect("a link");
    let (organization, token) = link.split_once("organization=").and_then(|(_, rest)| rest.split_once("&token=")).expect("both");
    let client = reqwest::Client::new();
    let create = async |key: uuid::Uuid| {
        let mut body = World::property(&key.to_string());
        body["idempotencyKey"] = key.to_string().into();
        let request = client.post(format!("{}/api/v1/rpc/property/v1/create", gateway.url)).bearer_auth(token);
        let answer = request.header("x-organization-id", organization).json(&body).send().await.ok()?;
        (answer.status() == 200).then_some(())
    };
    create(uuid::Uuid::from_u128(1)).await.expect("a property");
    for name in ["cerbos", "postgres"] {
        let before = children_of(&home);
        let died: Vec<i32> = before
            .iter()
            .copied()
            .filter(|pid| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).split('\0').next().is_some_and(|program| program.contains(name))
            })
            .collect();
        assert!(!died.is_empty(), "{name} runs");
        for pid in &died {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), Signal::SIGKILL);
        }
        gateway.line(&format!("that {name} ended"), |line| line.contains("is started again").then_some(())).await;
        until(&format!("an answer after the end of {name}"), async || {
            create(uuid::Uuid::from_u128(u128::from(name.len() as u64))).await
        })
        .await;
        until(&format!("readiness after the end of {name}"), async || {
            let ready = client.get(format!("{}/readyz", gateway.operators)).send().await.expect("an answer");
            (ready.status() == 200).then_some(())
        })
        .await;
    }
}

/// A full disk takes nothing, and whoever asks hears that it was not done. With room again the gateway goes on by itself, and each
/// request that is sent again is done once.
#[tokio::test]
async fn with_room_again_after_a_full_disk_it_goes_on() {
    let home = folder("full");
    let gateway = Process::run(&embedded(&home), None).await;
    let link = gateway.lines().iter().find(|line| line.contains("/graphiql#organization=")).cloned().expect("a link");
    let (organization, token) = link.split_once("organization=").and_then(|(_, rest)| rest.split_once("&token=")).expect("both");
    let client = reqwest::Client::new();
    let create = async |n: u128| {
        let mut body = World::property(&format!("{n} Full Street"));
        body["idempotencyKey"] = uuid::Uuid::from_u128(n).to_string().into();
        let request = client.post(format!("{}/api/v1/rpc/property/v1/create", gateway.url)).bearer_auth(token);
        let answer = request.header("x-organization-id", organization).json(&body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json::<serde_json::Value>().await.expect("JSON"))
    };
    assert_eq!(create(1).await.0, 200);
    // The log finds no room, nor does that of a server that is started meanwhile.
    let room = |most: &str| {
        let servers = children_of(&home);
        let backends = servers.iter().flat_map(|pid| {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()
        });
        for pid in backends.chain(servers.iter().copied()).chain([gateway.id()]) {
            // Whoever it runs as may limit it. Some end meanwhile.
            let Ok(process) = std::fs::metadata(format!("/proc/{pid}")) else { continue };
            let limit = format!("--fsize={most}:");
            let limited = Command::new("prlimit")
                .args(["--pid", &pid.to_string(), &limit])
                .uid(process.uid())
                .gid(process.gid())
                .output()
                .expect("prlimit");
            let gone = !std::path::Path::new(&format!("/proc/{pid}")).exists();
            assert!(limited.status.success() || gone, "{limited:?}");
        }
    };
    // No table of the demo is as large; the log's files are of 16 MiB each.
    room("8388608");
    let mut n = 1;
    until("that the disk is full", async || {
        n += 1;
        let (status, said) = create(n).await;
        assert!(matches!(status, 200 | 202 | 503), "{status} {said:#} {:#?}", gateway.lines());
        (status == 503).then(|| assert_eq!(said["error"]["retryable"], true, "{said:#}"))
    })
    .await;
    gateway.line("that a new server finds no room", |line| line.contains("cannot be started again").then_some(())).await;
    assert_eq!(client.get(format!("{}/livez", gateway.url)).send().await.expect("an answer").status(), 200);
    assert_eq!(client.get(format!("{}/readyz", gateway.operators)).send().await.expect("an answer").status(), 503);
    room("unlimited");
    until("room again", async || (create(n).await.0 == 200).then_some(())).await;
    for again in 1..=n {
        assert_eq!(create(again).await.0, 200, "{again}");
    }
    let list = client.post(format!("{}/api/v1/rpc/property/v1/list", gateway.url)).bearer_auth(token);
    let filter = serde_json::json!({ "filter": { "search": "Full Street" }, "first": 100, "withTotal": true });
    let list = list.header("x-organization-id", organization).json(&filter).send().await.expect("an answer");
    let list: serde_json::Value = list.json().await.expect("JSON");
    assert_eq!(list["result"]["totalCount"], serde_json::json!(n), "{list:#}");
    until("readiness", async || {
        let ready = client.get(format!("{}/readyz", gateway.operators)).send().await.expect("an answer");
        (ready.status() == 200).then_some(())
    })
    .await;
}

#[test]
fn the_contract_is_printed() {
    for (what, holds) in [("sdl", "type Mutation"), ("openapi", "\"openapi\": \"3.1.0\""), ("errors", "VERSION_CONFLICT")] {
        let output = hestami(&["contract", what], &[]);
        assert!(output.status.success() && said(&output).contains(holds), "{what}");
    }
}
