//! Requests that two readers may read differently.

use crate::harness::{World, person};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn raw(world: &World, text: &str) -> String {
    let address = world.app.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut said = String::new();
    let _ = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_string(&mut said)).await;
    said
}

#[tokio::test]
async fn a_body_is_plain_json_in_utf_8_and_says_no_key_twice() {
    let world = World::new().await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let send = async |headers: &[(&str, &str)], path: &str, body: String| {
        let request = world.request(reqwest::Method::POST, path).bearer_auth(&olga.token);
        let request = request.header("x-organization-id", home.to_string()).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        world.send(request).await
    };
    let json_is = ("content-type", "application/json");
    let list = "/api/v1/rpc/property/v1/list";
    for (headers, status) in [
        (&[json_is][..], 200),
        (&[("content-type", "application/json; charset=utf-8")], 200),
        (&[("content-type", "application/json;charset=\"UTF-8\"")], 200),
        (&[("content-type", "application/json; charset=utf-16")], 415),
        (&[json_is, ("content-encoding", "identity")], 200),
        (&[json_is, ("content-encoding", "gzip")], 415),
        (&[json_is, ("content-encoding", "identity"), ("content-encoding", "br")], 415),
    ] {
        assert_eq!(send(headers, list, "{}".into()).await.status, status, "{headers:?}");
    }
    let key = world.key();
    let mut twice = World::property("1");
    twice["idempotencyKey"] = key.to_string().into();
    let twice = twice.to_string();
    for doubled in ["\"kind\": \"LAND\",", "\"idempotencyKey\": \"00000000-0000-4000-8000-000000000009\","] {
        let body = format!("{{{doubled}{}", &twice[1..]);
        let answer = send(&[json_is], "/api/v1/rpc/property/v1/create", body).await;
        assert_eq!((answer.status, answer.code()), (400, "MALFORMED_JSON"), "{:#}", answer.body);
        assert!(answer.body["error"]["message"].as_str().is_some_and(|said| said.contains("twice")));
    }
    let answer =
        send(&[json_is], "/graphql", "{\"query\":\"{ viewer { id } }\",\"query\":\"{ viewer { email } }\"}".into()).await;
    assert_eq!(answer.gql_code(), "MALFORMED_JSON");
    assert_eq!(world.count("SELECT count(*) FROM property").await, 0);
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let world = World::new().await;
    for (hosts, said) in [
        ("Host: a.example\r\n", "200 OK"),
        ("Host: a.example\r\nHost: b.example\r\n", "400 Bad Request"),
        ("Host: a.example\r\nHost: a.example\r\n", "400 Bad Request"),
        ("", "400 Bad Request"),
    ] {
        let answer = raw(&world, &format!("GET /schema.graphql HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {said}")), "{hosts:?}: {answer:.200}");
    }
}

/// Every page says that it is of the type that it says, stands in no frame, and may load nothing but its own.
#[tokio::test]
async fn every_answer_keeps_a_browser_in_bounds() {
    let world = World::new().await;
    for path in ["/", "/graphiql", "/graphql", "/schema.graphql", "/openapi.json", "/livez", "/nothing", "/api/v1/rpc/x/v1/y"] {
        let answer = world.request(reqwest::Method::GET, path).send().await.expect("an answer");
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        assert_eq!((header("x-content-type-options"), header("x-frame-options")), ("nosniff".into(), "DENY".into()), "{path}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("script-src 'unsafe-inline'") && !policy.contains("unsafe-eval"), "{path}: {policy}");
    }
}
