//! Somebody who is blocked in one organization.

use crate::harness::{Options, Socket, World, person, subscriber::Heard, until};
use serde_json::{Value, json};

/// Whoever is blocked is nobody there within a second, on every replica and in every stream; nothing rests on them; elsewhere they go
/// on; and what they held counts again once it is lifted.
#[tokio::test]
async fn whoever_is_blocked_is_nobody_in_that_organization() {
    let world = World::new().await;
    let (olga, tom, lena, mara) = (person("olga"), person("tom"), person("lena"), person("mara"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let elsewhere = world.found(&tom, "TRUST_OR_LLC").await;
    let toms = world.join(&olga, home, &tom, "TRUSTEE").await;
    world.join(&olga, home, &mara, "ADMINISTRATOR").await;
    let house = world.create_property(&olga, home, "1").await["id"].clone();
    let grant = json!({ "holderId": world.principal(&lena).await, "propertyIds": [house], "actions": ["READ"] });
    world.delegate(&tom, home, grant).await;
    let second = world.replica(Options::default()).await;
    let urls = [world.app.url(), second.url()];
    let read = "{ properties { totalCount } }";
    let (gone, stream) = ("ORGANIZATION_NOT_FOUND", "subscription { propertyChanged { cursor } }");
    let mut sockets = Vec::new();
    for url in &urls {
        for who in [&tom, &lena] {
            let mut socket = Socket::open(url, who, Some(home), None).await.expect("a connection");
            socket.subscribe("s", stream, json!({})).await;
            world.gql_at(url, who, Some(home), read, json!({})).await.data();
            sockets.push(socket);
        }
    }
    let block = json!({ "membershipId": toms["id"], "reason": "The phone was stolen" });
    world.call(&tom, home, "block/v1/create", block.clone()).await.refused("FORBIDDEN");
    let blocked = world.call(&mara, home, "block/v1/create", block.clone()).await.ok().clone();
    assert_eq!((&blocked["ofOwner"], &blocked["endedAt"]), (&json!(false), &Value::Null));
    for url in &urls {
        for who in [&tom, &lena] {
            until("a refusal", async || {
                (world.gql_at(url, who, Some(home), read, json!({})).await.gql_code() == gone).then_some(())
            })
            .await;
        }
    }
    for mut socket in sockets {
        let Heard::Message(message) = socket.hear().await else { panic!("the subscription ends, not the connection") };
        let code = message["payload"][0]["extensions"]["code"].as_str().map(str::to_owned);
        let end = message["payload"]["errors"][0]["extensions"]["code"].as_str().map(str::to_owned);
        assert_eq!(code.or(end).as_deref(), Some("AUTHORITY_LOST"), "{message:#}");
    }
    world.gql(&tom, Some(elsewhere), read, json!({})).await.data();
    let places = "{ viewer { memberships { nodes { organizationId } } } }";
    let places = world.gql(&tom, None, places, json!({})).await.data()["viewer"]["memberships"]["nodes"].clone();
    assert_eq!(places, json!([{ "organizationId": elsewhere }]));
    world.call(&olga, home, "block/v1/create", block).await.refused("BLOCK_EXISTS");
    let list =
        "{ blocks(filter: { lifted: false }) { nodes { principal { displayName } blockedByActor { displayName } reason } } }";
    let list = world.gql(&olga, Some(home), list, json!({})).await.data()["blocks"]["nodes"].clone();
    let row = json!({ "principal": { "displayName": "tom" }, "blockedByActor": { "displayName": "mara" }, "reason": "The phone was stolen" });
    assert_eq!(list, json!([row]));
    let lift = json!({ "id": blocked["id"], "version": 1, "reason": "Found" });
    world.call(&olga, home, "block/v1/lift", lift.clone()).await.ok();
    for who in [&tom, &lena] {
        until("an answer", async || world.gql(who, Some(home), read, json!({})).await.gql_code().is_empty().then_some(())).await;
    }
    world.call(&olga, home, "block/v1/lift", json!({ "id": blocked["id"], "version": 2 })).await.refused("BLOCK_LIFTED");
}

#[tokio::test]
async fn owners_are_blocked_by_owners_and_nobody_by_themselves() {
    let world = World::new().await;
    let (olga, mara, mallory) = (person("olga"), person("mara"), person("mallory"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let second = world.join(&olga, home, &person("tom"), "OWNER").await;
    world.join(&olga, home, &mara, "ADMINISTRATOR").await;
    let owner = json!({ "membershipId": second["id"] });
    world.call(&mara, home, "block/v1/create", owner.clone()).await.refused("FORBIDDEN");
    let blocked = world.call(&olga, home, "block/v1/create", owner).await.ok().clone();
    assert_eq!(blocked["ofOwner"], json!(true));
    world.call(&mara, home, "block/v1/lift", json!({ "id": blocked["id"], "version": 1 })).await.refused("FORBIDDEN");
    let strangers = world.principal(&mallory).await;
    for (who, code) in
        [(world.principal(&olga).await, "YOURSELF"), (strangers, "NOT_FOUND"), (json!(entities::principal::SYSTEM), "NOT_FOUND")]
    {
        let refused = world.call(&olga, home, "block/v1/create", json!({ "principalId": who })).await;
        assert_eq!(refused.body["field_errors"][0]["code"], code, "{:#}", refused.body);
    }
    // The last owner stays: those who are blocked govern nothing.
    let own = world.rpc(&olga, Some(home), "membership/v1/list", json!({ "filter": { "role": ["OWNER"] } })).await.ok().clone();
    let own = own["edges"].as_array().into_iter().flatten().map(|edge| &edge["node"]).find(|one| one["id"] != second["id"]);
    let own = own.expect("hers");
    let leave = json!({ "id": own["id"], "version": own["version"] });
    world.call(&olga, home, "membership/v1/revoke", leave).await.refused("MEMBERSHIP_LAST_OWNER");
    // Another organization's block is not there.
    let elsewhere = world.found(&mallory, "TRUST_OR_LLC").await;
    world.call(&mallory, elsewhere, "block/v1/lift", json!({ "id": blocked["id"], "version": 1 })).await.refused("NOT_FOUND");
}

/// What somebody who is blocked offered lets nobody in.
#[tokio::test]
async fn an_offer_of_somebody_who_is_blocked_is_void() {
    let world = World::new().await;
    let (olga, mara, lena) = (person("olga"), person("mara"), person("lena"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let maras = world.join(&olga, home, &mara, "ADMINISTRATOR").await;
    let house = world.create_property(&olga, home, "1").await["id"].clone();
    let invite = json!({ "email": "lena@example.com", "role": "ADMINISTRATOR" });
    let invited = world.call(&mara, home, "membership/v1/invite", invite).await.ok()["id"].clone();
    let grant = json!({ "holderId": world.principal(&lena).await, "propertyIds": [house], "actions": ["READ"] });
    let offered = world.call(&mara, home, "delegation/v1/grant", grant).await.ok()["id"].clone();
    world.call(&olga, home, "block/v1/create", json!({ "membershipId": maras["id"] })).await.ok();
    let answer = async |procedure: &str, id: &Value| {
        world.rpc(&lena, None, procedure, json!({ "idempotencyKey": world.key(), "id": id })).await
    };
    answer("membership/v1/accept", &invited).await.refused("MEMBERSHIP_NOT_PENDING");
    answer("delegation/v1/accept", &offered).await.ok();
    let read = world.gql(&lena, Some(home), "{ properties { totalCount } }", json!({})).await;
    assert_eq!(read.gql_code(), "ORGANIZATION_NOT_FOUND");
}
