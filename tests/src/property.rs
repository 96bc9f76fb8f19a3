use crate::harness::{World, person};
use serde_json::{Value, json};

#[tokio::test]
async fn lives_from_creation_to_archive_and_back() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "INDIVIDUAL_PROPERTY_OWNER").await;
    let hoa = world.call(&owner, home, "externalParty/v1/create", json!({ "kind": "HOA", "name": "Ridge HOA" })).await.ok()["id"]
        .clone();
    let vendor =
        world.call(&owner, home, "externalParty/v1/create", json!({ "kind": "VENDOR", "name": "Roofs" })).await.ok()["id"]
            .clone();

    let mut input = World::property("1 First Street");
    input["hoaId"] = hoa.clone();
    input["notes"] = "Blue door".into();
    let created = world.call(&owner, home, "property/v1/create", input).await.ok().clone();
    assert_eq!((&created["version"], &created["status"], &created["hoaId"]), (&json!(1), &json!("ACTIVE"), &hoa));

    let patch = json!({ "id": created["id"], "version": 1, "parcel": "7", "kind": "CONDOMINIUM" });
    let updated = world.call(&owner, home, "property/v1/update", patch).await.ok().clone();
    assert_eq!((&updated["version"], &updated["parcel"], &updated["notes"]), (&json!(2), &json!("7"), &json!("Blue door")));

    let stale = world.call(&owner, home, "property/v1/update", json!({ "id": created["id"], "version": 1, "parcel": "8" })).await;
    stale.refused("VERSION_CONFLICT");
    assert_eq!((stale.status, &stale.body["error"]["details"]["currentVersion"]), (409, &json!(2)));

    // A null clears, an absent field leaves; a field that cannot be cleared says so.
    let cleared = world
        .call(&owner, home, "property/v1/update", json!({ "id": created["id"], "version": 2, "notes": null, "hoaId": null }))
        .await;
    assert_eq!(
        (&cleared.ok()["notes"], &cleared.ok()["hoaId"], &cleared.ok()["parcel"]),
        (&json!(null), &json!(null), &json!("7"))
    );
    let refused =
        world.call(&owner, home, "property/v1/update", json!({ "id": created["id"], "version": 3, "kind": null })).await;
    refused.refused("INVALID_INPUT");
    assert_eq!(refused.body["field_errors"][0]["field"], "kind");

    let wrong =
        world.call(&owner, home, "property/v1/update", json!({ "id": created["id"], "version": 3, "hoaId": vendor })).await;
    wrong.refused("INVALID_INPUT");
    assert_eq!(wrong.body["field_errors"][0]["code"], "NOT_AN_HOA");

    let archived = world.call(&owner, home, "property/v1/archive", json!({ "id": created["id"], "version": 3 })).await;
    assert_eq!((&archived.ok()["status"], &archived.ok()["version"]), (&json!("ARCHIVED"), &json!(4)));
    world
        .call(&owner, home, "property/v1/update", json!({ "id": created["id"], "version": 4, "parcel": "9" }))
        .await
        .refused("PROPERTY_ARCHIVED");
    world
        .call(&owner, home, "property/v1/archive", json!({ "id": created["id"], "version": 4 }))
        .await
        .refused("PROPERTY_ARCHIVED");
    let restored = world.call(&owner, home, "property/v1/restore", json!({ "id": created["id"], "version": 4 })).await;
    assert_eq!((&restored.ok()["status"], &restored.ok()["archivedAt"]), (&json!("ACTIVE"), &json!(null)));
    world
        .call(&owner, home, "property/v1/restore", json!({ "id": created["id"], "version": 5 }))
        .await
        .refused("PROPERTY_NOT_ARCHIVED");

    // The log has every change: dense, in order, attributed. Refusals are not in it.
    let log: Vec<(i64, String, i32)> =
        sqlx::query_as("SELECT seq, kind, version FROM event WHERE organization_id = $1 ORDER BY seq")
            .bind(home)
            .fetch_all(&world.sql)
            .await
            .expect("events");
    let kinds: Vec<&str> = log.iter().map(|(_, kind, _)| kind.as_str()).collect();
    let expected = [
        "organization.created",
        "external_party.created",
        "external_party.created",
        "property.created",
        "property.updated",
        "property.updated",
        "property.archived",
        "property.restored",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(log.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>(), (1..=8).collect::<Vec<i64>>());
    let attributed: i64 = world.count("SELECT count(*) FROM event e JOIN operation o ON o.id = e.operation_id AND e.actor = o.initiator WHERE e.trace_id = o.trace_id AND length(e.trace_id) = 32").await;
    assert_eq!(attributed, 8);
}

#[tokio::test]
async fn what_is_wrong_is_named_field_by_field() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let bad = json!({
        "kind": "LAND", "timeZone": "Mars/Olympus", "parcel": "x".repeat(101), "notes": "a\u{7}b",
        "address": { "line1": " ", "locality": "T", "country": "usa" },
    });
    let refused = world.call(&owner, home, "property/v1/create", bad).await;
    refused.refused("INVALID_INPUT");
    let mut fields: Vec<String> = refused.body["field_errors"]
        .as_array()
        .expect("fields")
        .iter()
        .map(|f| format!("{} {}", f["field"].as_str().unwrap_or(""), f["code"].as_str().unwrap_or("")))
        .collect();
    fields.sort();
    assert_eq!(
        fields,
        [
            "address.country INVALID_COUNTRY",
            "address.line1 BLANK",
            "notes CONTROL_CHARACTER",
            "parcel TOO_LONG",
            "timeZone UNKNOWN_TIME_ZONE"
        ]
    );
    let nowhere = uuid::Uuid::from_u128(7);
    let mut input = World::property("1 First Street");
    input["hoaId"] = nowhere.to_string().into();
    let refused = world.call(&owner, home, "property/v1/create", input).await;
    assert_eq!(
        refused.body["field_errors"][0],
        json!({ "field": "hoaId", "code": "NOT_FOUND", "message": "there is no such external party" })
    );
}

#[tokio::test]
async fn a_house_at_a_known_address_is_taken_with_a_hint() {
    let world = World::new().await;
    let (olga, oscar) = (person("olga"), person("oscar"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let elsewhere = world.found(&oscar, "TRUST_OR_LLC").await;
    let house = |line1: &str, locality: &str| json!({ "kind": "CONDOMINIUM", "timeZone": "America/Phoenix", "address": { "line1": line1, "locality": locality, "country": "US" } });
    world.call(&oscar, elsewhere, "property/v1/create", house("7 Ocotillo Court", "Tucson")).await.ok();
    let key = world.key();
    let create = |key: uuid::Uuid, line1: &str| {
        let query = "mutation ($key: UUID!, $input: PropertyCreateInput!) { propertyCreate(idempotencyKey: $key, input: $input) {
            replayed result { id version } warnings { code field message others } errors { code } } }";
        let variables = json!({ "key": key, "input": house(line1, "Tucson") });
        (query, variables)
    };
    let by_graphql = async |key, line1: &str| {
        let (query, variables) = create(key, line1);
        world.gql(&olga, Some(home), query, variables).await.data()["propertyCreate"].clone()
    };
    let first = by_graphql(key, "7 Ocotillo Court").await;
    assert_eq!(first["warnings"], json!([]), "another owner's house is no matter of hers");

    // Upper and lower case, and spaces around, are the same; it is taken all the same, and the hint comes again with the answer.
    let second_key = world.key();
    for replayed in [false, true] {
        let second = by_graphql(second_key, " 7  OCOTILLO court ").await;
        assert_eq!((&second["replayed"], &second["errors"]), (&json!(replayed), &json!([])));
        let hint = json!({ "code": "SAME_ADDRESS", "field": "address", "message": "Another property may have this address.", "others": [first["result"]["id"]] });
        assert_eq!(second["warnings"], json!([hint]));
    }
    // Over RPC they come to whoever asks for them.
    let asking = |mut input: Value| {
        input["withWarnings"] = json!(true);
        input
    };
    let silent = world.call(&olga, home, "property/v1/create", house("7 Ocotillo Court", "Mesa")).await;
    assert_eq!((silent.status, silent.body.get("warnings")), (200, None));
    let by_rpc = world.call(&olga, home, "property/v1/create", asking(house("7 Ocotillo Court", "Phoenix"))).await;
    assert_eq!(by_rpc.body["warnings"], json!([]), "another town");
    let id = by_rpc.ok()["id"].clone();
    let moved =
        json!({ "id": id, "version": 1, "address": { "line1": "7 Ocotillo Court", "locality": "tucson", "country": "US" } });
    let moved = world.call(&olga, home, "property/v1/update", asking(moved)).await;
    assert_eq!(moved.body["warnings"][0]["others"].as_array().map(Vec::len), Some(2), "{:#}", moved.body);
    // Who changes something else is not told again, and another state is another town.
    let noted = world.call(&olga, home, "property/v1/update", asking(json!({ "id": id, "version": 2, "notes": "y" }))).await;
    assert_eq!(noted.body["warnings"], json!([]));
    let far = json!({ "kind": "LAND", "timeZone": "America/New_York", "address": { "line1": "1 Main Street", "locality": "Springfield", "region": "MA", "country": "US" } });
    world.call(&olga, home, "property/v1/create", far.clone()).await.ok();
    for (region, hints) in [(json!("IL"), 0), (json!(null), 1)] {
        let mut other = far.clone();
        other["address"]["region"] = region;
        let answer = world.call(&olga, home, "property/v1/create", asking(other)).await;
        assert_eq!(answer.body["warnings"].as_array().map(Vec::len), Some(hints), "{:#}", answer.body);
    }
    // Another door behind the same number, and a house that was put aside, are no matter.
    world.call(&olga, home, "property/v1/archive", json!({ "id": first["result"]["id"], "version": 1 })).await.ok();
    let moved = json!({ "id": id, "version": 3, "address": { "line1": "7 Ocotillo Court", "line2": "2", "locality": "Tucson", "country": "US" } });
    assert_eq!(world.call(&olga, home, "property/v1/update", asking(moved)).await.body["warnings"], json!([]));
    let noted = world.call(&olga, home, "property/v1/update", asking(json!({ "id": id, "version": 4, "notes": "x" }))).await;
    assert_eq!(noted.body["warnings"], json!([]));
}
