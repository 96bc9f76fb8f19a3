use crate::harness::{World, person};
use serde_json::{Value, json};

#[tokio::test]
async fn an_outside_party_is_kept_linked_and_put_aside() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "INDIVIDUAL_PROPERTY_OWNER").await;
    let call = async |verb: &str, body: Value| world.call(&owner, home, &format!("externalParty/v1/{verb}"), body).await;
    let party = call("create", json!({ "kind": "HOA", "name": "Ridge", "email": "office@ridge.example" })).await.ok().clone();

    let patch = json!({ "id": party["id"], "version": 1, "name": "Saguaro Ridge", "email": null });
    let updated = call("update", patch).await.ok().clone();
    assert_eq!((&updated["name"], &updated["email"], &updated["kind"]), (&json!("Saguaro Ridge"), &json!(null), &json!("HOA")));
    let nameless = call("update", json!({ "id": party["id"], "version": 2, "name": null })).await;
    nameless.refused("INVALID_INPUT");
    assert_eq!(nameless.body["field_errors"][0]["field"], "name");
    call("update", json!({ "id": party["id"], "version": 1, "notes": "x" })).await.refused("VERSION_CONFLICT");

    // The link is not checked, so it tells nobody whether an organization exists. Only a link to the own organization is refused.
    let nowhere = "00000000-0000-7000-8000-00000000dead";
    let linked = call("link", json!({ "id": party["id"], "version": 2, "organizationId": nowhere })).await;
    assert_eq!(linked.ok()["linkedOrganizationId"], nowhere);
    let own = call("link", json!({ "id": party["id"], "version": 3, "organizationId": home })).await;
    own.refused("INVALID_INPUT");
    assert_eq!(own.body["field_errors"][0]["code"], "OWN_ORGANIZATION");
    let unlinked = call("link", json!({ "id": party["id"], "version": 3, "organizationId": null })).await;
    assert_eq!(unlinked.ok()["linkedOrganizationId"], json!(null));

    // An archived party stays where it is named, and cannot be named anew.
    let mut house = World::property("1 First Street");
    house["hoaId"] = party["id"].clone();
    let house = world.call(&owner, home, "property/v1/create", house).await.ok().clone();
    call("archive", json!({ "id": party["id"], "version": 4 })).await.ok();
    for (verb, more) in [("update", json!({ "notes": "x" })), ("link", json!({ "organizationId": null })), ("archive", json!({}))]
    {
        let mut body = json!({ "id": party["id"], "version": 5 });
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        call(verb, body).await.refused("EXTERNAL_PARTY_ARCHIVED");
    }
    let query = "query ($id: ID!) { property(id: $id) { hoa { name status } } }";
    let seen = world.gql(&owner, Some(home), query, json!({ "id": house["id"] })).await;
    assert_eq!(seen.data()["property"]["hoa"], json!({ "name": "Saguaro Ridge", "status": "ARCHIVED" }));
    let mut other = World::property("2 First Street");
    other["hoaId"] = party["id"].clone();
    let refused = world.call(&owner, home, "property/v1/create", other).await;
    assert_eq!(refused.body["field_errors"][0]["code"], "ARCHIVED");
    call("restore", json!({ "id": party["id"], "version": 5 })).await.ok();
    call("restore", json!({ "id": party["id"], "version": 6 })).await.refused("EXTERNAL_PARTY_NOT_ARCHIVED");

    let log: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM event WHERE organization_id = $1 AND resource_kind = 'external_party' ORDER BY seq")
            .bind(home)
            .fetch_all(&world.sql)
            .await
            .expect("events");
    let told = ["created", "updated", "linked", "linked", "archived", "restored"].map(|verb| format!("external_party.{verb}"));
    assert_eq!(log, told);
}

#[tokio::test]
async fn outside_parties_are_listed_filtered_and_paged_alike_on_both_surfaces() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    for (kind, name) in [("VENDOR", "Roofs"), ("HOA", "100% Ridge"), ("VENDOR", "100x Pools"), ("HOA", "Ridge")] {
        world.call(&owner, home, "externalParty/v1/create", json!({ "kind": kind, "name": name })).await.ok();
    }
    let query = "query ($filter: ExternalPartyFilter, $order: ExternalPartyOrder, $first: Int, $after: String) {
        externalParties(filter: $filter, orderBy: $order, first: $first, after: $after) { edges { node { name } } pageInfo { endCursor hasNextPage } } }";
    let names = |edges: &Value| -> Vec<String> {
        edges.as_array().into_iter().flatten().map(|edge| edge["node"]["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    for (filter, order, expected) in [
        (json!({}), "NAME_ASC", vec!["100% Ridge", "100x Pools", "Ridge", "Roofs"]),
        (json!({}), "NAME_DESC", vec!["Roofs", "Ridge", "100x Pools", "100% Ridge"]),
        (json!({}), "CREATED_ASC", vec!["Roofs", "100% Ridge", "100x Pools", "Ridge"]),
        (json!({ "kind": ["HOA"] }), "CREATED_DESC", vec!["Ridge", "100% Ridge"]),
        // A percent sign is a letter.
        (json!({ "nameBegins": "100%" }), "NAME_ASC", vec!["100% Ridge"]),
        (json!({ "status": ["ARCHIVED"] }), "NAME_ASC", vec![]),
    ] {
        let by_graphql = world.gql(&owner, Some(home), query, json!({ "filter": filter, "order": order })).await;
        assert_eq!(names(&by_graphql.data()["externalParties"]["edges"]), expected, "{filter} {order}");
        let by_rpc = world.rpc(&owner, Some(home), "externalParty/v1/list", json!({ "filter": filter, "orderBy": order })).await;
        assert_eq!(names(&by_rpc.ok()["edges"]), expected, "{filter} {order}");
    }
    let mut after = Value::Null;
    let mut seen = Vec::new();
    loop {
        let page = world.gql(&owner, Some(home), query, json!({ "order": "NAME_ASC", "first": 1, "after": after })).await;
        let page = page.data()["externalParties"].clone();
        seen.extend(names(&page["edges"]));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(seen, ["100% Ridge", "100x Pools", "Ridge", "Roofs"]);
}

/// A form sends what was left empty as an empty text.
#[tokio::test]
async fn an_empty_text_is_absent_and_clears() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "INDIVIDUAL_PROPERTY_OWNER").await;
    let call = async |verb: &str, body: Value| world.call(&owner, home, &format!("externalParty/v1/{verb}"), body).await;
    let form = json!({ "kind": "HOA", "name": "Ridge", "email": "", "phone": " ", "website": "", "notes": "" });
    let made = call("create", form).await.ok().clone();
    assert_eq!(
        (&made["email"], &made["phone"], &made["website"], &made["notes"]),
        (&Value::Null, &Value::Null, &Value::Null, &Value::Null)
    );
    call("update", json!({ "id": made["id"], "version": 1, "phone": "+1 520 555 0110" })).await.ok();
    let cleared = call("update", json!({ "id": made["id"], "version": 2, "phone": "", "notes": "x" })).await.ok().clone();
    assert_eq!((&cleared["phone"], &cleared["notes"]), (&Value::Null, &json!("x")));
    for name in ["", "  "] {
        let refused = call("update", json!({ "id": made["id"], "version": 3, "name": name })).await;
        refused.refused("INVALID_INPUT");
        assert_eq!(refused.body["field_errors"], json!([{ "field": "name", "code": "BLANK", "message": "must not be blank" }]));
    }
    // Only a text can be left empty.
    let blank = json!({ "id": made["id"], "version": 3, "organizationId": "" });
    call("link", blank).await.refused("INVALID_INPUT");
    let mut many = json!({ "kind": "HOA", "name": "x" });
    many["k".repeat(8_000)] = vec![""; 15_000].into();
    call("create", many).await.refused("INVALID_INPUT");
    let all =
        world.gql(&owner, Some(home), "{ externalParties(filter: { nameBegins: \"\" }) { nodes { name } } }", json!({})).await;
    assert_eq!(all.data()["externalParties"]["nodes"], json!([{ "name": "Ridge" }]));
}

#[tokio::test]
async fn an_update_that_changes_nothing_leaves_no_trace() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "INDIVIDUAL_PROPERTY_OWNER").await;
    let party = json!({ "kind": "HOA", "name": "Ridge", "notes": "Pays late." });
    let party = world.call(&owner, home, "externalParty/v1/create", party).await.ok().clone();
    let house = world.create_property(&owner, home, "1 First Street").await;
    world.clock.advance(std::time::Duration::from_secs(60));
    let same = json!({ "id": party["id"], "version": 1, "name": "Ridge", "notes": "Pays late.", "email": null });
    assert_eq!(*world.call(&owner, home, "externalParty/v1/update", same).await.ok(), party);
    let same = json!({ "id": house["id"], "version": 1, "kind": house["kind"], "address": house["address"], "timeZone": house["timeZone"] });
    assert_eq!(*world.call(&owner, home, "property/v1/update", same).await.ok(), house);
    assert_eq!(world.count("SELECT count(*) FROM event WHERE kind LIKE '%.updated'").await, 0);
    // One of several fields is another: the event names that one.
    let other = json!({ "id": party["id"], "version": 1, "name": "Ridge", "notes": "Pays in time." });
    assert_eq!(world.call(&owner, home, "externalParty/v1/update", other).await.ok()["version"], 2);
    assert_eq!(
        world
            .count("SELECT count(*) FROM event WHERE kind = 'external_party.updated' AND change->'fields' = '[\"notes\"]'")
            .await,
        1
    );
}
