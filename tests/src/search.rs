//! Lists as people use them: by words, in the order of house numbers, with the owners of a day and the money of a term.

use crate::harness::{World, person};
use serde_json::{Value, json};
use uuid::Uuid;

fn names(answer: &crate::harness::Answer, list: &str) -> Vec<String> {
    let nodes = answer.data()[list]["nodes"].as_array().cloned().expect("nodes");
    let shown = |node: &Value| node["address"]["line1"].as_str().or(node["name"].as_str()).expect("a name").to_owned();
    nodes.iter().map(shown).collect()
}

#[tokio::test]
async fn a_house_is_found_by_what_people_call_it() {
    let world = World::new().await;
    let (olga, dana, sam) = (person("olga"), person("dana"), person("sam"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    world.join(&dana, desk, &sam, "CONCIERGE_STAFF").await;
    world.engage(&olga, home, desk, "READ").await;
    for (line1, locality, parcel, notes) in [
        ("17 Ocotillo Road", "Phoenix", "204-11-088", "The pump hums"),
        ("124 Calle del Sol", "Tucson", "117-02-300", "Señora García has the key"),
        ("2 Saguaro Lane", "Scottsdale", "301-55-001", ""),
    ] {
        let address = json!({ "line1": line1, "locality": locality, "country": "US" });
        let house = json!({ "kind": "SINGLE_FAMILY", "address": address, "timeZone": "America/Phoenix", "parcel": parcel, "notes": notes });
        world.call(&olga, home, "property/v1/create", house).await.ok();
    }
    let engaged = "query ($search: String) { engagedProperties(filter: { search: $search }, orderBy: ADDRESS_ASC) { nodes { address { line1 } } } }";
    let own = "query ($search: String) { properties(filter: { search: $search }, orderBy: ADDRESS_ASC) { nodes { address { line1 } } } }";
    let all = ["2 Saguaro Lane", "17 Ocotillo Road", "124 Calle del Sol"];
    for (search, found) in [
        // House numbers stand in their own order, not in that of their first digits.
        ("", &all[..]),
        ("phoenix", &all[1..2]),
        ("PHOENIX", &all[1..2]),
        ("Pho", &all[1..2]),
        ("pheonix", &all[1..2]),
        ("scotsdale", &all[..1]),
        ("204-11", &all[1..2]),
        ("garcía", &all[2..]),
        ("GARCÍA calle", &all[2..]),
        ("pump tucson", &[]),
        // A number may stand in a parcel's as well.
        ("17", &all[1..]),
        // Nothing in it is a wildcard.
        ("%", &[]),
        ("1_4", &[]),
        ("'; drop table property; --", &[]),
    ] {
        let ask = async |who, organization: Uuid, query, list| {
            names(&world.gql(who, Some(organization), query, json!({ "search": search })).await, list)
        };
        assert_eq!(ask(&olga, home, own, "properties").await, found, "{search}");
        assert_eq!(ask(&sam, desk, engaged, "engagedProperties").await, found, "{search}, as the desk");
    }
    // A change is found at once, on both lists.
    let listed = world.rpc(&olga, Some(home), "property/v1/list", json!({ "filter": { "search": "saguaro" } })).await;
    let house = listed.ok()["edges"][0]["node"].clone();
    let note = json!({ "id": house["id"], "version": 1, "notes": "Bougainvillea over the gate" });
    world.call(&olga, home, "property/v1/update", note).await.ok();
    let found = world.gql(&sam, Some(desk), engaged, json!({ "search": "bougainvilea" })).await;
    assert_eq!(names(&found, "engagedProperties"), ["2 Saguaro Lane"]);
}

#[tokio::test]
async fn parties_contacts_portfolios_owners_and_amounts_are_searched_alike() {
    let world = World::new().await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let house = world.create_property(&olga, home, "1 First Street").await["id"].clone();
    let call = async |procedure: &str, body: Value| world.call(&olga, home, procedure, body).await.ok().clone();
    call("externalParty/v1/create", json!({ "kind": "VENDOR", "name": "Ocotillo Plumbing", "notes": "Boilers, too" })).await;
    call("contact/v1/create", json!({ "name": "Dolores Quintana", "role": "Gardener" })).await;
    call("portfolio/v1/create", json!({ "name": "Rentals in Tempe" })).await;
    let share = json!({ "propertyId": house, "holderName": "Ines Alvarez", "capacity": "OWNER", "shareBasisPoints": 10_000, "startsOn": "2019-01-01" });
    call("ownership/v1/record", share).await;
    let entry = json!({ "propertyId": house, "kind": "MAINTENANCE", "amountMinor": -12_000, "currency": "USD", "bookedOn": "2026-03-01", "source": "Invoice 7", "note": "New boiler" });
    let entry = world.call(&olga, home, "financialEntry/v1/record", entry).await;
    assert_eq!(entry.status, 200, "{:#}", entry.body);
    for (list, search) in [
        ("externalParties", "plumbing boilers"),
        ("contacts", "quintanna"),
        ("portfolios", "tempe"),
        ("ownerships", "alvares"),
        ("financialEntries", "BOILER"),
    ] {
        for (search, found) in [(search, 1), ("zebra", 0)] {
            let query = format!("query ($search: String) {{ {list}(filter: {{ search: $search }}) {{ totalCount }} }}");
            let answer = world.gql(&olga, Some(home), &query, json!({ "search": search })).await;
            assert_eq!(answer.data()[list]["totalCount"], found, "{list} by {search}");
        }
    }
}

#[tokio::test]
async fn a_page_of_houses_comes_with_the_owners_of_a_day_and_the_money_of_a_term() {
    let world = World::new().await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let mut houses = Vec::new();
    for line1 in ["1 First Street", "2 Second Street"] {
        houses.push(world.create_property(&olga, home, line1).await["id"].clone());
    }
    let call = async |procedure: &str, body: Value| world.call(&olga, home, procedure, body).await.ok().clone();
    let share = json!({ "propertyId": houses[0], "holderName": "Jonas", "capacity": "OWNER", "shareBasisPoints": 10_000, "startsOn": "2019-01-01" });
    let jonas = call("ownership/v1/record", share).await;
    let to = json!([{ "holderName": "Mara", "capacity": "OWNER", "shareBasisPoints": 10_000 }]);
    call("ownership/v1/transfer", json!({ "id": jonas["id"], "version": 1, "startsOn": "2026-06-01", "to": to })).await;
    for (house, amount, day) in [(0, 5_000, "2026-05-01"), (0, 7_000, "2026-07-01"), (1, 900, "2026-07-02")] {
        let entry = json!({ "propertyId": houses[house], "kind": "RENT", "amountMinor": amount, "currency": "USD", "bookedOn": day, "source": "Bank" });
        call("financialEntry/v1/record", entry).await;
    }
    let query = r#"{ properties(orderBy: ADDRESS_ASC) { nodes {
        then: ownerships(on: "2026-05-31") { holderName } now: ownerships(on: "2026-06-01") { holderName } ever: ownerships { holderName }
        all: financials { totals { netMinor } } july: financials(from: "2026-07-01", until: "2026-08-01") { totals { netMinor } } } } }"#;
    let answer = world.gql(&olga, Some(home), query, json!({})).await;
    let held = |name: &str| json!([{ "holderName": name }]);
    let net = |minor: i64| json!({ "totals": [{ "netMinor": minor }] });
    assert_eq!(
        answer.data()["properties"]["nodes"],
        json!([
            { "then": held("Jonas"), "now": held("Mara"), "ever": [{ "holderName": "Jonas" }, { "holderName": "Mara" }],
              "all": net(12_000), "july": net(7_000) },
            { "then": [], "now": [], "ever": [], "all": net(900), "july": net(900) },
        ])
    );
}
