//! Floods: those who ask for too much wait, and nobody else does.

use crate::harness::{Options, Socket, World, person};
use schema::{Rate, RateLimits, RateMode};
use serde_json::json;
use std::time::{Duration, Instant};

fn limits(principal: Rate, organization: Rate) -> RateLimits {
    RateLimits { principal, organization, ..RateLimits::default() }
}

const AMPLE: Rate = Rate { second: 1_000_000, burst: 100_000_000 };

/// A person who asked for too much is told for how long to wait, over every transport; another one of the same organization, and
/// the same one elsewhere, are not.
#[tokio::test]
async fn whoever_asks_for_too_much_waits() {
    let few = Rate { second: 1, burst: 2_000 };
    let world = World::with(Options { rates: limits(few, AMPLE), ..Options::default() }).await;
    let (olga, mara) = (person("olga"), person("mara"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let other = world.found(&olga, "TRUST_OR_LLC").await;
    world.join(&olga, home, &mara, "TRUSTEE").await;
    let mut socket = Socket::open(&world.app.url(), &olga, Some(home), None).await.expect("a connection");
    let ask = "{ properties(first: 100) { nodes { id } } }";
    let mut asked = 0;
    let refused = loop {
        let began = Instant::now();
        let answer = world.gql(&olga, Some(home), ask, json!({})).await;
        asked += 1;
        assert!(asked < 100, "never refused");
        if answer.gql_code() == "RATE_LIMITED" {
            // Held back, so that asking again at once is mostly waiting.
            assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
            break answer;
        }
        answer.data();
    };
    assert!(asked > 10, "{asked}");
    assert_eq!(refused.status, 429);
    let extensions = &refused.body["errors"][0]["extensions"];
    assert!(extensions["retry_after"].as_u64().is_some_and(|wait| wait >= 1), "{extensions}");
    assert_eq!((&extensions["retryable"], &extensions["details"]["level"]), (&json!(true), &json!("principal")));
    for (procedure, body) in [("property/v1/list", json!({})), ("property/v1/create", World::property("1"))] {
        let request = world.request(reqwest::Method::POST, &format!("/api/v1/rpc/{procedure}")).bearer_auth(&olga.token);
        let mut body = body;
        body["idempotencyKey"] = world.key().to_string().into();
        let body = if procedure.ends_with("list") { json!({}) } else { body };
        let response = request.header("x-organization-id", home.to_string()).json(&body).send().await.expect("an answer");
        assert_eq!(response.status(), 429, "{procedure}");
        let header = response.headers()["retry-after"].to_str().expect("text").parse::<u64>().expect("seconds");
        let body: serde_json::Value = response.json().await.expect("JSON");
        assert_eq!((&body["error"]["code"], &body["error"]["retry_after"]), (&json!("RATE_LIMITED"), &json!(header)));
    }
    socket.subscribe("q", ask, json!({})).await;
    assert_eq!(socket.ends().await.0, "RATE_LIMITED");
    socket.subscribe("s", "subscription { propertyChanged { cursor } }", json!({})).await;
    assert_eq!(socket.ends().await.0, "RATE_LIMITED");
    world.gql(&mara, Some(home), ask, json!({})).await.data();
    world.gql(&olga, Some(other), ask, json!({})).await.data();
}

/// Documents that nobody would carry out are read, and that is work: it is paid for, on either transport.
#[tokio::test]
async fn documents_that_are_refused_are_paid_for() {
    let few = Rate { second: 1, burst: 20_000 };
    let world = World::with(Options { rates: limits(few, AMPLE), ..Options::default() }).await;
    let (olga, mara) = (person("olga"), person("mara"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    world.join(&olga, home, &mara, "TRUSTEE").await;
    let wrong = |n: usize| format!("{{ nothing{n} }} # {}", "x".repeat(20_000));
    let mut codes = Vec::new();
    for n in 0..30 {
        codes.push(world.gql(&olga, Some(home), &wrong(n), json!({})).await.gql_code().to_owned());
    }
    assert_eq!(codes.first().map(String::as_str), Some("GRAPHQL_VALIDATION_FAILED"), "{codes:?}");
    assert_eq!(codes.last().map(String::as_str), Some("RATE_LIMITED"), "{codes:?}");
    // One that would be too dear, again and again: each is little, and none is nothing.
    let dear = "{ properties(first: 100) { nodes { history(first: 100) { nodes { kind } } portfolios { properties(first: 100) { nodes { id } } } } } }";
    let mut socket = Socket::open(&world.app.url(), &mara, Some(home), None).await.expect("a connection");
    let mut asked = 0;
    loop {
        socket.subscribe(&asked.to_string(), dear, json!({})).await;
        let code = socket.ends().await.0;
        asked += 1;
        if code == "RATE_LIMITED" {
            break;
        }
        assert_eq!(code, "QUERY_TOO_COSTLY");
        assert!(asked < 500, "never refused");
    }
}

/// Whoever is no member spends nothing of an organization's.
#[tokio::test]
async fn an_outsider_spends_nothing_of_an_organizations() {
    let few = Rate { second: 1, burst: 1_500 };
    let world = World::with(Options { rates: limits(AMPLE, few), ..Options::default() }).await;
    let (olga, mallory) = (person("olga"), person("mallory"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let ask = "{ properties(first: 100) { nodes { id } } }";
    for _ in 0..30 {
        let refused = world.gql(&mallory, Some(home), ask, json!({})).await;
        assert_eq!(refused.gql_code(), "ORGANIZATION_NOT_FOUND");
    }
    world.gql(&olga, Some(home), ask, json!({})).await.data();
    // Its own people do, all together.
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(world.gql(&olga, Some(home), ask, json!({})).await.gql_code().to_owned());
    }
    assert_eq!(answers.last().map(String::as_str), Some("RATE_LIMITED"));
}

/// Whoever names another organization each time pays from one bucket all the same, and never from somebody else's.
#[tokio::test]
async fn nobody_has_a_bucket_for_each_organization_that_they_name() {
    let few = Rate { second: 1, burst: 2_000 };
    let world = World::with(Options { rates: limits(few, AMPLE), ..Options::default() }).await;
    let (olga, mallory) = (person("olga"), person("mallory"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let ask = "{ properties(first: 100) { nodes { id } } }";
    let mut asked = 0u128;
    while world.gql(&mallory, Some(uuid::Uuid::from_u128(asked)), ask, json!({})).await.gql_code() != "RATE_LIMITED" {
        asked += 1;
        assert!(asked < 100, "never refused");
    }
    world.gql(&olga, Some(home), ask, json!({})).await.data();
}

/// An address without a token is refused as well, before anything is looked at; whether the process lives can always be asked.
#[tokio::test]
async fn an_address_waits_before_anybody_is_known() {
    let few = Rate { second: 1, burst: 200 };
    let rates = RateLimits { address: few, ..RateLimits::default() };
    let world = World::with(Options { rates, ..Options::default() }).await;
    let mut last = 0;
    for _ in 0..40 {
        last = world.send(world.request(reqwest::Method::POST, "/graphql").json(&json!({}))).await.status;
    }
    assert_eq!(last, 429);
    assert_eq!(world.send(world.request(reqwest::Method::GET, "/livez")).await.status, 200);
}

/// The contract is large, and costs as much as it is.
#[tokio::test]
async fn the_contract_is_no_cheap_flood() {
    let rates = RateLimits { address: Rate { second: 1, burst: 12_000 }, ..RateLimits::default() };
    let world = World::with(Options { rates, ..Options::default() }).await;
    let mut all = Vec::new();
    for path in ["/openapi.json", "/schema.graphql", "/openapi.json", "/schema.graphql"] {
        all.push(world.request(reqwest::Method::GET, path).send().await.expect("an answer").status().as_u16());
    }
    assert_eq!(all, [200, 200, 200, 429]);
}

/// Over RPC a report costs as much as it is worth, and a small read little.
#[tokio::test]
async fn a_report_over_rpc_is_dearer_than_a_row() {
    let world = World::with(Options { rates: limits(Rate { second: 1, burst: 6_000 }, AMPLE), ..Options::default() }).await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let house = world.create_property(&olga, home, "1").await["id"].clone();
    let report = json!({ "by": "KIND", "measure": "PROPERTIES" });
    for _ in 0..20 {
        world.rpc(&olga, Some(home), "property/v1/get", json!({ "id": house })).await.ok();
    }
    let mut asked = 0;
    while world.rpc(&olga, Some(home), "portfolio/v1/report", report.clone()).await.status != 429 {
        asked += 1;
        assert!(asked < 12, "never refused");
    }
    assert!(asked > 2, "{asked}");
}

/// A person who founds one organization after the other has no more than in a few of them.
#[tokio::test]
async fn many_organizations_of_one_person_are_no_many_people() {
    let few = Rate { second: 1, burst: 3_000 };
    let world = World::with(Options { rates: limits(few, AMPLE), ..Options::default() }).await;
    let olga = person("olga");
    let mut homes = Vec::new();
    for _ in 0..6 {
        homes.push(world.found(&olga, "TRUST_OR_LLC").await);
    }
    // So much that no organization alone would be refused.
    let ask = "{ a: properties(first: 100) { nodes { id } } b: properties(first: 100) { nodes { id } } }";
    let mut codes = Vec::new();
    for home in homes.iter().flat_map(|home| [home; 10]) {
        codes.push(world.gql(&olga, Some(*home), ask, json!({})).await.gql_code().to_owned());
    }
    assert!(codes[..20].iter().all(String::is_empty), "{codes:?}");
    assert_eq!(codes.last().map(String::as_str), Some("RATE_LIMITED"), "{codes:?}");
}

/// Two replicas settle within a moment: each refuses what was spent at the other.
#[tokio::test]
async fn replicas_settle_what_was_spent() {
    let few = Rate { second: 1, burst: 3_000 };
    let world = World::with(Options { rates: limits(few, AMPLE), ..Options::default() }).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let second = world.replica(Options { rates: limits(few, AMPLE), ..Options::default() }).await;
    let ask = "{ properties(first: 100) { nodes { id } } }";
    let mut spent = 0;
    while world.gql(&owner, Some(home), ask, json!({})).await.gql_code() != "RATE_LIMITED" {
        spent += 1;
        assert!(spent < 100);
    }
    // The other lets through no more than what it does not know of yet.
    let mut more = 0;
    crate::harness::until("a refusal at the other replica", async || {
        let answer = world.gql_at(&second.url(), &owner, Some(home), ask, json!({})).await;
        more += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        (answer.gql_code() == "RATE_LIMITED").then_some(())
    })
    .await;
    let alone = 3_000 / 151 + 1;
    assert!(more < alone, "{more} more than the {spent}: as if it had never heard of them");
}

/// A measure refuses nobody.
#[tokio::test]
async fn a_measure_refuses_nobody() {
    let few = Rate { second: 1, burst: 1 };
    let rates = RateLimits { mode: RateMode::Measure, address: few, client: few, principal: few, organization: few };
    let world = World::with(Options { rates, ..Options::default() }).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    for _ in 0..5 {
        world.gql(&owner, Some(home), "{ properties { nodes { id } } }", json!({})).await.data();
    }
}

/// One person has so many live connections, and no more; others have theirs.
#[tokio::test]
async fn a_person_has_so_many_live_connections() {
    let world = World::new().await;
    let (olga, mara) = (person("olga"), person("mara"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    world.join(&olga, home, &mara, "TRUSTEE").await;
    let mut held = Vec::new();
    for _ in 0..schema::Limits::default().connections {
        held.push(Socket::open(&world.app.url(), &olga, Some(home), None).await.expect("a connection"));
    }
    assert!(Socket::open(&world.app.url(), &olga, Some(home), None).await.is_err());
    let stream = world.request(reqwest::Method::POST, "/graphql").bearer_auth(&olga.token).header("accept", "text/event-stream");
    let stream = stream.header("x-organization-id", home.to_string());
    let refused =
        stream.json(&json!({ "query": "subscription { propertyChanged { cursor } }" })).send().await.expect("an answer");
    assert_eq!(refused.status(), 429);
    Socket::open(&world.app.url(), &mara, Some(home), None).await.expect("another person's");
    held.pop();
    crate::harness::until("room for one more", async || Socket::open(&world.app.url(), &olga, Some(home), None).await.ok()).await;
}

/// An organization has no more things of a kind than it may, whichever kind it is, and others go on.
#[tokio::test]
async fn things_of_a_kind_have_a_quota() {
    let world = World::new().await;
    let (olga, mara) = (person("olga"), person("mara"));
    let (home, other) = (world.found(&olga, "TRUST_OR_LLC").await, world.found(&mara, "TRUST_OR_LLC").await);
    let sql = format!("INSERT INTO quota (organization_id, name, most) VALUES ('{home}', 'thingsOfAKind', 3)");
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&world.sql).await.expect("a quota");
    for n in 0..3 {
        world.create_property(&olga, home, &n.to_string()).await;
        world.call(&olga, home, "portfolio/v1/create", json!({ "name": format!("No. {n}") })).await.ok();
    }
    for (procedure, input, kind) in [
        ("property/v1/create", World::property("4"), "property"),
        ("portfolio/v1/create", json!({ "name": "No. 4" }), "portfolio"),
    ] {
        let refused = world.call(&olga, home, procedure, input).await;
        refused.refused("QUOTA_EXCEEDED");
        assert_eq!(refused.body["error"]["details"], json!({ "quota": "thingsOfAKind", "kind": kind, "most": 3 }));
    }
    for n in 0..4 {
        world.create_property(&mara, other, &n.to_string()).await;
    }
}
