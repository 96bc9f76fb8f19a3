//! Small documents that once made much work.

use crate::harness::{Explain, Options, Process, Socket, World, cluster, person};
use schema::Limits;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use std::{fmt::Write, time::Duration};

/// A world with these limits, and a connection to its database.
async fn world(limits: Limits) -> (World, PgConnection) {
    let cluster = cluster().await;
    let database = cluster.database().await;
    let sql = cluster.connect("postgres", &database).await;
    (World::on(cluster, database, Options { limits, ..Options::default() }).await, sql)
}

/// A field counts and runs once, however often and by whatever fragments a document says it.
#[tokio::test]
async fn a_field_that_is_repeated_runs_once() {
    let cluster = cluster().await;
    let world = World::on(cluster, Explain::database(cluster).await, Options::default()).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.create_property(&owner, home, "1").await;
    let mut fragments = String::new();
    let mut spreads = String::new();
    for n in 0..40 {
        let _ = write!(spreads, "...F{n} ... on Query {{ ...F{n} }} ");
        let _ = write!(fragments, "fragment F{n} on Query {{ viewer {{ id }} }} ");
    }
    for document in [
        format!("{{ {} }}", "viewer { id } ".repeat(950)),
        format!("{{ {} }}", "... { ... on Query { viewer { id } } } ".repeat(300)),
        format!("{{ {spreads} }} {fragments}"),
    ] {
        let explain = Explain::of(&world);
        let answer = world.gql(&owner, Some(home), &document, json!({})).await;
        assert!(!answer.data()["viewer"]["id"].is_null());
        assert_eq!(explain.saying("app.viewer()").await.len(), 1, "{document}");
    }
    let histories = "history(first: 100) { totalCount } ".repeat(100);
    let explain = Explain::of(&world);
    let document = format!("{{ properties(first: 100) {{ edges {{ node {{ id {histories} }} }} }} }}");
    let answer = world.gql(&owner, Some(home), &document, json!({})).await;
    assert_eq!(answer.data()["properties"]["edges"][0]["node"]["history"]["totalCount"], 1);
    assert!(explain.statements("event").await.len() <= 2, "a count, and perhaps a page");
    // Copies under conditions of their own are no way around it.
    let variables: String = (0..11).map(|n| format!("$v{n}: Boolean = true ")).collect();
    let copies: String = (0..11).map(|n| format!("viewer @include(if: $v{n}) {{ id }} ")).collect();
    let refused = world.gql(&owner, Some(home), &format!("query ({variables}) {{ {copies} }}"), json!({})).await;
    assert_eq!(refused.gql_code(), "GRAPHQL_VALIDATION_FAILED", "{:#}", refused.body);
}

const NESTED: &str =
    "{ portfolios(first:100) { edges { node { properties(first:100) { edges { node { portfolios { id } } } } } } } }";

/// Sizes of pages multiply down the tree, whichever way they are said. A document that may touch too much is refused before anything
/// is read, with its dearest place.
#[tokio::test]
async fn a_document_that_may_touch_too_much_is_refused_before_it_runs() {
    let cluster = cluster().await;
    let world = World::on(cluster, Explain::database(cluster).await, Options::default()).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.gql(&owner, Some(home), "{ viewer { id } }", json!({})).await.data();
    let page = "{ portfolios(first: $n) { edges { node { properties(last: $n) { nodes { ... on Node { ... on Property { portfolios { id } } } } } } } } }";
    let two = format!(
        "query A {{ viewer {{ id }} }} query B {{ organization(id: \"{home}\") {{ properties(first: 100) {{ nodes {{ ownerships {{ history(first: 20) {{ nodes {{ id }} }} }} }} }} }} }}"
    );
    let history = "history(first: 100) { nodes { id } }";
    let explain = Explain::of(&world);
    for (document, variables, cost) in [
        (NESTED.to_owned(), json!({}), 210_201),
        (format!("query ($n: Int) {page}"), json!({ "n": 100 }), 210_201),
        (format!("query ($n: Int = 100) {page}"), json!({}), 210_201),
        (two, json!({}), 55_102),
        // All of them apply, each under a condition of its own.
        (
            format!(
                "query ($a: Boolean = true, $b: Boolean = true) {{ nodes(ids: [{}]) {{ ... on Property @include(if: $a) {{ {history} }} ... on Property @include(if: $b) {{ other: {history} }} }} }}",
                vec![format!("\"{home}\""); 100].join(", ")
            ),
            json!({}),
            20_300,
        ),
    ] {
        let refused = world.gql(&owner, Some(home), &document, variables).await;
        assert_eq!(refused.gql_code(), "QUERY_TOO_COSTLY", "{document}");
        let error = &refused.body["errors"][0];
        assert_eq!(error["extensions"]["details"]["cost"], cost, "{document}");
        assert!(
            error["extensions"]["details"]["path"]
                .as_str()
                .is_some_and(|path| path.contains("nodes.") || path.contains("edges."))
        );
        assert!(error["message"].as_str().is_some_and(|said| said.contains("(line 1, column")), "{error}");
    }
    // A page of another size stays far below, and every answer says its cost.
    for (variables, cost) in [(json!({ "n": 5 }), 536), (json!({ "n": null }), 8_441)] {
        let answer = world.gql(&owner, Some(home), &format!("query ($n: Int) {page}"), variables).await;
        answer.data();
        assert_eq!(answer.body["extensions"]["cost"], json!({ "rows": cost, "most": 20_000 }));
    }
    assert_eq!(explain.statements("portfolio").await.len(), 2, "nothing was read before");
    // A subscription runs its document for each event.
    let document = "subscription { portfolioChanged { portfolio { properties(first: 100) { nodes { portfolios { properties(first: 100) { nodes { id } } } } } } } }";
    let mut socket = Socket::open(&world.app.url(), &owner, Some(home), None).await.expect("a connection");
    socket.subscribe("s", document, json!({})).await;
    assert_eq!(socket.ends().await.0, "QUERY_TOO_COSTLY");
}

/// Long texts make an answer large where its rows are few. It fails as a whole, and the process stays small.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_would_be_too_large_fails_instead_of_growing() {
    let (world, mut sql) = world(Limits::default()).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let text = "é".repeat(9_900);
    for n in 0..100 {
        let mut property = World::property(&n.to_string());
        property["notes"] = text.clone().into();
        world.call(&owner, home, "property/v1/create", property).await.ok();
    }
    for n in 0..50 {
        let portfolio = json!({ "name": n.to_string(), "targetNotes": text });
        world.call(&owner, home, "portfolio/v1/create", portfolio).await.ok();
    }
    sql.execute("INSERT INTO portfolio_property (organization_id, portfolio_id, property_id, position, added_at) SELECT f.organization_id, f.id, p.id, 0, now() FROM portfolio f, property p WHERE f.organization_id = p.organization_id").await.expect("a statement");
    let process = Process::serve(&world, &[]).await;
    let ask = async |document: &str| world.gql_at(&process.url, &owner, Some(home), document, json!({})).await;
    ask("{ properties(first: 100) { nodes { notes } } }").await.data();
    let before = process.peak();
    let shown = "properties(first: 100) { nodes { notes } }";
    for document in [
        // 1,019 MB, once.
        "{portfolios(first:50){edges{node{properties(first:100){edges{node{notes}}}}}}}".to_owned(),
        "{properties(first:100){nodes{portfolios{targetNotes}}}}".to_owned(),
        format!("{{ {} }}", (0..40).map(|n| format!("a{n}: {shown} ")).collect::<String>()),
        format!(
            "{{ {} }}",
            (0..30).map(|n| format!("a{n}: __schema {{ types {{ fields {{ name description args {{ name description type {{ name }} }} type {{ name ofType {{ name }} }} }} }} }} ")).collect::<String>()
        ),
    ] {
        let refused = ask(&document).await;
        assert_eq!(refused.gql_code(), "ANSWER_TOO_LARGE", "{document}: {:.300}", refused.body.to_string());
        assert_eq!(refused.body["data"], Value::Null, "{document}");
        assert!(refused.body["errors"].as_array().is_some_and(|errors| errors.len() == 1), "{document}");
    }
    let more = process.peak().saturating_sub(before);
    assert!(more < 32 << 20, "{more} bytes more");
}

/// A read ends at its time, down to its statement.
#[tokio::test]
async fn a_read_ends_at_its_time() {
    let limits = Limits { time: Duration::from_millis(300), ..Limits::default() };
    let (world, mut sql) = world(limits).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let mut held = sql.begin().await.expect("a transaction");
    held.execute("LOCK TABLE property").await.expect("a lock");
    let late = world.gql(&owner, Some(home), "{ properties { nodes { id } } }", json!({})).await;
    assert_eq!(late.gql_code(), "DEADLINE_EXCEEDED", "{:#}", late.body);
    let late = world.rpc(&owner, Some(home), "property/v1/list", json!({})).await;
    assert_eq!(late.status, 503, "{:#}", late.body);
    assert_eq!(late.body["error"]["code"], "DEADLINE_EXCEEDED");
}

/// The failures of one request are logged a few times, then counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_writes_a_few_lines_into_the_log() {
    let (world, mut sql) = world(Limits::default()).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    for n in 0..60 {
        world.create_property(&owner, home, &n.to_string()).await;
    }
    let process = Process::serve(&world, &[]).await;
    sql.execute("REVOKE SELECT ON ownership FROM hestami_app").await.expect("a statement");
    let failing = "{ properties(first: 60) { nodes { a: ownerships { id } b: ownerships { id } } } }";
    let answer = world.gql_at(&process.url, &owner, Some(home), failing, json!({})).await;
    assert_eq!(answer.body["data"]["properties"]["nodes"].as_array().map(Vec::len), Some(60));
    let failed = process.lines().iter().filter(|line| line.contains("failed")).count();
    assert!((5..=15).contains(&failed), "{failed} lines");
    assert!(process.lines().iter().any(|line| line.contains("more of the request failed")));
}
