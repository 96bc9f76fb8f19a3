use crate::harness::{Person, World, person};
use serde_json::{Value, json};
use uuid::Uuid;

async fn page(world: &World, who: &Person, home: Uuid, input: Value) -> Value {
    world.rpc(who, Some(home), "property/v1/list", input).await.ok().clone()
}

fn lines(page: &Value) -> Vec<String> {
    page["edges"]
        .as_array()
        .expect("edges")
        .iter()
        .map(|edge| edge["node"]["address"]["line1"].as_str().unwrap_or("").to_owned())
        .collect()
}

#[tokio::test]
async fn pages_are_stable_under_inserts_in_every_order_and_both_directions() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    // Two addresses are equal: the id breaks the tie.
    for name in ["d", "b", "b", "a", "c", "ä", "B"] {
        world.create_property(&owner, home, name).await;
        world.clock.advance(std::time::Duration::from_millis(1));
    }
    for order in ["CREATED_ASC", "CREATED_DESC", "UPDATED_ASC", "UPDATED_DESC", "ADDRESS_ASC", "ADDRESS_DESC"] {
        let whole = page(&world, &owner, home, json!({ "first": 100, "orderBy": order, "withTotal": true })).await;
        let all: Vec<Value> = whole["edges"].as_array().expect("edges").clone();
        assert_eq!((all.len(), &whole["totalCount"]), (7, &json!(7)), "{order}");
        let mut forward: Vec<Value> = Vec::new();
        let mut after = Value::Null;
        loop {
            let part = page(&world, &owner, home, json!({ "first": 2, "after": after, "orderBy": order })).await;
            forward.extend(part["edges"].as_array().expect("edges").clone());
            after = part["pageInfo"]["endCursor"].clone();
            assert_eq!(part["totalCount"], Value::Null, "only counted when asked for");
            assert_eq!(part["pageInfo"]["hasPreviousPage"], json!(forward.len() > 2), "{order}");
            if part["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(forward, all, "{order} forward");
        let mut backward: Vec<Value> = Vec::new();
        let mut before = Value::Null;
        loop {
            let part = page(&world, &owner, home, json!({ "last": 3, "before": before, "orderBy": order })).await;
            let edges = part["edges"].as_array().expect("edges").clone();
            backward.splice(0..0, edges);
            before = part["pageInfo"]["startCursor"].clone();
            if part["pageInfo"]["hasPreviousPage"] == false {
                break;
            }
        }
        assert_eq!(backward, all, "{order} backward");
        // A page may be bounded by both ends at once.
        let (from, to) = (all[1]["cursor"].clone(), all[5]["cursor"].clone());
        let between = page(&world, &owner, home, json!({ "first": 10, "after": from, "before": to, "orderBy": order })).await;
        assert_eq!(between["edges"].as_array().expect("edges")[..], all[2..5], "{order} between");
    }
    let first = page(&world, &owner, home, json!({ "first": 3, "orderBy": "ADDRESS_ASC" })).await;
    assert_eq!(lines(&first), ["a", "ä", "b"]);
    // Rows are put in before and behind the cursor: the next page neither repeats nor skips.
    world.create_property(&owner, home, "A").await;
    world.create_property(&owner, home, "bb").await;
    let next =
        page(&world, &owner, home, json!({ "first": 3, "after": first["pageInfo"]["endCursor"], "orderBy": "ADDRESS_ASC" }))
            .await;
    assert_eq!(lines(&next), ["b", "B", "bb"]);
}

#[tokio::test]
async fn filters_narrow_and_wrong_pages_are_refused() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let hoa =
        world.call(&owner, home, "externalParty/v1/create", json!({ "kind": "HOA", "name": "Ridge" })).await.ok()["id"].clone();
    for (name, kind, region, hoa) in
        [("a", "LAND", "AZ", Value::Null), ("b", "CONDOMINIUM", "NM", hoa.clone()), ("c", "LAND", "NM", hoa.clone())]
    {
        let mut input = World::property(name);
        input["kind"] = kind.into();
        input["address"]["region"] = region.into();
        input["hoaId"] = hoa;
        world.call(&owner, home, "property/v1/create", input).await.ok();
    }
    for (filter, expected) in [
        (json!({ "kind": ["LAND"] }), vec!["a", "c"]),
        (json!({ "kind": ["LAND", "CONDOMINIUM"], "region": "NM" }), vec!["b", "c"]),
        (json!({ "hoaId": hoa, "kind": ["CONDOMINIUM"] }), vec!["b"]),
        (json!({ "status": ["ARCHIVED"] }), vec![]),
        (json!({ "kind": [] }), vec![]),
        (json!({ "updatedSince": "2100-01-01T00:00:00Z" }), vec![]),
        (json!({ "locality": "Tucson", "country": "US" }), vec!["a", "b", "c"]),
    ] {
        assert_eq!(lines(&page(&world, &owner, home, json!({ "filter": filter })).await), expected, "{filter}");
    }
    let cursor =
        page(&world, &owner, home, json!({ "first": 1, "orderBy": "ADDRESS_ASC" })).await["pageInfo"]["endCursor"].clone();
    let forged = json!({ "o": "property:ADDRESS_ASC", "k": "\u{0}", "i": Uuid::nil() }).to_string();
    let nul: String = forged.bytes().map(|byte| format!("{byte:02x}")).collect();
    for (input, code) in [
        (json!({ "first": 1, "after": cursor, "orderBy": "CREATED_ASC" }), "INVALID_CURSOR"),
        (json!({ "first": 1, "after": "not a cursor" }), "INVALID_CURSOR"),
        (json!({ "first": 1, "after": "é" }), "INVALID_CURSOR"),
        (json!({ "first": 1, "after": nul, "orderBy": "ADDRESS_ASC" }), "INVALID_CURSOR"),
        (json!({ "filter": { "updatedSince": "-4800-01-01T00:00:00Z" } }), "INVALID_INPUT"),
        (json!({ "filter": { "updatedSince": "9999-12-31T23:59:59-23:59" } }), "INVALID_INPUT"),
        (json!({ "filter": { "updatedSince": "2026-05-01 09:30:00Z" } }), "INVALID_INPUT"),
        (json!({ "first": -1 }), "INVALID_INPUT"),
        (json!({ "first": 101 }), "INVALID_INPUT"),
        (json!({ "first": 1, "last": 1 }), "INVALID_INPUT"),
        (json!({ "filter": { "colour": "red" } }), "INVALID_INPUT"),
        (json!({ "filter": { "country": "usa" } }), "INVALID_INPUT"),
    ] {
        world.rpc(&owner, Some(home), "property/v1/list", input.clone()).await.refused(code);
    }
}

#[tokio::test]
async fn the_archived_are_listed_for_whoever_asks_for_them() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.create_property(&owner, home, "kept").await;
    let gone = world.create_property(&owner, home, "put aside").await;
    world.call(&owner, home, "property/v1/archive", json!({ "id": gone["id"], "version": 1 })).await.ok();
    for (filter, expected) in [
        (Value::Null, vec!["kept"]),
        (json!({ "kind": ["LAND"] }), vec!["kept"]),
        (json!({ "status": ["ARCHIVED"] }), vec!["put aside"]),
        (json!({ "status": ["ACTIVE", "ARCHIVED"] }), vec!["kept", "put aside"]),
    ] {
        let input = json!({ "filter": filter, "orderBy": "ADDRESS_ASC", "withTotal": true });
        let page = page(&world, &owner, home, input).await;
        assert_eq!(
            (lines(&page), &page["totalCount"]),
            (expected.iter().map(ToString::to_string).collect(), &json!(expected.len()))
        );
    }
    // By its id it is found as before.
    let one = world.rpc(&owner, Some(home), "property/v1/get", json!({ "id": gone["id"] })).await;
    assert_eq!(one.ok()["status"], "ARCHIVED");
}

#[tokio::test]
async fn a_cursor_counts_while_its_row_keeps_its_place() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let mut created = Vec::new();
    for name in ["a", "b", "c", "d"] {
        created.push(world.create_property(&owner, home, name).await);
    }
    for order in ["ADDRESS_ASC", "CREATED_ASC"] {
        let first = page(&world, &owner, home, json!({ "first": 2, "orderBy": order })).await;
        let (b, from) = (&created[1], &first["pageInfo"]["endCursor"]);
        let beyond = json!({ "first": 9, "after": from, "orderBy": order });
        let ahead = json!({ "last": 9, "before": from, "orderBy": order });
        // Two more combinations, in which the page does not begin at the cursor.
        let last = json!({ "last": 1, "after": from, "orderBy": order });
        let start = json!({ "first": 1, "before": from, "orderBy": order });
        let version = |row: &Value| row["version"].clone();
        let mut row = world.rpc(&owner, Some(home), "property/v1/get", json!({ "id": b["id"] })).await.ok().clone();
        // The list leaves the row out by now, and the cursor still stands at it.
        for change in ["property/v1/archive", "property/v1/restore"] {
            row = world.call(&owner, home, change, json!({ "id": b["id"], "version": version(&row) })).await.ok().clone();
            for (asked, expected) in [(&beyond, vec!["c", "d"]), (&ahead, vec!["a"]), (&last, vec!["d"]), (&start, vec!["a"])] {
                let page = page(&world, &owner, home, asked.clone()).await;
                assert_eq!(lines(&page), expected, "{order}, {change}, {asked}");
            }
        }
        if order == "ADDRESS_ASC" {
            let address = json!({ "line1": "e", "locality": "Tucson", "region": "AZ", "country": "US" });
            let moved = json!({ "id": b["id"], "version": version(&row), "address": address });
            row = world.call(&owner, home, "property/v1/update", moved).await.ok().clone();
            for asked in [&beyond, &ahead, &last, &start] {
                world.rpc(&owner, Some(home), "property/v1/list", asked.clone()).await.refused("INVALID_CURSOR");
            }
            let address = json!({ "line1": "b", "locality": "Tucson", "region": "AZ", "country": "US" });
            let back = json!({ "id": b["id"], "version": version(&row), "address": address });
            world.call(&owner, home, "property/v1/update", back).await.ok();
        }
    }
}

#[tokio::test]
async fn nodes_stand_beside_edges_and_a_total_alone_needs_no_rows() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    for name in ["b", "a", "c"] {
        world.create_property(&owner, home, name).await;
    }
    let query = "{ properties(first: 2, orderBy: ADDRESS_ASC) {
        nodes { address { line1 } organizationId }
        edges { node { address { line1 } organizationId } }
        pageInfo { hasNextPage }
    } }";
    let page = world.gql(&owner, Some(home), query, json!({})).await.data()["properties"].clone();
    let nodes: Vec<&Value> = page["edges"].as_array().expect("edges").iter().map(|edge| &edge["node"]).collect();
    assert_eq!(page["nodes"].as_array().expect("nodes").iter().collect::<Vec<_>>(), nodes);
    assert_eq!((nodes.len(), &nodes[0]["address"]["line1"], &page["pageInfo"]["hasNextPage"]), (2, &json!("a"), &json!(true)));
    for direction in ["first", "last"] {
        let total = format!("{{ properties({direction}: 0) {{ totalCount nodes {{ id }} pageInfo {{ startCursor }} }} }}");
        let total = world.gql(&owner, Some(home), &total, json!({})).await.data()["properties"].clone();
        assert_eq!(total, json!({ "totalCount": 3, "nodes": [], "pageInfo": { "startCursor": null } }));
    }
}

#[tokio::test]
async fn others_operations_are_listed_for_those_who_govern_only() {
    let world = World::new().await;
    let (owner, tom) = (person("olga"), person("tom"));
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.join(&owner, home, &tom, "TRUSTEE").await;
    let by_owner = world.call(&owner, home, "property/v1/create", World::property("a")).await;
    let by_tom = world.call(&tom, home, "property/v1/create", World::property("b")).await;
    let list = "{ operations(filter: { procedure: \"property/v1/create\" }) { totalCount edges { node { id } } } }";
    assert_eq!(world.gql(&owner, Some(home), list, json!({})).await.data()["operations"]["totalCount"], 2);
    let of_tom = world.gql(&tom, Some(home), list, json!({})).await;
    assert_eq!(
        of_tom.data()["operations"],
        json!({ "totalCount": 1, "edges": [{ "node": { "id": by_tom.body["operation"]["id"] } }] })
    );
    let foreign = by_owner.body["operation"]["id"].clone();
    world.rpc(&tom, Some(home), "operation/v1/get", json!({ "id": foreign })).await.refused("NOT_FOUND");
    let one = world.gql(&tom, Some(home), "query($id: ID!) { operation(id: $id) { id } }", json!({ "id": foreign })).await;
    assert_eq!(one.gql_code(), "NOT_FOUND");
}
