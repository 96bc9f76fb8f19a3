//! What is told beside the answer: whether something exists, sums that cannot be read, cursors that say more than a place.

use crate::harness::{Person, World, person};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uuid::Uuid;

/// A delegate is not told which outside parties there are by the refusals of their ids.
#[tokio::test]
async fn a_delegate_learns_of_no_outside_party_by_its_id() {
    let world = World::new().await;
    let (olga, lena) = (person("olga"), person("lena"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let house = world.create_property(&olga, home, "1").await["id"].clone();
    let vendor = json!({ "kind": "VENDOR", "name": "Plumber" });
    let vendor = world.call(&olga, home, "externalParty/v1/create", vendor).await.ok()["id"].clone();
    let gone = json!({ "kind": "HOA", "name": "Old HOA" });
    let gone = world.call(&olga, home, "externalParty/v1/create", gone).await.ok()["id"].clone();
    world.call(&olga, home, "externalParty/v1/archive", json!({ "id": gone, "version": 1 })).await.ok();
    let grant = json!({ "holderId": world.principal(&lena).await, "propertyIds": [house], "actions": ["UPDATE"] });
    world.delegate(&olga, home, grant).await;
    let told = async |who: &Person, hoa: &Value| {
        let update = json!({ "id": house, "version": 1, "hoaId": hoa });
        let answer = world.call(who, home, "property/v1/update", update).await;
        answer.body["field_errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    };
    let nothing = json!(Uuid::from_u128(7));
    for hoa in [&vendor, &gone, &nothing] {
        assert_eq!(told(&lena, hoa).await, "NOT_FOUND");
    }
    // Whoever sees them is told.
    assert_eq!((told(&olga, &vendor).await, told(&olga, &gone).await), ("NOT_AN_HOA".to_owned(), "ARCHIVED".to_owned()));
}

/// A thing that somebody may not see is looked for as one that does not exist.
#[tokio::test]
async fn a_hidden_thing_and_none_are_looked_for_alike() {
    let world = World::new().await;
    let (olga, lena) = (person("olga"), person("lena"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let [hers, hidden] = ["1", "2"].map(|line| world.create_property(&olga, home, line));
    let (hers, hidden) = (hers.await["id"].clone(), hidden.await["id"].clone());
    let grant = json!({ "holderId": world.principal(&lena).await, "propertyIds": [hers], "actions": ["READ"] });
    world.delegate(&olga, home, grant).await;
    let get = async |id: &Value| world.rpc(&lena, Some(home), "property/v1/get", json!({ "id": id })).await;
    get(&hers).await.ok();
    let mut bodies = Vec::new();
    for id in [&hidden, &json!(Uuid::from_u128(7))] {
        let mut answer = get(id).await;
        answer.refused("NOT_FOUND");
        answer.body["trace_id"] = Value::Null;
        bodies.push(answer.body);
    }
    assert_eq!(bodies[0], bodies[1]);
}

/// A sum that a client would misread is refused, and the rest of the answer is there.
#[tokio::test]
async fn a_sum_of_more_than_53_bits_is_refused() {
    let world = World::new().await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let house = world.create_property(&olga, home, "1").await["id"].clone();
    let most = 9_007_199_254_740_991_i64;
    let sql = format!(
        "INSERT INTO financial_entry (organization_id, id, property_id, kind, amount_minor, currency, booked_on, source, recorded_by, created_at, updated_at)
         SELECT '{home}', gen_random_uuid(), '{}', 'RENT', {most}, 'USD', '2026-01-02', 'x', '{}', now(), now() FROM generate_series(1, 1100)",
        house.as_str().expect("an id"),
        entities::principal::SYSTEM
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&world.sql).await.expect("entries");
    let other = world.create_property(&olga, home, "2").await["id"].clone();
    let both = world
        .gql(
            &olga,
            Some(home),
            "{ properties(orderBy: ADDRESS_ASC) { nodes { id financials { totals { currency } } } } }",
            json!({}),
        )
        .await;
    let nodes = &both.body["data"]["properties"]["nodes"];
    assert_eq!((&nodes[0]["financials"], &nodes[1]), (&Value::Null, &json!({ "id": other, "financials": { "totals": [] } })));
    let query = "query ($id: ID!) { report(by: KIND, measure: NET) { rows { value } } property(id: $id) { id financials { totals { netMinor } } } }";
    let answer = world.gql(&olga, Some(home), query, json!({ "id": house })).await;
    assert_eq!(answer.body["data"]["property"]["id"], house);
    let codes: Vec<&Value> =
        answer.body["errors"].as_array().into_iter().flatten().map(|error| &error["extensions"]["code"]).collect();
    assert_eq!(codes, ["FIGURE_TOO_LARGE", "FIGURE_TOO_LARGE"], "{:#}", answer.body);
    let body = json!({ "id": house });
    world.rpc(&olga, Some(home), "property/v1/financials", body).await.refused("FIGURE_TOO_LARGE");
}

/// A cursor is a place, and tells neither the address nor the name that the list is sorted by.
#[tokio::test]
async fn a_cursor_tells_no_sort_key() {
    let world = World::new().await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let house = world.create_property(&olga, home, "17 Secret Street").await["id"].clone();
    let entry = json!({ "propertyId": house, "holderName": "Zenobia", "capacity": "OWNER", "shareBasisPoints": 100, "startsOn": "2020-01-01" });
    world.call(&olga, home, "ownership/v1/record", entry).await.ok();
    let query = "{ properties(orderBy: ADDRESS_ASC) { edges { cursor } } ownerships { edges { cursor } } }";
    let answer = world.gql(&olga, Some(home), query, json!({})).await;
    for (field, key) in [("properties", "Secret"), ("ownerships", "Zenobia")] {
        let cursor = answer.data()[field]["edges"][0]["cursor"].as_str().expect("a cursor");
        let bytes = URL_SAFE_NO_PAD.decode(cursor).expect("base64");
        assert_eq!(bytes.len(), 28);
        for part in key.as_bytes().windows(4) {
            assert!(!bytes.windows(4).any(|four| four == part), "{field}: {cursor}");
        }
    }
}
