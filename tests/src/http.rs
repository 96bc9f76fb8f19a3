//! HTTP as browsers, caches and tools use it.

use crate::harness::{World, person};
use reqwest::{Method, Response, header};
use serde_json::{Value, json};

const PORTAL: &str = "https://portal.example";

fn named<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().expect("a text"))
}

async fn answer(request: reqwest::RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

#[tokio::test]
async fn a_page_of_another_origin_calls_if_its_origin_is_listed() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let preflight = |origin: &'static str, path: &str| {
        let asked = world.request(Method::OPTIONS, path).header("origin", origin);
        asked
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-organization-id,x-grant-id")
    };
    for path in ["/graphql", "/api/v1/rpc/property/v1/list"] {
        let allowed = answer(preflight(PORTAL, path)).await;
        assert_eq!((allowed.status().as_u16(), named(&allowed, "access-control-allow-origin")), (200, Some(PORTAL)));
        let headers = named(&allowed, "access-control-allow-headers").expect("headers").to_owned();
        for needed in ["authorization", "content-type", "x-organization-id", "x-grant-id"] {
            assert!(headers.contains(needed), "{headers}");
        }
        for other in ["https://portal.example.org", "http://portal.example", "null"] {
            let refused = answer(preflight(other, path)).await;
            assert_eq!(named(&refused, "access-control-allow-origin"), None, "{other}");
        }
    }
    let ask = |origin: &'static str| {
        let request = world.request(Method::POST, "/graphql").bearer_auth(&owner.token).header("origin", origin);
        request.header("x-organization-id", home.to_string()).json(&json!({ "query": "{ viewer { id } }" }))
    };
    let read = answer(ask(PORTAL)).await;
    assert_eq!(named(&read, "access-control-allow-origin"), Some(PORTAL));
    assert!(named(&read, "access-control-expose-headers").expect("headers").contains("x-trace-id"));
    assert!(named(&read, "vary").expect("what it depends on").contains("origin"));
    // A refusal can be read as well.
    let refused =
        answer(world.request(Method::POST, "/graphql").header("origin", PORTAL).json(&json!({ "query": "{ x }" }))).await;
    assert_eq!((refused.status().as_u16(), named(&refused, "access-control-allow-origin")), (401, Some(PORTAL)));
    assert_eq!(named(&answer(ask("https://evil.example")).await, "access-control-allow-origin"), None);

    // Browsers do not ask before they open a socket.
    let upgrade = |origin: Option<&'static str>| {
        let request = world.request(Method::GET, "/graphql").header("connection", "upgrade").header("upgrade", "websocket");
        let request = request.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let request = request.header("sec-websocket-protocol", "graphql-transport-ws");
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
    };
    assert_eq!(answer(upgrade(None)).await.status(), 101);
    assert_eq!(answer(upgrade(Some(PORTAL))).await.status(), 101);
    let refused = world.send(upgrade(Some("https://evil.example"))).await;
    assert_eq!((refused.status, refused.gql_code()), (403, "ORIGIN_NOT_ALLOWED"));
}

#[tokio::test]
async fn a_refused_method_names_those_that_are_answered() {
    let world = World::new().await;
    let cases = [
        ("/graphql", Method::PUT, "GET, POST"),
        ("/graphql", Method::DELETE, "GET, POST"),
        ("/api/v1/rpc/property/v1/list", Method::GET, "POST"),
        ("/livez", Method::POST, "GET"),
        ("/openapi.json", Method::DELETE, "GET"),
    ];
    for (path, method, allowed) in cases {
        let refused = answer(world.request(method.clone(), path)).await;
        let named: Vec<&str> = named(&refused, "allow").unwrap_or_default().split(',').map(str::trim).collect();
        assert_eq!(refused.status(), 405, "{method} {path}");
        assert!(allowed.split(", ").all(|one| named.contains(&one)), "{method} {path}: {named:?}");
    }
}

#[tokio::test]
async fn the_contract_is_served_kept_and_compressed() {
    let world = World::new().await;
    let golden = |name: &str| std::fs::read_to_string(crate::harness::root().join("schema/golden").join(name)).expect("a file");
    for path in ["/openapi.json", "/schema.graphql"] {
        let whole = answer(world.request(Method::GET, path)).await;
        let tag = named(&whole, "etag").expect("a tag").to_owned();
        assert_eq!((whole.status().as_u16(), named(&whole, "cache-control")), (200, Some("no-cache")));
        let text = whole.text().await.expect("a text");
        if path == "/schema.graphql" {
            assert_eq!(text, golden("schema.graphql"));
        }
        let again = answer(world.request(Method::GET, path).header(header::IF_NONE_MATCH, &tag)).await;
        assert_eq!((again.status().as_u16(), named(&again, "etag")), (304, Some(tag.as_str())));
        assert!(again.bytes().await.expect("a body").is_empty());
        let other = answer(world.request(Method::GET, path).header(header::IF_NONE_MATCH, "W/\"another\"")).await;
        assert_eq!(other.status(), 200);
        for coding in ["br", "gzip"] {
            let packed = answer(world.request(Method::GET, path).header(header::ACCEPT_ENCODING, coding)).await;
            assert_eq!(named(&packed, "content-encoding"), Some(coding));
            let size = packed.bytes().await.expect("a body").len();
            assert!(size * 5 < text.len(), "{path} as {coding}: {size} of {}", text.len());
        }
    }
    let page = answer(world.request(Method::GET, "/")).await;
    assert!(named(&page, "content-type").is_some_and(|media| media.starts_with("text/html")));
    let page = page.text().await.expect("a text");
    assert!(["/graphql", "/schema.graphql", "/openapi.json", "/graphiql"].iter().all(|place| page.contains(place)), "{page}");
    // An answer that somebody asked for is kept by nobody.
    let live = answer(world.request(Method::GET, "/livez")).await;
    assert_eq!(named(&live, "cache-control"), Some("no-store"));
}

#[tokio::test]
async fn data_is_absent_where_nothing_was_executed() {
    let world = World::new().await;
    let owner = person("olga");
    let ask = |body: Value| world.request(Method::POST, "/graphql").bearer_auth(&owner.token).json(&body);
    for (body, code) in [
        (json!({ "query": "{" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "{ nope }" }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "query": 7 }), "INVALID_INPUT"),
        (json!({ "query": "{ __typename }", "extensions": "string" }), "INVALID_INPUT"),
        (json!({ "query": "{ __typename }", "extensions": [] }), "INVALID_INPUT"),
        // Clients that would send hashes know this code, and send the document from then on.
        (json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "00" } } }), "PERSISTED_QUERY_NOT_SUPPORTED"),
    ] {
        for accept in ["application/json", "application/graphql-response+json"] {
            let refused = world.send(ask(body.clone()).header("accept", accept)).await;
            assert_eq!((refused.gql_code(), refused.body.get("data")), (code, None), "{:#}", refused.body);
        }
    }
    let by_url = world.request(Method::GET, "/graphql").bearer_auth(&owner.token);
    let by_url = by_url.query(&[("extensions", "{\"persistedQuery\":{\"version\":1,\"sha256Hash\":\"00\"}}")]);
    assert_eq!(world.send(by_url).await.gql_code(), "PERSISTED_QUERY_NOT_SUPPORTED");
    // With the document beside it, the hash does not matter.
    let both = json!({ "query": "{ __typename }", "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "00" } } });
    assert_eq!(world.send(ask(both)).await.data()["__typename"], "Query");
    // A field that failed was executed.
    let failed = world.send(ask(json!({ "query": "{ properties { totalCount } }" }))).await;
    assert_eq!(failed.body.get("data"), Some(&json!({ "properties": null })), "{:#}", failed.body);
}
