//! Tokens that say too much, are good for too long, or were taken back.

use crate::harness::{
    Options, Person, Socket, World,
    people::{self, SECRETS},
    person,
    subscriber::Heard,
    until,
};
use jsonwebtoken::{Algorithm, Header};
use serde_json::json;
use std::time::Duration;

const ASK: &str = "{ viewer { email } }";

async fn code(world: &World, who: &Person, token: String) -> String {
    world.gql(&Person { token, ..who.clone() }, None, ASK, json!({})).await.gql_code().to_owned()
}

#[tokio::test]
async fn a_token_is_good_for_no_longer_than_one_may_be() {
    let day = 24 * 3_600;
    let world = World::with(Options { token_life: Duration::from_secs(day), ..Options::default() }).await;
    let olga = person("olga");
    let now = crate::harness::START;
    let day = i64::try_from(day).expect("a day");
    for (change, said) in [
        (json!({ "iat": now, "exp": now + day }), ""),
        (json!({ "iat": now, "exp": now + day + 1 }), "TOKEN_INVALID"),
        (json!({ "iat": null, "exp": now + day }), ""),
        (json!({ "iat": null, "exp": now + day + 1 }), "TOKEN_INVALID"),
        (json!({ "iat": now, "exp": i64::MAX }), "TOKEN_INVALID"),
        (json!({ "iat": now + 10 * day, "exp": now + 11 * day }), "TOKEN_INVALID"),
        // A part of a second is a time, too; a text is none.
        (json!({ "iat": now, "exp": now as f64 + 3_600.5 }), ""),
        (json!({ "iat": now, "exp": "tomorrow" }), "TOKEN_INVALID"),
    ] {
        let token = olga.signed(|claims| {
            for (name, value) in change.as_object().expect("claims") {
                match value.is_null() {
                    true => drop(claims.as_object_mut().and_then(|claims| claims.remove(name))),
                    false => claims[name] = value.clone(),
                }
            }
        });
        assert_eq!(code(&world, &olga, token).await, said, "{change}");
    }
}

/// A header that says it must be understood is not understood.
#[tokio::test]
async fn a_critical_header_is_refused() {
    let world = World::new().await;
    let olga = person("olga");
    let now = crate::harness::START;
    let claims = server::secrets::claims(people::AUDIENCE, "olga", None, None, now, 3_600);
    for (crit, said) in [(None, ""), (Some(vec!["exp".to_owned()]), "TOKEN_INVALID")] {
        let token = SECRETS.sign_with(Header { crit, ..Header::new(Algorithm::EdDSA) }, &claims).expect("a token");
        assert_eq!(code(&world, &olga, token).await, said);
    }
}

/// Whether an address is verified is true, or not.
#[tokio::test]
async fn an_address_is_verified_or_not() {
    let world = World::new().await;
    for (name, said, shown) in [
        ("a", json!(true), json!("a@example.com")),
        ("b", json!("true"), json!("b@example.com")),
        ("c", json!("yes"), json!(null)),
        ("d", json!(1), json!(null)),
    ] {
        let who = person(name);
        let token = who.signed(|claims| claims["email_verified"] = said.clone());
        let answer = world.gql(&Person { token, ..who }, None, ASK, json!({})).await;
        assert_eq!(answer.data()["viewer"]["email"], shown, "{said}");
    }
}

/// A person who is blocked, and a token that was taken back, are refused within a second on every replica, streams included; others
/// are not, and it can be ended.
#[tokio::test]
async fn what_is_denied_ends_within_a_second_everywhere() {
    let world = World::new().await;
    let (olga, mara) = (person("olga"), person("mara"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    world.join(&olga, home, &mara, "TRUSTEE").await;
    let second = world.replica(Options::default()).await;
    let stolen = Person { token: mara.signed(|claims| claims["jti"] = json!("stolen")), ..mara.clone() };
    let mara_id = world.principal(&mara).await;
    let owner = sqlx::PgPool::connect(&world.cluster.url("hestami_owner", &world.database)).await.expect("a pool");
    let read = "{ properties { totalCount } }";
    let stream = "subscription { propertyChanged { cursor } }";
    for (kind, subject, victim, said) in [
        ("TOKEN", "stolen", &stolen, "TOKEN_INVALID"),
        ("PRINCIPAL", mara_id.as_str().expect("an id"), &mara, "PRINCIPAL_BLOCKED"),
    ] {
        let urls = [world.app.url(), second.url()];
        let mut sockets = Vec::new();
        for url in &urls {
            let mut socket = Socket::open(url, victim, Some(home), None).await.expect("a connection");
            socket.subscribe("s", stream, json!({})).await;
            world.gql_at(url, victim, Some(home), read, json!({})).await.data();
            sockets.push(socket);
        }
        server::denial::put(&owner, kind, subject, Some("lost"), None).await.expect("denied");
        let since = std::time::Instant::now();
        for (url, mut socket) in urls.iter().zip(sockets) {
            until("a refusal", async || {
                (world.gql_at(url, victim, Some(home), read, json!({})).await.gql_code() == said).then_some(())
            })
            .await;
            assert!(matches!(socket.hear().await, Heard::Closed(4403, reason) if reason == said), "{kind}");
            assert!(Socket::open(url, victim, Some(home), None).await.is_err());
        }
        // Heartbeats are a second apart; the rest is this machine's.
        assert!(since.elapsed() < Duration::from_secs(5));
        for url in &urls {
            world.gql_at(url, &olga, Some(home), read, json!({})).await.data();
        }
        if kind == "TOKEN" {
            world.gql(&mara, Some(home), read, json!({})).await.data();
        }
        assert!(server::denial::take(&owner, kind, subject).await.expect("allowed"));
        until("an answer", async || (world.gql(victim, Some(home), read, json!({})).await.gql_code().is_empty()).then_some(()))
            .await;
    }
}
