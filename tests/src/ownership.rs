//! Ownerships: who owns what, by what share, from when until when.

use crate::harness::{World, person};
use futures_util::future::join_all;
use serde_json::{Value, json};

fn share(property: &Value, name: &str, points: i64, from: &str) -> Value {
    json!({ "propertyId": property, "holderName": name, "capacity": "CO_OWNER", "shareBasisPoints": points, "startsOn": from })
}

#[tokio::test]
async fn a_couple_a_trust_and_a_sale() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let house = world.create_property(&owner, home, "1 First Street").await["id"].clone();
    let call = async |verb: &str, body: Value| world.call(&owner, home, &format!("ownership/v1/{verb}"), body).await;
    let priya = call("record", share(&house, "Priya", 5_000, "2019-04-01")).await.ok().clone();
    let jonas = call("record", share(&house, "Jonas", 5_000, "2019-04-01")).await.ok().clone();
    let too_much = call("record", share(&house, "Someone", 1, "2025-01-01")).await;
    too_much.refused("OWNERSHIP_EXCEEDS_WHOLE");
    assert_eq!((too_much.status, &too_much.body["field_errors"][0]["field"]), (409, &json!("shareBasisPoints")));
    // The house may have had another owner before them.
    let mut before = share(&house, "A former owner", 10_000, "2001-01-01");
    before["endsOn"] = json!("2019-04-01");
    call("record", before.clone()).await.ok();
    before["endsOn"] = json!("2019-04-02");
    call("record", before).await.refused("OWNERSHIP_EXCEEDS_WHOLE");
    // A manager without a share does not count.
    let mut manager = share(&house, "A manager", 0, "2020-01-01");
    manager["capacity"] = json!("MANAGER");
    call("record", manager).await.ok();

    // Jonas sells to Mara: from one day to the next.
    call("record", share(&house, "Mara", 5_000, "2026-06-01")).await.refused("OWNERSHIP_EXCEEDS_WHOLE");
    let ended = call("end", json!({ "id": jonas["id"], "version": 1, "endsOn": "2026-06-01", "reason": "Sold" })).await;
    assert_eq!((&ended.ok()["endsOn"], &ended.ok()["endReason"]), (&json!("2026-06-01"), &json!("Sold")));
    call("end", json!({ "id": jonas["id"], "version": 2, "endsOn": "2026-07-01" })).await.refused("OWNERSHIP_ENDED");
    call("record", share(&house, "Mara", 5_000, "2026-06-01")).await.ok();

    // A corrected record stays and says that it was corrected; the new one must still fit.
    let correct = |version: i32, more: Value| {
        let mut body = json!({ "id": priya["id"], "version": version, "reason": "The deed says otherwise" });
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        body
    };
    call("correct", correct(1, json!({ "shareBasisPoints": 5_001 }))).await.refused("OWNERSHIP_EXCEEDS_WHOLE");
    let corrected = call("correct", correct(1, json!({ "shareBasisPoints": 4_000, "evidence": "Deed 7" }))).await.ok().clone();
    assert_eq!(
        (&corrected["correctsId"], &corrected["holderName"], &corrected["shareBasisPoints"]),
        (&priya["id"], &json!("Priya"), &json!(4_000))
    );
    call("correct", correct(2, json!({}))).await.refused("OWNERSHIP_CORRECTED");
    let old = world.rpc(&owner, Some(home), "ownership/v1/get", json!({ "id": priya["id"] })).await;
    assert_eq!((&old.ok()["shareBasisPoints"], old.ok()["correctedAt"].is_null()), (&json!(5_000), false));

    let names = async |filter: Value| {
        let answer =
            world.rpc(&owner, Some(home), "ownership/v1/list", json!({ "filter": filter, "orderBy": "HOLDER_ASC" })).await;
        let edges = answer.ok()["edges"].as_array().cloned().unwrap_or_default();
        edges.iter().map(|edge| edge["node"]["holderName"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(json!({ "propertyId": house, "on": "2026-05-31" })).await, ["A manager", "Jonas", "Priya"]);
    assert_eq!(names(json!({ "propertyId": house, "on": "2026-06-01" })).await, ["A manager", "Mara", "Priya"]);
    assert_eq!(names(json!({ "on": "2010-01-01" })).await, ["A former owner"]);
    assert_eq!(names(json!({ "holderName": "Priya", "withCorrected": true })).await, ["Priya", "Priya"]);

    // Ownerships are read both ways in the graph, and told in the history of the property.
    let query = "query ($id: ID!) { property(id: $id) { ownerships { holderName property { id } } history { edges { node { kind references { name } } } } } }";
    let seen = world.gql(&owner, Some(home), query, json!({ "id": house })).await;
    let property = &seen.data()["property"];
    assert_eq!(property["ownerships"][0], json!({ "holderName": "A former owner", "property": { "id": house } }));
    assert_eq!(property["ownerships"].as_array().map(Vec::len), Some(5), "without what was corrected");
    assert_eq!(
        property["history"]["edges"][0]["node"],
        json!({ "kind": "property.ownership_changed", "references": [{ "name": "ownershipId" }] })
    );
    for (body, field, code) in [
        (share(&house, "x", -1, "2030-01-01"), "shareBasisPoints", "TOO_SMALL"),
        (share(&house, "x", 10_001, "2030-01-01"), "shareBasisPoints", "TOO_LARGE"),
        (share(&house, " ", 1, "2030-01-01"), "holderName", "BLANK"),
        (share(&house, "x", 1, "2030-02-30"), "startsOn", "WRONG_TYPE"),
        (share(&house, "x", 1, "2030-1-1"), "startsOn", "WRONG_TYPE"),
    ] {
        let refused = call("record", body).await;
        refused.refused("INVALID_INPUT");
        let error = &refused.body["field_errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!(code)), "{error}");
    }
    call("record", share(&json!("00000000-0000-7000-8000-00000000dead"), "x", 1, "2030-01-01")).await.refused("NOT_FOUND");
    let stranger = json!({ "propertyId": house, "holderName": "x", "principalId": "00000000-0000-7000-8000-00000000dead", "capacity": "OWNER", "shareBasisPoints": 0, "startsOn": "2030-01-01" });
    assert_eq!(call("record", stranger).await.body["field_errors"][0]["code"], "NOT_FOUND");
}

#[tokio::test]
async fn the_shares_never_exceed_the_whole_however_many_record_at_once() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let house = world.create_property(&owner, home, "1 First Street").await["id"].clone();
    // Each share begins on another day, so that no two are the same rows.
    let calls = (0..12).map(|day| {
        let body = share(&house, &format!("Holder {day}"), 3_000, &format!("2026-01-{:02}", 28 - day));
        world.call(&owner, home, "ownership/v1/record", body)
    });
    let answers = join_all(calls).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 3, "three thirds and no more");
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.code() == "OWNERSHIP_EXCEEDS_WHOLE"));
    assert_eq!(world.count("SELECT sum(share_basis_points) FROM ownership").await, 9_000);
    // The database itself refuses, whatever the gateway does.
    let more = "INSERT INTO ownership (organization_id, id, property_id, holder_name, capacity, share_basis_points, starts_on, recorded_by, created_at, updated_at)
                SELECT organization_id, gen_random_uuid(), property_id, 'x', 'OWNER', 2000, '2026-02-01', recorded_by, now(), now() FROM ownership LIMIT 1";
    let error = sqlx::query(more).execute(&world.sql).await.expect_err("refused");
    assert_eq!(error.as_database_error().and_then(|error| error.constraint()), Some("ownership_whole"));
}

#[tokio::test]
async fn a_transfer_gives_and_keeps_in_one() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let house = world.create_property(&owner, home, "1 First Street").await["id"].clone();
    let call = async |verb: &str, body: Value| world.call(&owner, home, &format!("ownership/v1/{verb}"), body).await;
    let priya = call("record", share(&house, "Priya", 6_000, "2019-04-01")).await.ok().clone();
    call("record", share(&house, "Jonas", 4_000, "2019-04-01")).await.ok();
    let to = |shares: &[(&str, i64)]| -> Vec<Value> {
        shares
            .iter()
            .map(|(name, points)| json!({ "holderName": name, "capacity": "CO_OWNER", "shareBasisPoints": points }))
            .collect()
    };
    let transfer = |version: i32, from: &str, shares: &[(&str, i64)]| json!({ "id": priya["id"], "version": version, "startsOn": from, "to": to(shares), "reason": "Left to the children" });
    // More than there is, before it began, to nobody, and twice from the same day.
    let much = call("transfer", transfer(1, "2026-06-01", &[("Mara", 4_000), ("Ines", 2_001)])).await;
    much.refused("OWNERSHIP_EXCEEDS_WHOLE");
    assert_eq!(much.body["error"]["details"], json!({ "freeBasisPoints": 6_000, "from": "2026-06-01" }), "{:#}", much.body);
    let early = call("transfer", transfer(1, "2019-04-01", &[("Mara", 1)])).await;
    assert_eq!((early.code(), &early.body["field_errors"][0]["field"]), ("INVALID_INPUT", &json!("startsOn")));
    let nobody = call("transfer", transfer(1, "2026-06-01", &[])).await;
    assert_eq!(nobody.body["field_errors"][0], json!({ "field": "to", "code": "TOO_FEW", "message": "must be at least 1" }));
    let mut nameless = transfer(1, "2026-06-01", &[("", 1)]);
    nameless["to"][0]["shareBasisPoints"] = json!(10_001);
    let fields = call("transfer", nameless).await.body["field_errors"].clone();
    assert_eq!(fields.as_array().map(Vec::len), Some(2), "{fields:#}");
    call("transfer", transfer(2, "2026-06-01", &[("Mara", 1)])).await.refused("VERSION_CONFLICT");

    let done = call("transfer", transfer(1, "2026-06-01", &[("Mara", 3_000), ("Ines", 1_000)])).await.ok().clone();
    assert_eq!((&done["given"]["endsOn"], &done["given"]["endReason"]), (&json!("2026-06-01"), &json!("Left to the children")));
    let shown = |row: &Value| (row["holderName"].clone(), row["shareBasisPoints"].clone(), row["startsOn"].clone());
    let received: Vec<_> = done["received"].as_array().expect("rows").iter().map(shown).collect();
    let from = json!("2026-06-01");
    assert_eq!(received, [(json!("Mara"), json!(3_000), from.clone()), (json!("Ines"), json!(1_000), from.clone())]);
    assert_eq!(shown(&done["kept"]), (json!("Priya"), json!(2_000), from));
    call("transfer", transfer(2, "2027-06-01", &[("Mara", 1)])).await.refused("OWNERSHIP_ENDED");
    // The whole is owned on each day, and no more than the whole.
    for day in ["2026-05-31", "2026-06-01"] {
        let query = "query ($id: ID!, $day: Date!) { property(id: $id) { ownerships(on: $day) { shareBasisPoints } } }";
        let held = world.gql(&owner, Some(home), query, json!({ "id": house, "day": day })).await;
        let rows = held.data()["property"]["ownerships"].as_array().cloned().expect("rows");
        assert_eq!(rows.iter().filter_map(|row| row["shareBasisPoints"].as_i64()).sum::<i64>(), 10_000, "{day}");
    }
    // How much is free, and from when on.
    let free = call("record", share(&house, "Someone", 100, "2026-01-01")).await;
    free.refused("OWNERSHIP_EXCEEDS_WHOLE");
    assert_eq!(free.body["error"]["details"], json!({ "freeBasisPoints": 0, "from": "2026-01-01" }));
    // The house's own history tells of it.
    let query = "query ($id: ID!) { property(id: $id) { history(first: 1) { nodes { kind references { id } } } } }";
    let history = world.gql(&owner, Some(home), query, json!({ "id": house })).await;
    let told = json!([{ "kind": "property.ownership_changed", "references": [{ "id": priya["id"] }] }]);
    assert_eq!(history.data()["property"]["history"]["nodes"], told);
}
