//! Who may do what with which properties until when, by whose leave.

use crate::harness::{Answer, Person, World, person, until};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

struct Scene {
    world: World,
    olga: Person,
    home: Uuid,
    houses: Vec<Value>,
    rentals: Value,
}

/// Three houses, the first two of them in a portfolio.
async fn scene() -> Scene {
    let world = World::new().await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let mut houses = Vec::new();
    for number in 0..3 {
        houses.push(world.create_property(&olga, home, &format!("{number} First Street")).await["id"].clone());
    }
    let rentals = world.call(&olga, home, "portfolio/v1/create", json!({ "name": "Rentals" })).await.ok()["id"].clone();
    for house in &houses[..2] {
        world.call(&olga, home, "portfolio/v1/addProperty", json!({ "id": rentals, "propertyId": house })).await.ok();
    }
    Scene { world, olga, home, houses, rentals }
}

impl Scene {
    async fn grant(&self, by: &Person, to: &Person, what: Value) -> Answer {
        let mut input = json!({ "holderId": self.world.principal(to).await });
        input.as_object_mut().expect("an object").extend(what.as_object().cloned().expect("an object"));
        let mut granted = self.world.call(by, self.home, "delegation/v1/grant", input).await;
        if granted.status == 200 {
            granted.body["result"] = self.world.accepted(granted.ok().clone()).await;
        }
        granted
    }

    /// The lines of the houses that someone sees, or the code of the refusal.
    async fn sees(&self, who: &Person) -> Vec<String> {
        let query = "{ properties(orderBy: ADDRESS_ASC) { edges { node { address { line1 } } } } }";
        let answer = self.world.gql(who, Some(self.home), query, json!({})).await;
        if !answer.gql_code().is_empty() {
            return vec![answer.gql_code().to_owned()];
        }
        let edges = answer.data()["properties"]["edges"].as_array().cloned().unwrap_or_default();
        edges.iter().map(|edge| edge["node"]["address"]["line1"].as_str().unwrap_or_default()[..1].to_owned()).collect()
    }

    async fn touch(&self, who: &Person, house: usize) -> Answer {
        let version: i32 = sqlx::query_scalar("SELECT version FROM property WHERE id::text = $1")
            .bind(self.houses[house].as_str())
            .fetch_one(&self.world.sql)
            .await
            .expect("a version");
        let body = json!({ "id": self.houses[house], "version": version, "notes": format!("seen to by {}", who.subject) });
        self.world.call(who, self.home, "property/v1/update", body).await
    }
}

#[tokio::test]
async fn an_agent_may_do_two_things_with_three_houses_until_march() {
    let scene = scene().await;
    let (world, olga, home, houses) = (&scene.world, &scene.olga, scene.home, &scene.houses);
    let tom = person("tom");
    let now = schema::Clock::now(&*world.clock);
    let march = (now + Duration::from_secs(3_600)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    assert_eq!(scene.sees(&tom).await, ["ORGANIZATION_NOT_FOUND"]);
    let what = json!({ "propertyIds": [houses[0], houses[2]], "actions": ["UPDATE", "RECORD_FINANCES"], "endsAt": march, "reason": "Lets them" });
    let delegation = scene.grant(olga, &tom, what).await.ok().clone();
    assert_eq!(delegation["actions"], json!(["READ", "UPDATE", "RECORD_FINANCES"]), "to see goes with each");
    let viewer = world
        .gql(
            &tom,
            None,
            "{ viewer { memberships { nodes { role } } delegations { organizationId organization { name } actions endsAt } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        viewer.data()["viewer"],
        json!({ "memberships": { "nodes": [] }, "delegations": [{ "organizationId": home, "organization": { "name": "olga's" }, "actions": ["READ", "UPDATE", "RECORD_FINANCES"], "endsAt": delegation["endsAt"] }] })
    );
    assert_eq!(scene.sees(&tom).await, ["0", "2"]);
    scene.touch(&tom, 0).await.ok();
    scene.touch(&tom, 1).await.refused("NOT_FOUND");
    let entry = |house: &Value| json!({ "propertyId": house, "kind": "FEES", "amountMinor": -5, "currency": "USD", "bookedOn": "2026-04-30", "source": "x" });
    world.call(&tom, home, "financialEntry/v1/record", entry(&houses[2])).await.ok();
    // Nothing else is allowed: not with these houses, not with others, not with anything besides.
    for (procedure, body) in [
        ("financialEntry/v1/record", entry(&houses[1])),
        ("property/v1/archive", json!({ "id": houses[0], "version": 2 })),
        ("property/v1/create", World::property("x")),
        (
            "ownership/v1/record",
            json!({ "propertyId": houses[0], "holderName": "Tom", "capacity": "OWNER", "shareBasisPoints": 1, "startsOn": "2026-01-01" }),
        ),
        ("portfolio/v1/create", json!({ "name": "Mine" })),
        ("portfolio/v1/removeProperty", json!({ "id": scene.rentals, "propertyId": houses[0] })),
        ("membership/v1/invite", json!({ "email": "x@example.com", "role": "OWNER" })),
        ("accessGrant/v1/grant", json!({ "kind": "ENGAGEMENT", "granteeOrganizationId": home, "scopes": ["ACT"] })),
        ("delegation/v1/grant", json!({ "holderId": delegation["grantorId"], "propertyIds": [houses[0]], "actions": ["READ"] })),
        (
            "delegation/v1/grant",
            json!({ "holderId": delegation["grantorId"], "propertyIds": [houses[0]], "actions": ["READ"], "parentId": delegation["id"] }),
        ),
    ] {
        let answer = world.call(&tom, home, procedure, body).await;
        assert!(["FORBIDDEN", "NOT_FOUND"].contains(&answer.code()), "{procedure}: {:#}", answer.body);
    }
    let query = "{ portfolios { totalCount } memberships: organization(id: \"%\") { id } externalParties { totalCount } ownerships { totalCount } delegations { edges { node { items { propertyId portfolioId } } } } accessGrants { totalCount } }";
    let seen = world.gql(&tom, Some(home), &query.replace('%', &home.to_string()), json!({})).await;
    let items: Vec<_> = [0, 2].iter().map(|at| json!({ "propertyId": houses[*at], "portfolioId": null })).collect();
    assert_eq!(seen.body["data"]["delegations"]["edges"], json!([{ "node": { "items": items } }]), "its own it sees");
    for list in ["portfolios", "externalParties", "ownerships", "accessGrants"] {
        assert_eq!(seen.body["data"][list]["totalCount"], 0, "{list}");
    }
    // The history names who did it, and by whose leave.
    let history = world
        .gql(
            olga,
            Some(home),
            "query ($id: ID!) { property(id: $id) { history(first: 1) { edges { node { actor { displayName onBehalfOf { id } } } } } } }",
            json!({ "id": houses[0] }),
        )
        .await;
    assert_eq!(
        history.data()["property"]["history"]["edges"][0]["node"],
        json!({ "actor": { "displayName": "tom", "onBehalfOf": { "id": delegation["id"] } } })
    );

    // A delegation ends to the millisecond; then the timer notes the end.
    world.clock.advance(Duration::from_millis(3_599_999));
    scene.touch(&tom, 0).await.ok();
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(scene.sees(&tom).await, ["ORGANIZATION_NOT_FOUND"]);
    scene.touch(&tom, 0).await.refused("ORGANIZATION_NOT_FOUND");
    until("the note of its end", async || {
        (world.count("SELECT count(*) FROM delegation WHERE state = 'EXPIRED'").await == 1).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM event WHERE kind = 'delegation.expired' AND actor_kind = 'SYSTEM'").await, 1);
    world
        .call(olga, home, "delegation/v1/revoke", json!({ "id": delegation["id"], "version": 3 }))
        .await
        .refused("DELEGATION_ENDED");
}

#[tokio::test]
async fn a_portfolio_is_delegated_with_what_is_in_it_at_the_time() {
    let scene = scene().await;
    let (world, olga, home) = (&scene.world, &scene.olga, scene.home);
    let tom = person("tom");
    scene.grant(olga, &tom, json!({ "portfolioIds": [scene.rentals], "actions": ["UPDATE"] })).await.ok();
    assert_eq!(scene.sees(&tom).await, ["0", "1"]);
    let portfolios =
        world.gql(&tom, Some(home), "{ portfolios { edges { node { name properties { totalCount } } } } }", json!({})).await;
    assert_eq!(
        portfolios.data()["portfolios"]["edges"],
        json!([{ "node": { "name": "Rentals", "properties": { "totalCount": 2 } } }])
    );
    scene.touch(&tom, 1).await.ok();
    let member = |at: usize| json!({ "id": scene.rentals, "propertyId": scene.houses[at] });
    world.call(olga, home, "portfolio/v1/removeProperty", member(1)).await.ok();
    world.call(olga, home, "portfolio/v1/addProperty", member(2)).await.ok();
    assert_eq!(scene.sees(&tom).await, ["0", "2"]);
    scene.touch(&tom, 1).await.refused("NOT_FOUND");
    world
        .call(&tom, home, "portfolio/v1/update", json!({ "id": scene.rentals, "version": 5, "name": "x" }))
        .await
        .refused("FORBIDDEN");
}

#[tokio::test]
async fn nobody_passes_on_more_than_they_have_nor_keeps_it_longer() {
    let scene = scene().await;
    let (world, olga, home, houses) = (&scene.world, &scene.olga, scene.home, &scene.houses);
    let (tom, uma, vic) = (person("tom"), person("uma"), person("vic"));
    let what = json!({ "propertyIds": [houses[2]], "portfolioIds": [scene.rentals], "actions": ["UPDATE", "ARCHIVE"], "mayDelegate": true });
    let first = scene.grant(olga, &tom, what).await.ok().clone();
    let on = |more: Value| {
        let mut what = json!({ "parentId": first["id"], "actions": ["UPDATE"] });
        what.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        what
    };
    for (what, field) in [
        (on(json!({ "propertyIds": [houses[2]], "actions": ["UPDATE", "RECORD_FINANCES"] })), "actions"),
        (on(json!({ "propertyIds": [houses[2], "00000000-0000-7000-8000-00000000dead"] })), "propertyIds.1"),
        (on(json!({ "portfolioIds": ["00000000-0000-7000-8000-00000000dead"] })), "portfolioIds.0"),
        (on(json!({ "propertyIds": [houses[2]], "startsAt": "2020-01-01T00:00:00Z" })), "startsAt"),
    ] {
        let refused = scene.grant(&tom, &uma, what).await;
        refused.refused("DELEGATION_EXCEEDS");
        assert_eq!(refused.body["field_errors"][0]["field"], field);
    }
    // Uma gets one house by the portfolio and the other by name, and passes on the first.
    let second =
        scene.grant(&tom, &uma, on(json!({ "propertyIds": [houses[0], houses[2]], "mayDelegate": true }))).await.ok().clone();
    assert_eq!((&second["rootId"], &second["grantorId"]), (&first["rootId"], &first["holderId"]));
    assert_eq!(scene.sees(&uma).await, ["0", "2"]);
    let third = json!({ "parentId": second["id"], "actions": ["READ"], "propertyIds": [houses[0]] });
    scene.grant(&uma, &vic, third.clone()).await.ok();
    assert_eq!(scene.sees(&vic).await, ["0"]);
    // A house that leaves the portfolio leaves all who had it by the portfolio.
    let member = json!({ "id": scene.rentals, "propertyId": houses[0] });
    world.call(olga, home, "portfolio/v1/removeProperty", member.clone()).await.ok();
    assert_eq!((scene.sees(&uma).await, scene.sees(&vic).await), (vec!["2".to_owned()], vec![]));
    world.call(olga, home, "portfolio/v1/addProperty", member).await.ok();

    // A delegation that is narrowed narrows those below it.
    let narrow = async |who: &Person, id: &Value, version: i32, more: Value| {
        let mut body = json!({ "id": id, "version": version });
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        world.call(who, home, "delegation/v1/narrow", body).await
    };
    narrow(&tom, &first["id"], 2, json!({ "actions": ["READ"] })).await.refused("FORBIDDEN");
    narrow(olga, &first["id"], 2, json!({ "actions": ["RECORD_FINANCES"] })).await.refused("DELEGATION_EXCEEDS");
    narrow(olga, &first["id"], 2, json!({ "propertyIds": [houses[1]] })).await.refused("DELEGATION_EXCEEDS");
    narrow(olga, &first["id"], 2, json!({ "propertyIds": [], "portfolioIds": [] })).await.refused("INVALID_INPUT");
    scene.touch(&uma, 2).await.ok();
    narrow(olga, &first["id"], 2, json!({ "propertyIds": [], "actions": ["ARCHIVE"] })).await.ok();
    assert_eq!((scene.sees(&tom).await, scene.sees(&uma).await), (vec!["0".to_owned(), "1".to_owned()], vec!["0".to_owned()]));
    scene.touch(&uma, 0).await.refused("FORBIDDEN");
    // A holder who may no longer pass on has passed nothing on.
    narrow(olga, &first["id"], 3, json!({ "mayDelegate": false })).await.ok();
    assert_eq!(
        (scene.sees(&uma).await, scene.sees(&vic).await),
        (vec!["ORGANIZATION_NOT_FOUND".to_owned()], vec!["ORGANIZATION_NOT_FOUND".to_owned()])
    );
    until("the notes of their ends", async || {
        // Each turn of the work is asked for by a time of its own.
        world.clock.advance(Duration::from_millis(1));
        let states: Vec<(String, i64)> = sqlx::query_as("SELECT state, count(*) FROM delegation GROUP BY state ORDER BY state")
            .fetch_all(&world.sql)
            .await
            .expect("states");
        (states == [("ACTIVE".to_owned(), 1), ("REVOKED".to_owned(), 2)]).then_some(())
    })
    .await;
    scene.grant(&tom, &uma, on(json!({ "portfolioIds": [scene.rentals], "actions": ["READ"] }))).await.refused("FORBIDDEN");
    // The holder of a delegation may give it back.
    world
        .call(&uma, home, "delegation/v1/revoke", json!({ "id": first["id"], "version": 4 }))
        .await
        .refused("ORGANIZATION_NOT_FOUND");
    world.call(&tom, home, "delegation/v1/revoke", json!({ "id": first["id"], "version": 4 })).await.ok();
    assert_eq!(scene.sees(&tom).await, ["ORGANIZATION_NOT_FOUND"]);
}

#[tokio::test]
async fn a_delegation_counts_as_long_as_the_member_who_gave_it_could_still_give_it() {
    let scene = scene().await;
    let (world, olga, home, houses) = (&scene.world, &scene.olga, scene.home, &scene.houses);
    let (ines, tom, uma) = (person("ines"), person("tom"), person("uma"));
    let membership = world.join(olga, home, &ines, "TRUSTEE").await;
    let first = scene
        .grant(&ines, &tom, json!({ "propertyIds": [houses[0]], "actions": ["UPDATE"], "mayDelegate": true }))
        .await
        .ok()
        .clone();
    scene.grant(&tom, &uma, json!({ "propertyIds": [houses[0]], "actions": ["UPDATE"], "parentId": first["id"] })).await.ok();
    assert_eq!(scene.sees(&uma).await, ["0"]);
    world.call(olga, home, "membership/v1/revoke", json!({ "id": membership["id"], "version": 2 })).await.ok();
    for who in [&tom, &uma] {
        assert_eq!(scene.sees(who).await, ["ORGANIZATION_NOT_FOUND"]);
        let viewer = world.gql(who, None, "{ viewer { delegations { organizationId } } }", json!({})).await;
        assert_eq!(viewer.data()["viewer"]["delegations"], json!([]));
    }
    // The delegation does not come back with the member who gave it.
    world.join(olga, home, &ines, "TRUSTEE").await;
    assert_eq!(scene.sees(&tom).await, ["ORGANIZATION_NOT_FOUND"]);
}

#[tokio::test]
async fn a_delegation_is_to_somebody_over_something_of_ones_own() {
    let scene = scene().await;
    let (world, olga, home, houses) = (&scene.world, &scene.olga, scene.home, &scene.houses);
    let (tom, mallory) = (person("tom"), person("mallory"));
    let elsewhere = world.found(&mallory, "TRUST_OR_LLC").await;
    let theirs = world.create_property(&mallory, elsewhere, "9").await["id"].clone();
    for (what, field, code) in [
        (json!({ "actions": ["READ"] }), "propertyIds", "REQUIRED"),
        (json!({ "propertyIds": [houses[0]], "actions": [] }), "actions", "TOO_FEW"),
        (json!({ "propertyIds": [houses[0], theirs], "actions": ["READ"] }), "propertyIds.1", "NOT_FOUND"),
        (json!({ "portfolioIds": [theirs], "actions": ["READ"] }), "portfolioIds.0", "NOT_FOUND"),
        (json!({ "propertyIds": [houses[0]], "actions": ["READ"], "endsAt": "2020-01-01T00:00:00Z" }), "endsAt", "TOO_EARLY"),
        (
            json!({ "propertyIds": [houses[0]], "actions": ["READ"], "holderId": "00000000-0000-7000-8000-00000000dead" }),
            "holderId",
            "NOT_FOUND",
        ),
        (
            json!({ "propertyIds": [houses[0]], "actions": ["READ"], "holderId": world.principal(olga).await }),
            "holderId",
            "YOURSELF",
        ),
    ] {
        let refused = scene.grant(olga, &tom, what.clone()).await;
        refused.refused("INVALID_INPUT");
        let error = &refused.body["field_errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!(code)), "{what}: {error}");
    }
    let delegation = scene
        .grant(olga, &tom, json!({ "propertyIds": [houses[0]], "actions": ["READ"], "mayDelegate": true }))
        .await
        .ok()
        .clone();
    // A delegation of another organization is neither seen, passed on, narrowed nor revoked.
    let passed = json!({ "holderId": world.principal(&tom).await, "propertyIds": [theirs], "actions": ["READ"], "parentId": delegation["id"] });
    world.call(&mallory, elsewhere, "delegation/v1/grant", passed).await.refused("NOT_FOUND");
    for verb in ["narrow", "revoke"] {
        world
            .call(&mallory, elsewhere, &format!("delegation/v1/{verb}"), json!({ "id": delegation["id"], "version": 2 }))
            .await
            .refused("NOT_FOUND");
    }
    world
        .rpc(&mallory, Some(home), "delegation/v1/get", json!({ "id": delegation["id"] }))
        .await
        .refused("ORGANIZATION_NOT_FOUND");
}

#[tokio::test]
async fn an_earlier_end_leaves_nothing_of_what_would_have_begun_later() {
    let scene = scene().await;
    let (world, olga, home, houses) = (&scene.world, &scene.olga, scene.home, &scene.houses);
    let (tom, uma) = (person("tom"), person("uma"));
    let what = json!({ "propertyIds": [houses[0]], "actions": ["READ"], "mayDelegate": true });
    let first = scene.grant(olga, &tom, what).await.ok().clone();
    let at = |seconds: u64| {
        let time = schema::Clock::now(&*world.clock) + Duration::from_secs(seconds);
        json!(time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    };
    let later = json!({ "propertyIds": [houses[0]], "actions": ["READ"], "parentId": first["id"], "startsAt": at(100) });
    scene.grant(&tom, &uma, later).await.ok();
    let narrow = json!({ "id": first["id"], "version": 2, "endsAt": at(50) });
    world.call(olga, home, "delegation/v1/narrow", narrow).await.ok();
    until("the note of its end", async || {
        (world.count("SELECT count(*) FROM delegation WHERE state = 'REVOKED'").await == 1).then_some(())
    })
    .await;
}

/// The history names, of several delegations, the one that allowed the change.
#[tokio::test]
async fn of_two_delegations_the_one_is_named_that_something_was_done_by() {
    let scene = scene().await;
    let (world, olga, home, houses) = (&scene.world, &scene.olga, scene.home, &scene.houses);
    let (tom, sam) = (person("tom"), person("sam"));
    world.join(olga, home, &sam, "CONCIERGE_STAFF").await;
    for who in [&tom, &sam] {
        scene.grant(olga, who, json!({ "propertyIds": [houses[0]], "actions": ["ARCHIVE"] })).await.ok();
        let update = scene.grant(olga, who, json!({ "propertyIds": [houses[0]], "actions": ["UPDATE"] })).await.ok().clone();
        scene.touch(who, 0).await.ok();
        let query =
            "query ($id: ID!) { property(id: $id) { history(first: 1) { edges { node { actor { onBehalfOf { id } } } } } } }";
        let history = world.gql(olga, Some(home), query, json!({ "id": houses[0] })).await;
        assert_eq!(
            history.data()["property"]["history"]["edges"][0]["node"]["actor"]["onBehalfOf"]["id"],
            update["id"],
            "{}",
            who.subject
        );
    }
}

#[tokio::test]
async fn many_are_given_back_at_once() {
    let scene = scene().await;
    let (world, olga, home, houses) = (&scene.world, &scene.olga, scene.home, &scene.houses);
    let tom = person("tom");
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(scene.grant(olga, &tom, json!({ "propertyIds": [houses[0]], "actions": ["READ"] })).await.ok()["id"].clone());
    }
    let back = held.iter().map(|id| world.call(&tom, home, "delegation/v1/revoke", json!({ "id": id, "version": 2 })));
    for answer in futures_util::future::join_all(back).await {
        answer.ok();
    }
    assert_eq!(scene.sees(&tom).await, ["ORGANIZATION_NOT_FOUND"]);
}
