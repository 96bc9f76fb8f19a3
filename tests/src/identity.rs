use crate::harness::{Options, Process, World, folder, people, person, until};
use axum::{Json, Router, routing::get};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::{ecdsa::SigningKey, pkcs8::EncodePrivateKey};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const VIEWER: &str = "{ viewer { id kind email displayName memberships { nodes { role } } } }";

#[tokio::test]
async fn only_a_sound_token_is_someone() {
    let world = World::new().await;
    let olga = person("olga");
    let answer = world.gql(&olga, None, VIEWER, json!({})).await;
    assert_eq!(answer.data()["viewer"]["kind"], "HUMAN");
    assert_eq!(answer.data()["viewer"]["memberships"]["nodes"], json!([]), "a first sign-in gives no right at all");
    let now = crate::harness::START;
    let (other, _) = es256("elsewhere");
    let parts: Vec<&str> = olga.token.split('.').collect();
    let none = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    let cases = [
        ("", "AUTHENTICATION_REQUIRED"),
        ("nonsense", "TOKEN_INVALID"),
        (none.as_str(), "TOKEN_INVALID"),
        (&format!("{}.{}.{}", parts[0], parts[1], "AAAA"), "TOKEN_INVALID"),
        (
            &olga.token_with(&people::header(Algorithm::HS256, "development"), &EncodingKey::from_secret(b"public"), |_| ()),
            "TOKEN_INVALID",
        ),
        (&olga.token_with(&people::header(Algorithm::ES256, "development"), &other, |_| ()), "TOKEN_INVALID"),
        (&olga.token_with(&people::header(Algorithm::ES256, "unknown"), &other, |_| ()), "TOKEN_INVALID"),
        (&olga.signed(|claims| claims["aud"] = json!("others")), "TOKEN_INVALID"),
        (&olga.signed(|claims| claims["iss"] = json!("https://elsewhere.example")), "TOKEN_INVALID"),
        (&olga.signed(|claims| drop(claims.as_object_mut().and_then(|c| c.remove("sub")))), "TOKEN_INVALID"),
        (&olga.signed(|claims| claims["sub"] = json!("")), "TOKEN_INVALID"),
        (&olga.signed(|claims| claims["sub"] = json!("a\u{0}b")), "TOKEN_INVALID"),
        (&olga.signed(|claims| claims["sub"] = json!("x".repeat(4_000))), "TOKEN_INVALID"),
        (&olga.signed(|claims| drop(claims.as_object_mut().and_then(|c| c.remove("exp")))), "TOKEN_INVALID"),
        (&olga.signed(|claims| claims["nbf"] = json!(now + 3_600)), "TOKEN_INVALID"),
        (&olga.signed(|claims| claims["exp"] = json!(now - 31)), "TOKEN_EXPIRED"),
    ];
    for (token, code) in cases {
        let who = crate::harness::Person { token: token.to_owned(), ..olga.clone() };
        let answer = world.rpc(&who, None, "property/v1/list", json!({})).await;
        if token.is_empty() {
            // An empty bearer is no bearer.
            assert!(matches!(answer.code(), "AUTHENTICATION_REQUIRED" | "TOKEN_INVALID"));
            let bare = world.send(world.request(reqwest::Method::POST, "/api/v1/rpc/property/v1/list").json(&json!({}))).await;
            bare.refused(code);
            continue;
        }
        assert_eq!((answer.status, answer.code()), (401, code), "{token}");
    }
    // Clocks may differ a little.
    let late = crate::harness::Person { token: olga.signed(|claims| claims["exp"] = json!(now - 20)), ..olga.clone() };
    world.gql(&late, None, VIEWER, json!({})).await.data();
    // An address that nobody verified proves nothing.
    let claimed = olga.signed(|claims| {
        claims["sub"] = json!("imposter");
        claims["email_verified"] = json!(false);
    });
    let imposter = crate::harness::Person { token: claimed, ..olga.clone() };
    assert_eq!(world.gql(&imposter, None, VIEWER, json!({})).await.data()["viewer"]["email"], Value::Null);
}

fn es256(kid: &str) -> (EncodingKey, Value) {
    // Any number below the curve's order is a key.
    let seed = kid.bytes().fold(7_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)) & 0x7f;
    let secret = SigningKey::from_slice(&[seed.max(1); 32]).expect("a key");
    let der = secret.to_pkcs8_der().expect("PKCS #8");
    let point = secret.verifying_key().to_encoded_point(false);
    let encode = |bytes: &[u8]| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let (x, y) = (encode(point.x().expect("x")), encode(point.y().expect("y")));
    let jwk = json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": x, "y": y });
    (EncodingKey::from_ec_der(der.as_bytes()), jwk)
}

fn token(kid: &str, key: &EncodingKey) -> String {
    let claims = json!({ "iss": people::ISSUER, "aud": people::AUDIENCE, "sub": "rotating", "exp": 4_000_000_000_u64 });
    jsonwebtoken::encode(&Header { kid: Some(kid.into()), ..Header::new(Algorithm::ES256) }, &claims, key).expect("a token")
}

#[tokio::test]
async fn keys_are_fetched_cached_and_rotated() {
    let (one, first) = es256("one");
    let (two, second) = es256("two");
    let keys = Arc::new(Mutex::new((json!({ "keys": [first] }), 0)));
    let served = Arc::clone(&keys);
    let routes = Router::new().route(
        "/jwks.json",
        get(move || {
            let mut keys = served.lock().expect("no panic holds it");
            keys.1 += 1;
            let set = keys.0.clone();
            async move { Json(set) }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/jwks.json", listener.local_addr().expect("an address"));
    tokio::spawn(axum::serve(listener, routes).into_future());
    let world = World::with(Options { real_time: true, ..Options::default() }).await;
    let gateway = Process::serve(&world, &[("HESTAMI_JWKS", &url)]).await;
    let ask = async |token: String| {
        let who = crate::harness::Person { subject: "rotating".into(), email: String::new(), token };
        world.gql_at(&gateway.url, &who, None, VIEWER, json!({})).await
    };
    for _ in 0..5 {
        ask(token("one", &one)).await.data();
    }
    assert_eq!(keys.lock().expect("no panic holds it").1, 1, "cached");
    assert_eq!(ask(token("two", &two)).await.gql_code(), "TOKEN_INVALID");
    keys.lock().expect("no panic holds it").0 = json!({ "keys": [second] });
    // An unknown key is looked up again, though not for every stranger.
    until("the new key", async || ask(token("two", &two)).await.body["data"].is_object().then_some(())).await;
    assert_eq!(ask(token("one", &one)).await.gql_code(), "TOKEN_INVALID", "the old one is gone");
    let asked = keys.lock().expect("no panic holds it").1;
    for number in 0..20 {
        ask(token(&format!("stranger-{number}"), &one)).await;
    }
    assert!(keys.lock().expect("no panic holds it").1 - asked <= 2, "strangers do not make it ask each time");
    gateway.stop().await;
}

#[tokio::test]
async fn keys_from_a_file_of_every_algorithm_are_taken() {
    use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey, rand_core::OsRng, traits::PublicKeyParts};
    let secret = RsaPrivateKey::new(&mut OsRng, 2048).expect("a key");
    let encode = |bytes: &[u8]| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let (n, e) = (encode(&secret.n().to_bytes_be()), encode(&secret.e().to_bytes_be()));
    let rsa = EncodingKey::from_rsa_der(secret.to_pkcs1_der().expect("PKCS #1").as_bytes());
    let (ec, jwk) = es256("file");
    let keys = json!({ "keys": [jwk, { "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rsa", "n": n, "e": e }] });
    let path = folder("rsa").join("jwks.json");
    std::fs::write(&path, keys.to_string()).expect("a file");
    let world = World::with(Options { real_time: true, ..Options::default() }).await;
    let gateway = Process::serve(&world, &[("HESTAMI_JWKS", &path.display().to_string())]).await;
    let claims = json!({ "iss": people::ISSUER, "aud": people::AUDIENCE, "sub": "rotating", "exp": 4_000_000_000_u64 });
    let by_rsa = |algorithm| jsonwebtoken::encode(&people::header(algorithm, "rsa"), &claims, &rsa).expect("a token");
    for (token, sound) in [(token("file", &ec), true), (by_rsa(Algorithm::RS256), true), (by_rsa(Algorithm::RS512), false)] {
        let who = crate::harness::Person { subject: "rotating".into(), email: String::new(), token };
        let answer = world.gql_at(&gateway.url, &who, None, VIEWER, json!({})).await;
        assert_eq!(answer.body["data"].is_object(), sound, "{:#}", answer.body);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_right_that_is_gone_is_gone_at_once_here_and_within_a_second_elsewhere() {
    let world = World::with(Options { real_time: true, ..Options::default() }).await;
    let replica = world.replica(Options::default()).await;
    let (olga, tom) = (person("olga"), person("tom"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let list = "{ properties { totalCount } }";
    for round in 0..3 {
        let trustee = world.join(&olga, home, &tom, "TRUSTEE").await;
        world.gql(&tom, Some(home), list, json!({})).await.data();
        let learnt = std::time::Instant::now();
        world.gql_at(&replica.url(), &tom, Some(home), list, json!({})).await.data();
        let revoke = json!({ "id": trustee["id"], "version": trustee["version"] });
        let revoked = world.call(&olga, home, "membership/v1/revoke", revoke).await;
        let began = std::time::Instant::now();
        revoked.ok();
        let here = world.gql(&tom, Some(home), list, json!({})).await;
        assert_eq!(here.gql_code(), "ORGANIZATION_NOT_FOUND", "round {round}: {:#}", here.body);
        // A write compares with the rows themselves, on every replica.
        let mut body = World::property("1");
        body["idempotencyKey"] = world.key().to_string().into();
        let refused = world.rpc_at(&replica.url(), &tom, Some(home), "property/v1/create", body).await;
        // A replica that was asked so late has forgotten by itself.
        let late = refused.code() == "ORGANIZATION_NOT_FOUND" && learnt.elapsed() >= std::time::Duration::from_secs(1);
        refused.refused(if late { "ORGANIZATION_NOT_FOUND" } else { "AUTHORITY_LOST" });
        until("the end of what was known", async || {
            let answer = world.gql_at(&replica.url(), &tom, Some(home), list, json!({})).await;
            (answer.gql_code() == "ORGANIZATION_NOT_FOUND").then_some(())
        })
        .await;
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    }
    replica.stop(std::time::Duration::from_secs(5)).await;
}
