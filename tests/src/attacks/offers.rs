//! Rights that somebody did not ask for: they count once they are accepted, can be declined and given back, and end by themselves.

use crate::harness::{Answer, Person, World, person, until};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const OFFERS: &str =
    "{ viewer { delegations { id } delegationOffers { totalCount nodes { id organization { name } reason answerBy } }
    delegationsHeld { nodes { id } } invitations { id } invitationsOpen { totalCount nodes { id } } } }";

async fn answer(world: &World, who: &Person, procedure: &str, id: &Value) -> Answer {
    world.rpc(who, None, procedure, json!({ "idempotencyKey": world.key(), "id": id })).await
}

async fn viewer(world: &World, who: &Person) -> Value {
    world.gql(who, None, OFFERS, json!({})).await.data()["viewer"].clone()
}

/// A month and a moment later, everything that has a term that long is over.
async fn a_month_later(world: &World) {
    world.clock.advance(Duration::from_secs(30 * 24 * 3_600));
}

#[tokio::test]
async fn a_delegation_to_a_stranger_counts_once_it_is_accepted() {
    let world = World::new().await;
    let (olga, lena, mara) = (person("olga"), person("lena"), person("mara"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    world.join(&olga, home, &mara, "CONCIERGE_STAFF").await;
    let house = world.create_property(&olga, home, "1").await["id"].clone();
    let give = async |to: &Person| {
        let input =
            json!({ "holderId": world.principal(to).await, "propertyIds": [house], "actions": ["UPDATE"], "reason": "Lets it" });
        world.call(&olga, home, "delegation/v1/grant", input).await.ok().clone()
    };
    let read = async |who: &Person| world.gql(who, Some(home), "{ properties { totalCount } }", json!({})).await;
    let offered = give(&lena).await;
    assert_eq!((&offered["state"], &offered["acceptedAt"]), (&json!("OFFERED"), &Value::Null));
    assert_eq!(read(&lena).await.gql_code(), "ORGANIZATION_NOT_FOUND", "an offer lets nobody in");
    let seen = viewer(&world, &lena).await;
    assert_eq!((&seen["delegations"], &seen["delegationsHeld"]["nodes"]), (&json!([]), &json!([])));
    let node = &seen["delegationOffers"]["nodes"][0];
    assert_eq!(
        (&node["id"], &node["organization"]["name"], &node["reason"]),
        (&offered["id"], &json!("olga's"), &json!("Lets it"))
    );
    // A member has nothing to accept.
    assert_eq!(give(&mara).await["state"], "ACTIVE");
    // Nobody answers for somebody else.
    for verb in ["accept", "decline"] {
        answer(&world, &mara, &format!("delegation/v1/{verb}"), &offered["id"]).await.refused("NOT_FOUND");
    }
    assert_eq!(answer(&world, &lena, "delegation/v1/accept", &offered["id"]).await.ok()["state"], "ACTIVE");
    assert_eq!(read(&lena).await.data()["properties"]["totalCount"], 1);
    answer(&world, &lena, "delegation/v1/decline", &offered["id"]).await.refused("DELEGATION_NOT_OFFERED");
    // Given back.
    let back = json!({ "id": offered["id"], "version": 2, "reason": "No time" });
    world.call(&lena, home, "delegation/v1/revoke", back).await.ok();
    assert_eq!(read(&lena).await.gql_code(), "ORGANIZATION_NOT_FOUND");

    let second = give(&lena).await;
    assert_eq!(answer(&world, &lena, "delegation/v1/decline", &second["id"]).await.ok()["state"], "DECLINED");
    answer(&world, &lena, "delegation/v1/accept", &second["id"]).await.refused("DELEGATION_NOT_OFFERED");
    // Taken back before it was answered.
    let third = give(&lena).await;
    world.call(&olga, home, "delegation/v1/revoke", json!({ "id": third["id"], "version": 1 })).await.ok();
    answer(&world, &lena, "delegation/v1/accept", &third["id"]).await.refused("DELEGATION_NOT_OFFERED");
    // Nobody answered in time.
    let fourth = give(&lena).await;
    a_month_later(&world).await;
    answer(&world, &lena, "delegation/v1/accept", &fourth["id"]).await.refused("DELEGATION_NOT_OFFERED");
    let expired = "SELECT count(*) FROM delegation WHERE state = 'EXPIRED'";
    until("the note of its end", async || (world.count(expired).await == 1).then_some(())).await;
    assert_eq!(viewer(&world, &lena).await["delegationOffers"]["totalCount"], 0);
    let history = "query ($id: ID!) { organization(id: $id) { history(first: 50) { nodes { kind } } } }";
    let told =
        world.gql(&olga, Some(home), history, json!({ "id": home })).await.data()["organization"]["history"]["nodes"].to_string();
    for kind in ["delegation.accepted", "delegation.declined", "delegation.expired"] {
        assert!(told.contains(kind), "{kind}: {told}");
    }
}

#[tokio::test]
async fn a_desk_decides_whom_it_works_for() {
    let world = World::new().await;
    let (olga, dana, sam, mallory) = (person("olga"), person("dana"), person("sam"), person("mallory"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    world.join(&dana, desk, &sam, "CONCIERGE_STAFF").await;
    let elsewhere = world.found(&mallory, "TRUST_OR_LLC").await;
    world.create_property(&olga, home, "1").await;
    let offer = async |reason: &str| {
        let input = json!({ "kind": "ENGAGEMENT", "granteeOrganizationId": desk, "scopes": ["ACT"], "reason": reason });
        world.call(&olga, home, "accessGrant/v1/grant", input).await.ok().clone()
    };
    let list = "{ accessGrantOffers { nodes { id reason answerBy organization { name } } } engagedOrganizations { nodes { id } }
      engagedProperties { totalCount } }";
    let first = offer("Looks after the house").await;
    assert_eq!(first["acceptedAt"], Value::Null);
    let seen = world.gql(&dana, Some(desk), list, json!({})).await;
    let node = &seen.data()["accessGrantOffers"]["nodes"][0];
    assert_eq!((&node["id"], &node["organization"]["name"]), (&first["id"], &json!("olga's")));
    assert_eq!(
        (&seen.data()["engagedOrganizations"]["nodes"], &seen.data()["engagedProperties"]["totalCount"]),
        (&json!([]), &json!(0))
    );
    assert_eq!(
        world.rpc(&dana, Some(desk), "accessGrant/v1/offers", json!({})).await.ok()["edges"][0]["node"]["id"],
        first["id"]
    );
    world.read_through(&sam, desk, &first["id"], "property/v1/list", json!({})).await.refused("GRANT_NOT_FOUND");
    let node = "query ($id: ID!) { node(id: $id) { ... on AccessGrant { id actionsAllowed } } }";
    let found = world.gql(&dana, Some(desk), node, json!({ "id": first["id"] })).await;
    let can = json!({ "id": first["id"], "actionsAllowed": ["ACCESS_GRANT_ACCEPT", "ACCESS_GRANT_DECLINE"] });
    assert_eq!(found.data()["node"], can);
    let known = "SELECT count(*) FROM engaged_property";
    assert_eq!(world.count(known).await, 0);
    // Neither staff, nor the owner, nor a stranger answers for the desk.
    world.call(&sam, desk, "accessGrant/v1/accept", json!({ "id": first["id"] })).await.refused("FORBIDDEN");
    world.call(&olga, home, "accessGrant/v1/accept", json!({ "id": first["id"] })).await.refused("NOT_FOUND");
    world.call(&mallory, elsewhere, "accessGrant/v1/accept", json!({ "id": first["id"] })).await.refused("NOT_FOUND");
    let accepted = world.call(&dana, desk, "accessGrant/v1/accept", json!({ "id": first["id"] })).await.ok().clone();
    assert!(accepted["acceptedAt"].is_string(), "{accepted:#}");
    world.read_through(&sam, desk, &first["id"], "property/v1/list", json!({})).await.ok();
    world.call(&dana, desk, "accessGrant/v1/accept", json!({ "id": first["id"] })).await.refused("ACCESS_GRANT_NOT_OFFERED");
    assert_eq!(world.count(known).await, 1);
    // A desk answers for itself, not in an owner's name.
    let through = world.call_through(&dana, desk, &first["id"], "accessGrant/v1/decline", json!({ "id": first["id"] })).await;
    through.refused("GRANT_INVALID");
    // Given back: nobody of the desk gets in, and the owner reads why.
    let back = json!({ "id": first["id"], "reason": "We are full" });
    world.call(&dana, desk, "accessGrant/v1/decline", back.clone()).await.ok();
    world.read_through(&sam, desk, &first["id"], "property/v1/list", json!({})).await.refused("GRANT_NOT_FOUND");
    world.call(&dana, desk, "accessGrant/v1/decline", back).await.refused("ACCESS_GRANT_ENDED");
    let told = world.rpc(&olga, Some(home), "accessGrant/v1/get", json!({ "id": first["id"] })).await;
    assert_eq!(told.ok()["revokeReason"], "We are full");
    let history = "query ($id: ID!) { accessGrant(id: $id) { history { nodes { kind actorName actedAs } } } }";
    let history = world.gql(&olga, Some(home), history, json!({ "id": first["id"] })).await;
    let kinds: Vec<&Value> =
        history.data()["accessGrant"]["history"]["nodes"].as_array().into_iter().flatten().map(|node| &node["kind"]).collect();
    assert_eq!(kinds, ["access_grant.givenBack", "access_grant.accepted", "access_grant.granted"]);
    assert_eq!(history.data()["accessGrant"]["history"]["nodes"][1]["actorName"], "dana");

    let second = offer("Again").await;
    world.call(&dana, desk, "accessGrant/v1/decline", json!({ "id": second["id"] })).await.ok();
    world.call(&dana, desk, "accessGrant/v1/accept", json!({ "id": second["id"] })).await.refused("ACCESS_GRANT_NOT_OFFERED");
    let third = offer("And again").await;
    a_month_later(&world).await;
    world.call(&dana, desk, "accessGrant/v1/accept", json!({ "id": third["id"] })).await.refused("ACCESS_GRANT_NOT_OFFERED");
    assert_eq!(world.gql(&dana, Some(desk), list, json!({})).await.data()["accessGrantOffers"]["nodes"], json!([]));
}

#[tokio::test]
async fn an_invitation_ends_by_itself_and_a_member_may_leave() {
    let world = World::new().await;
    let (olga, tom) = (person("olga"), person("tom"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let invited = json!({ "email": "tom@example.com", "role": "TRUSTEE" });
    let first = world.call(&olga, home, "membership/v1/invite", invited.clone()).await.ok().clone();
    let seen = viewer(&world, &tom).await;
    assert_eq!((&seen["invitations"][0]["id"], &seen["invitationsOpen"]["nodes"][0]["id"]), (&first["id"], &first["id"]));
    a_month_later(&world).await;
    answer(&world, &tom, "membership/v1/accept", &first["id"]).await.refused("MEMBERSHIP_NOT_PENDING");
    assert_eq!(viewer(&world, &tom).await["invitationsOpen"]["totalCount"], 0);
    let expired = "SELECT count(*) FROM membership WHERE state = 'EXPIRED'";
    until("the note of its end", async || (world.count(expired).await == 1).then_some(())).await;
    // Invited again, and gone by himself.
    let second = world.call(&olga, home, "membership/v1/invite", invited).await.ok().clone();
    let member = answer(&world, &tom, "membership/v1/accept", &second["id"]).await.ok().clone();
    assert_eq!(member["answerBy"], Value::Null);
    a_month_later(&world).await;
    let leave = json!({ "id": member["id"], "version": member["version"] });
    world.call(&tom, home, "membership/v1/revoke", leave).await.ok();
    assert_eq!(
        world.gql(&tom, Some(home), "{ properties { totalCount } }", json!({})).await.gql_code(),
        "ORGANIZATION_NOT_FOUND"
    );
    let own = world.rpc(&olga, Some(home), "membership/v1/list", json!({ "filter": { "role": ["OWNER"] } })).await;
    let own = &own.ok()["edges"][0]["node"];
    let last = json!({ "id": own["id"], "version": own["version"] });
    world.call(&olga, home, "membership/v1/revoke", last).await.refused("MEMBERSHIP_LAST_OWNER");
}

/// The gateway's own principal acts for itself alone.
#[tokio::test]
async fn nothing_is_offered_to_the_gateway_itself() {
    let world = World::new().await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let house = world.create_property(&olga, home, "1").await["id"].clone();
    let system = entities::principal::SYSTEM;
    let nobody = Uuid::from_u128(7);
    for id in [system.0, nobody] {
        let grant = json!({ "holderId": id, "propertyIds": [house], "actions": ["READ"] });
        let invite = json!({ "principalId": id, "role": "OWNER" });
        for (procedure, input, field) in
            [("delegation/v1/grant", grant, "holderId"), ("membership/v1/invite", invite, "principalId")]
        {
            let refused = world.call(&olga, home, procedure, input).await;
            let said = &refused.body["field_errors"][0];
            assert_eq!((&said["field"], &said["code"]), (&json!(field), &json!("NOT_FOUND")), "{:#}", refused.body);
        }
    }
}
