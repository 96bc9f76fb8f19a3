use crate::harness::{World, person, until};
use serde_json::{Value, json};

#[tokio::test]
async fn a_contact_is_kept_found_and_put_aside() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "INDIVIDUAL_PROPERTY_OWNER").await;
    let call = async |verb: &str, body: Value| world.call(&owner, home, &format!("contact/v1/{verb}"), body).await;
    let party = json!({ "kind": "HOA", "name": "Saguaro Ridge" });
    let party = world.call(&owner, home, "externalParty/v1/create", party).await.ok()["id"].clone();

    let dolores = json!({ "externalPartyId": party, "name": "Dolores Quintana", "role": "Board president" });
    let dolores = call("create", dolores).await.ok().clone();
    call("create", json!({ "name": "Ed Marsh", "email": "ed@plumbing.example" })).await.ok();
    let nowhere = call("create", json!({ "externalPartyId": "00000000-0000-7000-8000-00000000dead", "name": "Nobody" })).await;
    nowhere.refused("INVALID_INPUT");
    assert_eq!(nowhere.body["field_errors"][0]["field"], "externalPartyId");

    let patch = json!({ "id": dolores["id"], "version": 1, "role": null, "phone": "+1 520 555 0110" });
    let updated = call("update", patch).await.ok().clone();
    assert_eq!((&updated["role"], &updated["phone"], &updated["version"]), (&json!(null), &json!("+1 520 555 0110"), &json!(2)));
    call("update", json!({ "id": dolores["id"], "version": 1, "notes": "x" })).await.refused("VERSION_CONFLICT");

    // From either side.
    let query = "query ($party: ID!) {
        externalParty(id: $party) { contacts { name } }
        contacts(filter: { nameBegins: \"D\" }) { totalCount edges { node { name externalParty { name } } } }
    }";
    let seen = world.gql(&owner, Some(home), query, json!({ "party": party })).await;
    assert_eq!(seen.data()["externalParty"]["contacts"], json!([{ "name": "Dolores Quintana" }]));
    let found = json!({ "totalCount": 1, "edges": [{ "node": { "name": "Dolores Quintana", "externalParty": { "name": "Saguaro Ridge" } } }] });
    assert_eq!(seen.data()["contacts"], found);

    call("archive", json!({ "id": dolores["id"], "version": 2 })).await.ok();
    let refused = call("update", json!({ "id": dolores["id"], "version": 3, "notes": "x" })).await;
    refused.refused("ARCHIVED");
    assert_eq!(refused.body["error"]["details"], json!({ "kind": "contact" }));
    call("restore", json!({ "id": dolores["id"], "version": 3 })).await.ok();
    call("restore", json!({ "id": dolores["id"], "version": 4 })).await.refused("NOT_ARCHIVED");

    // Another owner's contacts are not there, and neither is this one for them.
    let other = person("oscar");
    let elsewhere = world.found(&other, "TRUST_OR_LLC").await;
    let theirs = world.gql(&other, Some(elsewhere), "{ contacts { totalCount } }", json!({})).await;
    assert_eq!(theirs.data()["contacts"]["totalCount"], 0);
    let patch = json!({ "id": dolores["id"], "version": 5, "notes": "x" });
    world.call(&other, elsewhere, "contact/v1/update", patch).await.refused("NOT_FOUND");

    let log: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM event WHERE organization_id = $1 AND resource_id = $2::text::uuid ORDER BY seq")
            .bind(home)
            .bind(dolores["id"].as_str())
            .fetch_all(&world.sql)
            .await
            .expect("events");
    assert_eq!(log, ["created", "updated", "archived", "restored"].map(|verb| format!("contact.{verb}")));
}

#[tokio::test]
async fn a_contact_speaks_for_another_party_now() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "INDIVIDUAL_PROPERTY_OWNER").await;
    let call = async |procedure: &str, body: Value| world.call(&owner, home, procedure, body).await;
    let party = async |name: &str| {
        let made = call("externalParty/v1/create", json!({ "kind": "VENDOR", "name": name })).await;
        made.ok()["id"].clone()
    };
    let (before, after) = (party("Desert Plumbing").await, party("Mesa Plumbing").await);
    let ed = json!({ "externalPartyId": before, "name": "Ed Marsh" });
    let ed = call("contact/v1/create", ed).await.ok()["id"].clone();
    let to = async |party: &Value, version: i32| {
        call("contact/v1/move", json!({ "id": ed, "version": version, "externalPartyId": party })).await
    };

    assert_eq!(to(&after, 1).await.ok()["externalPartyId"], after);
    let change: Value = sqlx::query_scalar("SELECT change FROM event WHERE kind = 'contact.moved'")
        .fetch_one(&world.sql)
        .await
        .expect("an event");
    assert_eq!(change["ids"]["externalPartyId"], after, "{change}");
    assert_eq!(to(&Value::Null, 2).await.ok()["externalPartyId"], Value::Null);
    to(&before, 2).await.refused("VERSION_CONFLICT");

    call("externalParty/v1/archive", json!({ "id": before, "version": 1 })).await.ok();
    let refused = to(&before, 3).await;
    refused.refused("INVALID_INPUT");
    assert_eq!(refused.body["field_errors"][0]["code"], "ARCHIVED");
    call("contact/v1/archive", json!({ "id": ed, "version": 3 })).await.ok();
    to(&after, 4).await.refused("ARCHIVED");
}

#[tokio::test]
async fn a_contact_hangs_on_a_party_of_its_own_owner_only() {
    let world = World::new().await;
    let (owner, other, dana, sam) = (person("olga"), person("oscar"), person("dana"), person("sam"));
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let elsewhere = world.found(&other, "TRUST_OR_LLC").await;
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    world.join(&dana, desk, &sam, "CONCIERGE_STAFF").await;
    let hoa = async |who, whose| {
        let body = json!({ "kind": "HOA", "name": "Saguaro Ridge" });
        world.call(who, whose, "externalParty/v1/create", body).await.ok()["id"].clone()
    };
    let (ours, theirs) = (hoa(&owner, home).await, hoa(&other, elsewhere).await);
    let at = |party: &Value| json!({ "externalPartyId": party, "name": "Dolores Quintana" });

    // Another owner's party is not there, whichever way it is named.
    let contact = world.call(&owner, home, "contact/v1/create", at(&ours)).await.ok()["id"].clone();
    let moved = json!({ "id": contact, "version": 1, "externalPartyId": theirs });
    for (procedure, body) in [("contact/v1/create", at(&theirs)), ("contact/v1/move", moved)] {
        let refused = world.call(&owner, home, procedure, body).await;
        refused.refused("INVALID_INPUT");
        assert_eq!(refused.body["field_errors"][0]["code"], "NOT_FOUND", "{procedure}");
    }

    // Whoever is let act for the owner hangs contacts and properties on the owner's party; whoever only reads does not.
    let act = world.engage(&owner, home, desk, "ACT").await["id"].clone();
    let read = world.engage(&other, elsewhere, desk, "READ").await["id"].clone();
    let made = world.call_through(&sam, desk, &act, "contact/v1/create", at(&ours)).await.ok().clone();
    assert_eq!((&made["organizationId"], &made["externalPartyId"]), (&json!(home), &ours));
    let mut house = World::property("1 First Street");
    house["hoaId"] = ours.clone();
    world.call_through(&sam, desk, &act, "property/v1/create", house).await.ok();
    world.call_through(&sam, desk, &act, "contact/v1/create", at(&theirs)).await.refused("INVALID_INPUT");
    world.call_through(&sam, desk, &read, "contact/v1/create", at(&theirs)).await.refused("FORBIDDEN");
    let nobody = world.call(&sam, desk, "contact/v1/update", json!({ "id": contact, "version": 1, "notes": "x" })).await;
    nobody.refused("NOT_FOUND");
}

#[tokio::test]
async fn a_party_that_is_archived_meanwhile_gets_no_contact() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "INDIVIDUAL_PROPERTY_OWNER").await;
    let party = json!({ "kind": "HOA", "name": "Saguaro Ridge" });
    let party = world.call(&owner, home, "externalParty/v1/create", party).await.ok()["id"].clone();

    let mut archiving = world.sql.begin().await.expect("a transaction");
    sqlx::query("UPDATE external_party SET status = 'ARCHIVED' WHERE id = $1::text::uuid")
        .bind(party.as_str())
        .execute(&mut *archiving)
        .await
        .expect("archived");
    let body = json!({ "externalPartyId": party, "name": "Dolores Quintana" });
    let create = world.call(&owner, home, "contact/v1/create", body);
    let archive = async {
        // The contact waits for what is decided about the party.
        until("the contact's transaction at the lock", async || {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%external_party%'";
            (world.count(waiting).await > 0).then_some(())
        })
        .await;
        archiving.commit().await.expect("committed");
    };
    let (refused, ()) = tokio::join!(create, archive);
    refused.refused("INVALID_INPUT");
    assert_eq!(refused.body["field_errors"][0]["code"], "ARCHIVED");
}
