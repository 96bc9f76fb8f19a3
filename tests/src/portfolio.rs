use crate::harness::{World, person};
use serde_json::{Value, json};

#[tokio::test]
async fn portfolios_group_properties_each_in_as_many_as_one_likes() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let call = async |verb: &str, body: Value| world.call(&owner, home, &format!("portfolio/v1/{verb}"), body).await;
    let first = world.create_property(&owner, home, "1 First Street").await["id"].clone();
    let second = world.create_property(&owner, home, "2 Second Street").await["id"].clone();

    let rentals = call("create", json!({ "name": "Rentals", "colour": "#2F6B4F", "position": 2 })).await.ok().clone();
    let to_sell = call("create", json!({ "name": "To sell", "targetNotes": "By 2028" })).await.ok().clone();
    call("create", json!({ "name": "RENTALS" })).await.refused("PORTFOLIO_NAME_TAKEN");
    for (input, field, code) in [
        (json!({ "name": "x", "colour": "green" }), "colour", "INVALID_COLOUR"),
        (json!({ "name": "x", "colour": "#2f6b4f" }), "colour", "INVALID_COLOUR"),
        (json!({ "name": "x", "position": -1 }), "position", "TOO_SMALL"),
        (json!({ "name": " " }), "name", "BLANK"),
    ] {
        let refused = call("create", input).await;
        refused.refused("INVALID_INPUT");
        assert_eq!(
            (&refused.body["field_errors"][0]["field"], &refused.body["field_errors"][0]["code"]),
            (&json!(field), &json!(code))
        );
    }

    for (portfolio, property) in [(&rentals, &first), (&rentals, &second), (&to_sell, &first), (&rentals, &first)] {
        call("addProperty", json!({ "id": portfolio["id"], "propertyId": property })).await.ok();
    }
    let nowhere = json!("00000000-0000-7000-8000-00000000dead");
    let unknown = call("addProperty", json!({ "id": rentals["id"], "propertyId": nowhere })).await;
    assert_eq!(unknown.body["field_errors"][0]["code"], "NOT_FOUND");

    let query = "{ portfolios { edges { node { name properties(orderBy: ADDRESS_ASC) { totalCount edges { node { address { line1 } portfolios { name } } } } } } } }";
    let seen = world.gql(&owner, Some(home), query, json!({})).await;
    let at = |line: &str, groups: &[&str]| {
        let groups: Vec<_> = groups.iter().map(|name| json!({ "name": name })).collect();
        json!({ "node": { "address": { "line1": line }, "portfolios": groups } })
    };
    let (one, two) = (at("1 First Street", &["To sell", "Rentals"]), at("2 Second Street", &["Rentals"]));
    assert_eq!(
        seen.data()["portfolios"]["edges"],
        json!([
            { "node": { "name": "To sell", "properties": { "totalCount": 1, "edges": [one] } } },
            { "node": { "name": "Rentals", "properties": { "totalCount": 2, "edges": [one, two] } } },
        ])
    );
    let listed = world.rpc(&owner, Some(home), "property/v1/list", json!({ "filter": { "portfolioId": to_sell["id"] } })).await;
    assert_eq!(listed.ok()["edges"].as_array().map(Vec::len), Some(1));

    // A property that was taken out is nowhere to be seen in the portfolio, and may come back.
    let taken = json!({ "id": rentals["id"], "propertyId": first });
    call("removeProperty", taken.clone()).await.ok();
    call("removeProperty", taken.clone()).await.refused("PROPERTY_NOT_IN_PORTFOLIO");
    let count = async || {
        let query = "query ($id: ID!) { portfolio(id: $id) { properties { totalCount } } }";
        let answer = world.gql(&owner, Some(home), query, json!({ "id": rentals["id"] })).await;
        answer.data()["portfolio"]["properties"]["totalCount"].clone()
    };
    assert_eq!(count().await, 1);
    call("addProperty", taken).await.ok();
    assert_eq!(count().await, 2);

    // Each addition and each removal is another version, so that a change by an older version is refused.
    call("update", json!({ "id": rentals["id"], "version": 1, "name": "x" })).await.refused("VERSION_CONFLICT");
    let version: i64 = world.count("SELECT version::bigint FROM portfolio WHERE name = 'Rentals'").await;
    assert_eq!(version, 6);
    let patch = json!({ "id": rentals["id"], "version": version, "name": "To sell" });
    call("update", patch).await.refused("PORTFOLIO_NAME_TAKEN");
    let updated = call("update", json!({ "id": rentals["id"], "version": version, "name": "Rented out", "colour": null })).await;
    assert_eq!((&updated.ok()["name"], &updated.ok()["colour"]), (&json!("Rented out"), &json!(null)));
    call("archive", json!({ "id": rentals["id"], "version": version + 1 })).await.ok();
    for verb in ["addProperty", "removeProperty"] {
        call(verb, json!({ "id": rentals["id"], "propertyId": second })).await.refused("PORTFOLIO_ARCHIVED");
    }
    // The archived portfolio's name is free again.
    call("create", json!({ "name": "rented OUT" })).await.ok();

    let log: Vec<(String, i32)> =
        sqlx::query_as("SELECT kind, version FROM event WHERE organization_id = $1 AND resource_id::text = $2 ORDER BY seq")
            .bind(home)
            .bind(rentals["id"].as_str())
            .fetch_all(&world.sql)
            .await
            .expect("events");
    let verbs = [
        "created",
        "property_added",
        "property_added",
        "property_added",
        "property_removed",
        "property_added",
        "updated",
        "archived",
    ];
    let told: Vec<_> = verbs.iter().zip(1..).map(|(verb, version)| (format!("portfolio.{verb}"), version)).collect();
    assert_eq!(log, told);
}

#[tokio::test]
async fn an_archived_property_is_put_into_no_portfolio() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let property = world.create_property(&owner, home, "1 First Street").await;
    let portfolio = world.call(&owner, home, "portfolio/v1/create", json!({ "name": "Rentals" })).await.ok().clone();
    world.call(&owner, home, "property/v1/archive", json!({ "id": property["id"], "version": 1 })).await.ok();
    let add = json!({ "id": portfolio["id"], "propertyId": property["id"] });
    world.call(&owner, home, "portfolio/v1/addProperty", add).await.refused("PROPERTY_ARCHIVED");
}

/// An id inside an input is as far away as the id of the subject.
#[tokio::test]
async fn nothing_of_another_organization_comes_into_a_portfolio_or_out_of_one() {
    let world = World::new().await;
    let (owner, other) = (person("olga"), person("mallory"));
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let elsewhere = world.found(&other, "TRUST_OR_LLC").await;
    let mine = world.create_property(&owner, home, "1 First Street").await;
    let group = world.call(&owner, home, "portfolio/v1/create", json!({ "name": "Rentals" })).await.ok().clone();
    world.call(&owner, home, "portfolio/v1/addProperty", json!({ "id": group["id"], "propertyId": mine["id"] })).await.ok();
    let theirs = world.call(&other, elsewhere, "portfolio/v1/create", json!({ "name": "Rentals" })).await.ok().clone();

    // A property of ours comes neither into their portfolio, nor by their hand into ours or out of it. An id that exists answers
    // as one that does not.
    let nowhere = json!("00000000-0000-7000-8000-00000000dead");
    for property in [&mine["id"], &nowhere] {
        let refused = world
            .call(&other, elsewhere, "portfolio/v1/addProperty", json!({ "id": theirs["id"], "propertyId": property }))
            .await;
        refused.refused("INVALID_INPUT");
        assert_eq!(refused.body["field_errors"][0]["code"], "NOT_FOUND");
    }
    let taken = json!({ "id": group["id"], "propertyId": mine["id"] });
    for verb in ["addProperty", "removeProperty"] {
        world.call(&other, elsewhere, &format!("portfolio/v1/{verb}"), taken.clone()).await.refused("NOT_FOUND");
    }
    let listed =
        world.rpc(&other, Some(elsewhere), "property/v1/list", json!({ "filter": { "portfolioId": group["id"] } })).await;
    assert_eq!(listed.ok()["edges"], json!([]));
    assert_eq!(world.count("SELECT count(*) FROM portfolio_property WHERE removed_at IS NULL").await, 1);
}
