//! An owner lets a concierge in, and out again.

use crate::harness::{Gate, Options, World, person};
use schema::Boundary;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const LIST: &str =
    "{ engagedProperties(orderBy: ADDRESS_ASC) { totalCount edges { node { address { line1 } organizationId } } } }";

fn lines(answer: &crate::harness::Answer, field: &str) -> Vec<String> {
    let edges = answer.data()[field]["edges"].as_array().cloned().unwrap_or_default();
    edges.iter().map(|edge| edge["node"]["address"]["line1"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Two owners, a concierge's desk, and its staff Sam.
struct Scene {
    world: World,
    olga: crate::harness::Person,
    oscar: crate::harness::Person,
    dana: crate::harness::Person,
    sam: crate::harness::Person,
    home: Uuid,
    other: Uuid,
    desk: Uuid,
}

async fn scene() -> Scene {
    let world = World::new().await;
    let (olga, oscar, dana, sam) = (person("olga"), person("oscar"), person("dana"), person("sam"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let other = world.found(&oscar, "INDIVIDUAL_PROPERTY_OWNER").await;
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    world.join(&dana, desk, &sam, "CONCIERGE_STAFF").await;
    Scene { world, olga, oscar, dana, sam, home, other, desk }
}

#[tokio::test]
async fn a_concierge_sees_what_was_granted_from_the_moment_on_until_it_is_taken_back() {
    let Scene { world, olga, oscar, dana, sam, home, other, desk } = scene().await;
    world.create_property(&olga, home, "1 Before").await;
    world.create_property(&oscar, other, "9 Elsewhere").await;
    let seen = async || lines(&world.gql(&sam, Some(desk), LIST, json!({})).await, "engagedProperties");
    assert_eq!(seen().await, Vec::<String>::new());

    let grant = world.engage(&olga, home, desk, "READ").await;
    let after = world.create_property(&olga, home, "2 After").await;
    assert_eq!(seen().await, ["1 Before", "2 After"]);
    let moved =
        json!({ "id": after["id"], "version": 1, "address": { "line1": "3 Moved", "locality": "Tucson", "country": "US" } });
    world.call(&olga, home, "property/v1/update", moved).await.ok();
    assert_eq!(seen().await, ["1 Before", "3 Moved"]);
    // The same properties are listed over RPC, and inside the owner's organization by the grant.
    let listed = world.rpc(&sam, Some(desk), "property/v1/engaged", json!({ "orderBy": "ADDRESS_ASC", "withTotal": true })).await;
    assert_eq!((&listed.ok()["totalCount"], listed.ok()["edges"].as_array().map(Vec::len)), (&json!(2), Some(2)));
    let inside = world.read_through(&sam, desk, &grant["id"], "property/v1/list", json!({})).await;
    assert_eq!(inside.ok()["edges"].as_array().map(Vec::len), Some(2));
    let query = "query ($id: ID!) { property(id: $id) { address { line1 } history { edges { node { kind actor { displayName } } } } } properties { totalCount } }";
    let inside = world.gql_through(&sam, desk, &grant["id"], query, json!({ "id": after["id"] })).await;
    assert_eq!(inside.data()["property"]["address"]["line1"], "3 Moved");
    assert_eq!(
        inside.data()["property"]["history"]["edges"][0]["node"],
        json!({ "kind": "property.updated", "actor": { "displayName": "olga" } })
    );
    // The desk's own organization shows none of them.
    let own = world.gql(&sam, Some(desk), "{ properties { totalCount } }", json!({})).await;
    assert_eq!(own.data()["properties"]["totalCount"], 0);
    let found = world.rpc(&sam, Some(desk), "property/v1/get", json!({ "id": after["id"] })).await;
    found.refused("NOT_FOUND");

    // The owners who engaged the desk, and their properties, in one request.
    let second = world.engage(&oscar, other, desk, "ACT").await;
    let query = "{ engagedOrganizations { totalCount edges { node { organizationId id scopes organization { name } properties(orderBy: ADDRESS_ASC) { totalCount edges { node { address { line1 } portfolios { name } } } } } } } }";
    let engaged = world.gql(&sam, Some(desk), query, json!({})).await;
    let at = |line: &str| json!({ "node": { "address": { "line1": line }, "portfolios": [] } });
    assert_eq!(
        engaged.data()["engagedOrganizations"],
        json!({ "totalCount": 2, "edges": [
            { "node": { "organizationId": home, "id": grant["id"], "scopes": ["READ"], "organization": { "name": "olga's" },
                        "properties": { "totalCount": 2, "edges": [at("1 Before"), at("3 Moved")] } } },
            { "node": { "organizationId": other, "id": second["id"], "scopes": ["ACT"], "organization": { "name": "oscar's" },
                        "properties": { "totalCount": 1, "edges": [at("9 Elsewhere")] } } },
        ] })
    );
    let of_one = json!({ "filter": { "organizationIds": [other] } });
    let listed = world.rpc(&dana, Some(desk), "property/v1/engaged", of_one).await;
    assert_eq!(listed.ok()["edges"].as_array().map(Vec::len), Some(1));

    // Two grants at once: taking one back leaves the other.
    let wider = world.engage(&olga, home, desk, "ACT").await;
    let both = world.gql(&sam, Some(desk), "{ engagedOrganizations { totalCount edges { node { id } } } }", json!({})).await;
    assert_eq!(both.data()["engagedOrganizations"]["totalCount"], 2, "an organization is told of once");
    assert_eq!(both.data()["engagedOrganizations"]["edges"][1]["node"]["id"], wider["id"], "by the grant that goes furthest");
    world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grant["id"], "version": 2 })).await.ok();
    assert_eq!(seen().await, ["1 Before", "3 Moved", "9 Elsewhere"]);
    world.read_through(&sam, desk, &grant["id"], "property/v1/list", json!({})).await.refused("GRANT_NOT_FOUND");
    world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": wider["id"], "version": 2 })).await.ok();
    world
        .call(&olga, home, "accessGrant/v1/revoke", json!({ "id": wider["id"], "version": 3 }))
        .await
        .refused("ACCESS_GRANT_ENDED");
    assert_eq!(seen().await, ["9 Elsewhere"]);
    assert_eq!(world.count("SELECT count(*) FROM engaged_property").await, 1, "what was revoked leaves nothing behind");
    world.create_property(&olga, home, "4 Later").await;
    assert_eq!(world.count("SELECT count(*) FROM engaged_property").await, 1);
}

#[tokio::test]
async fn only_an_owners_own_act_lets_a_concierge_in() {
    let Scene { world, olga, oscar, dana, sam, home, other, desk } = scene().await;
    let tom = person("tom");
    world.join(&olga, home, &tom, "CO_OWNER").await;
    let input = |to: Uuid| json!({ "kind": "ENGAGEMENT", "granteeOrganizationId": to, "scopes": ["ACT"] });
    world.call(&tom, home, "accessGrant/v1/grant", input(desk)).await.refused("FORBIDDEN");
    world.call(&dana, desk, "accessGrant/v1/grant", input(desk)).await.refused("FORBIDDEN");
    // Another owner and an unknown id are no concierges, and refused alike; nobody lets themselves in.
    for (to, code) in [(other, "NOT_FOUND"), (Uuid::from_u128(7), "NOT_FOUND"), (home, "OWN_ORGANIZATION")] {
        let refused = world.call(&olga, home, "accessGrant/v1/grant", input(to)).await;
        assert_eq!(refused.body["field_errors"][0]["code"], code, "{:#}", refused.body);
    }
    let mut past = input(desk);
    past["endsAt"] = json!("2020-01-01T00:00:00Z");
    assert_eq!(world.call(&olga, home, "accessGrant/v1/grant", past).await.body["field_errors"][0]["code"], "TOO_EARLY");
    let grant = world.engage(&olga, home, desk, "ACT").await;
    // A grant opens nothing to somebody else, and an unknown grant opens nothing at all.
    world.read_through(&oscar, other, &grant["id"], "property/v1/list", json!({})).await.refused("GRANT_NOT_FOUND");
    let nobody = json!("00000000-0000-7000-8000-00000000dead");
    world.read_through(&sam, desk, &nobody, "property/v1/list", json!({})).await.refused("GRANT_NOT_FOUND");
    world.read_through(&sam, desk, &json!("nonsense"), "property/v1/list", json!({})).await.refused("GRANT_INVALID");
    // A grant does not let anyone give rights away, not even one who administers the desk.
    let holder = world.principal(&tom).await;
    let property = world.create_property(&olga, home, "1 First Street").await;
    for (procedure, body) in [
        ("membership/v1/invite", json!({ "email": "x@example.com", "role": "OWNER" })),
        ("accessGrant/v1/grant", input(desk)),
        ("accessGrant/v1/narrow", json!({ "id": grant["id"], "version": 2, "scopes": ["READ"] })),
        ("accessGrant/v1/revoke", json!({ "id": grant["id"], "version": 2 })),
        ("delegation/v1/grant", json!({ "holderId": holder, "propertyIds": [property["id"]], "actions": ["UPDATE"] })),
        ("principal/v1/register", json!({ "kind": "AGENT", "subject": "x", "displayName": "x", "role": "CONCIERGE_STAFF" })),
        ("organization/v1/update", json!({ "id": home, "version": 1, "name": "Ours" })),
        (
            "ownership/v1/record",
            json!({ "propertyId": property["id"], "holderName": "Sam", "capacity": "OWNER", "shareBasisPoints": 1, "startsOn": "2026-01-01" }),
        ),
    ] {
        for who in [&sam, &dana] {
            let answer = world.call_through(who, desk, &grant["id"], procedure, body.clone()).await;
            assert!(["FORBIDDEN", "NOT_FOUND"].contains(&answer.code()), "{procedure}: {:#}", answer.body);
        }
    }
    let members = world
        .gql_through(&sam, desk, &grant["id"], "{ delegations { totalCount } accessGrants { totalCount } }", json!({}))
        .await;
    assert_eq!(members.data()["delegations"]["totalCount"], 0);
}

#[tokio::test]
async fn what_is_done_through_a_grant_is_the_owners_and_names_who_did_it() {
    let Scene { world, olga, sam, home, desk, .. } = scene().await;
    let property = world.create_property(&olga, home, "1 First Street").await;
    let read = world.engage(&olga, home, desk, "READ").await;
    let input = json!({ "propertyId": property["id"], "kind": "TAX", "amountMinor": -100, "currency": "USD", "bookedOn": "2026-04-30", "source": "x" });
    for (procedure, body) in [
        ("property/v1/update", json!({ "id": property["id"], "version": 1, "notes": "x" })),
        ("property/v1/create", World::property("2 Second Street")),
        ("financialEntry/v1/record", input.clone()),
    ] {
        world.call_through(&sam, desk, &read["id"], procedure, body).await.refused("FORBIDDEN");
    }
    let act = world.engage(&olga, home, desk, "ACT").await;
    // A grant to see does not let them act, though another grant would: the request named this one.
    world
        .call_through(&sam, desk, &read["id"], "property/v1/update", json!({ "id": property["id"], "version": 1, "notes": "x" }))
        .await
        .refused("FORBIDDEN");
    let update = json!({ "id": property["id"], "version": 1, "notes": "Keys are with us", "idempotencyKey": world.key() });
    let done = world.read_through(&sam, desk, &act["id"], "property/v1/update", update.clone()).await;
    assert_eq!(
        (&done.ok()["organizationId"], &done.body["operation"]["initiator"]),
        (&json!(home), &world.principal(&sam).await)
    );
    // The same key gives the same answer. By another grant the request is another one.
    let again = world.read_through(&sam, desk, &act["id"], "property/v1/update", update.clone()).await;
    assert_eq!((again.ok(), &again.body["replayed"]), (done.ok(), &json!(true)));
    world.read_through(&sam, desk, &read["id"], "property/v1/update", update.clone()).await.refused("IDEMPOTENCY_KEY_REUSED");
    let known = update.clone();
    world.rpc(&sam, Some(desk), "property/v1/update", update).await.refused("IDEMPOTENCY_KEY_REUSED");
    let group = world.call(&olga, home, "portfolio/v1/create", json!({ "name": "Rentals" })).await.ok()["id"].clone();
    let member = json!({ "id": group, "propertyId": property["id"] });
    world.call_through(&sam, desk, &act["id"], "portfolio/v1/addProperty", member).await.refused("FORBIDDEN");
    let given =
        world.gql(&sam, Some(desk), "query ($id: ID!) { accessGrant(id: $id) { scopes } }", json!({ "id": act["id"] })).await;
    assert_eq!(given.data()["accessGrant"]["scopes"], json!(["ACT"]), "its grantee sees it on both surfaces");
    let created = world.call_through(&sam, desk, &act["id"], "property/v1/create", World::property("2 Second Street")).await;
    assert_eq!(created.ok()["organizationId"], json!(home));
    world.call_through(&sam, desk, &act["id"], "financialEntry/v1/record", input).await.ok();
    // The initiator gets their own outcome by the key, whatever becomes of the grant.
    world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": act["id"], "version": 2 })).await.ok();
    let late = world.read_through(&sam, desk, &act["id"], "property/v1/update", known).await;
    assert_eq!((late.ok(), &late.body["replayed"]), (done.ok(), &json!(true)));
    let rows: Vec<(Uuid, String, Uuid, Option<Uuid>)> = sqlx::query_as(
        "SELECT organization_id, kind, actor_organization_id, on_behalf_of FROM event WHERE actor_organization_id = $1 AND organization_id <> $1 AND kind <> 'access_grant.accepted' ORDER BY seq",
    )
    .bind(desk)
    .fetch_all(&world.sql)
    .await
    .expect("events");
    let by = Some(act["id"].as_str().and_then(|id| id.parse().ok()).expect("an id"));
    let told = |kind: &str| (home, kind.to_owned(), desk, by);
    assert_eq!(rows, [told("property.updated"), told("property.created"), told("financial_entry.recorded")]);
    let operations: Vec<(Uuid, Option<Uuid>)> = sqlx::query_as(
        "SELECT organization_id, target_organization_id FROM operation WHERE procedure = 'property/v1/update' AND state = 'COMPLETED'",
    )
    .fetch_all(&world.sql)
    .await
    .expect("operations");
    assert_eq!(operations, [(desk, Some(home))]);
    // The owner reads in the history who it was.
    let query = "query ($id: ID!) { property(id: $id) { history(first: 1) { edges { node { kind fields actorKind actor { displayName organization { name } onBehalfOf { id } } } } } } }";
    let history = world.gql(&olga, Some(home), query, json!({ "id": property["id"] })).await;
    assert_eq!(
        history.data()["property"]["history"]["edges"][0]["node"],
        json!({ "kind": "property.updated", "fields": ["notes"], "actorKind": "HUMAN",
                "actor": { "displayName": "sam", "organization": { "name": "dana's" }, "onBehalfOf": { "id": act["id"] } } })
    );
}

#[tokio::test]
async fn a_grant_ends_to_the_millisecond_and_is_narrowed_at_once() {
    let Scene { world, olga, sam, home, desk, .. } = scene().await;
    world.create_property(&olga, home, "1 First Street").await;
    let now = schema::Clock::now(&*world.clock);
    let ends = now + Duration::from_secs(60);
    let input = json!({ "kind": "ENGAGEMENT", "granteeOrganizationId": desk, "scopes": ["ACT"], "endsAt": ends.to_rfc3339_opts(chrono::SecondsFormat::Millis, true) });
    let grant = world.engage_by(&olga, home, input).await;
    let reach = async || {
        let inside = world.read_through(&sam, desk, &grant["id"], "property/v1/list", json!({})).await;
        let across = world
            .gql(
                &sam,
                Some(desk),
                "{ engagedProperties { totalCount edges { node { id } } } engagedOrganizations { totalCount } }",
                json!({}),
            )
            .await;
        let across = (
            across.data()["engagedProperties"]["totalCount"].clone(),
            across.data()["engagedOrganizations"]["totalCount"].clone(),
        );
        (inside.status, across)
    };
    world.clock.advance(Duration::from_millis(59_999));
    assert_eq!(reach().await, (200, (json!(1), json!(1))));
    let write = world.call_through(&sam, desk, &grant["id"], "property/v1/create", World::property("2 Second Street")).await;
    write.ok();
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(reach().await, (404, (json!(0), json!(0))));
    world.call_through(&sam, desk, &grant["id"], "property/v1/create", World::property("3")).await.refused("GRANT_NOT_FOUND");

    let grant = world.engage(&olga, home, desk, "ACT").await;
    let narrow = async |version: i32, body: Value| {
        let mut body = body;
        body["id"] = grant["id"].clone();
        body["version"] = json!(version);
        world.call(&olga, home, "accessGrant/v1/narrow", body).await
    };
    narrow(1, json!({ "scopes": ["READ"] })).await.refused("VERSION_CONFLICT");
    assert_eq!(narrow(2, json!({ "scopes": ["READ"] })).await.ok()["scopes"], json!(["READ"]));
    assert_eq!(narrow(3, json!({ "scopes": ["ACT"] })).await.body["field_errors"][0]["code"], "NOT_NARROWER");
    world.call_through(&sam, desk, &grant["id"], "property/v1/create", World::property("3")).await.refused("FORBIDDEN");
    let soon = (schema::Clock::now(&*world.clock) + Duration::from_secs(1)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    narrow(3, json!({ "endsAt": soon })).await.ok();
    assert_eq!(narrow(4, json!({ "endsAt": "2199-01-01T00:00:00Z" })).await.body["field_errors"][0]["code"], "NOT_NARROWER");
    world.clock.advance(Duration::from_secs(1));
    world.read_through(&sam, desk, &grant["id"], "property/v1/list", json!({})).await.refused("GRANT_NOT_FOUND");
}

/// The operation is held after the decision and before its record, or between its record and its work.
#[tokio::test]
async fn a_grant_revoked_while_the_work_waits_ends_it() {
    for boundary in [Boundary::BeforeOperation, Boundary::AfterOperation] {
        let gate = Gate::at(boundary);
        let Scene { world, olga, sam, home, desk, .. } = scene().await;
        let grant = world.engage(&olga, home, desk, "ACT").await;
        let slow = world.replica(Options { faults: gate.clone(), ..Options::default() }).await;
        let mut body = World::property("1 First Street");
        body["idempotencyKey"] = world.key().to_string().into();
        let request = world.client().post(format!("{}/api/v1/rpc/property/v1/create", slow.url())).bearer_auth(&sam.token);
        let request =
            request.header("x-organization-id", desk.to_string()).header("x-grant-id", grant["id"].as_str().expect("an id"));
        let create = world.send(request.json(&body));
        let revoke = async {
            gate.someone_waits().await;
            world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grant["id"], "version": 2 })).await.ok();
            gate.open();
        };
        let (answer, ()) = tokio::join!(create, revoke);
        answer.refused("AUTHORITY_LOST");
        assert_eq!(world.count("SELECT count(*) FROM property").await, 0, "{boundary:?}");
    }
}

/// A revocation waits for earlier work: an action that was decided under the grant is done before the grant ends.
#[tokio::test]
async fn a_revocation_waits_for_the_work_that_began_before_it() {
    let gate = Gate::at(Boundary::BeforeCommit);
    let Scene { world, olga, sam, home, desk, .. } = scene().await;
    let grant = world.engage(&olga, home, desk, "ACT").await;
    let slow = world.replica(Options { faults: gate.clone(), ..Options::default() }).await;
    let mut body = World::property("1 First Street");
    body["idempotencyKey"] = world.key().to_string().into();
    let request = world.client().post(format!("{}/api/v1/rpc/property/v1/create", slow.url())).bearer_auth(&sam.token);
    let request =
        request.header("x-organization-id", desk.to_string()).header("x-grant-id", grant["id"].as_str().expect("an id"));
    let create = world.send(request.json(&body));
    let revoke = async {
        gate.someone_waits().await;
        let revoke = world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grant["id"], "version": 2 }));
        let open = async {
            let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            crate::harness::until("the revocation to wait", async || (world.count(blocked).await > 0).then_some(())).await;
            gate.open();
        };
        tokio::join!(revoke, open).0.ok();
    };
    let (answer, ()) = tokio::join!(create, revoke);
    answer.ok();
    assert_eq!(world.count("SELECT count(*) FROM engaged_property").await, 0, "nor is it left in the concierge's list");
}

#[tokio::test]
async fn a_page_is_read_on_after_a_grant_was_revoked_without_what_it_gave() {
    let Scene { world, olga, oscar, sam, home, other, desk, .. } = scene().await;
    for (who, organization) in [(&olga, home), (&oscar, other)] {
        world.engage(who, organization, desk, "READ").await;
        for number in 0..3 {
            world.create_property(who, organization, &format!("{number} of {}", who.subject)).await;
        }
    }
    let query = "query ($after: String) { engagedProperties(first: 2, after: $after, orderBy: ADDRESS_ASC) { edges { node { address { line1 } } } pageInfo { hasNextPage endCursor } } }";
    let first = world.gql(&sam, Some(desk), query, json!({})).await;
    assert_eq!(lines(&first, "engagedProperties"), ["0 of olga", "0 of oscar"]);
    let grants = world.rpc(&olga, Some(home), "accessGrant/v1/list", json!({})).await;
    let grant = &grants.ok()["edges"][0]["node"]["id"];
    world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grant, "version": 2 })).await.ok();
    let after = json!({ "after": first.data()["engagedProperties"]["pageInfo"]["endCursor"] });
    let next = world.gql(&sam, Some(desk), query, after).await;
    assert_eq!(lines(&next, "engagedProperties"), ["1 of oscar", "2 of oscar"]);
    assert_eq!(next.data()["engagedProperties"]["pageInfo"]["hasNextPage"], false);
}

/// Grants and changes of properties go at once. No row is missing in the projection, and none is left over.
#[tokio::test]
async fn the_projection_misses_nothing_that_happens_at_once() {
    let Scene { world, olga, home, desk, .. } = scene().await;
    for round in 0..8 {
        let line = format!("{round} New Street");
        let (_, grant) = tokio::join!(world.create_property(&olga, home, &line), world.engage(&olga, home, desk, "READ"));
        let missing = "SELECT count(*) FROM property p WHERE NOT EXISTS (SELECT FROM engaged_property e WHERE e.property_id = p.id AND e.line1 = p.line1)";
        assert_eq!(world.count(missing).await, 0, "round {round}");
        let late = format!("{round} Late Street");
        let (_, revoked) = tokio::join!(
            world.create_property(&olga, home, &late),
            world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grant["id"], "version": 2 })),
        );
        revoked.ok();
        assert_eq!(world.count("SELECT count(*) FROM engaged_property").await, 0, "round {round}");
    }
}

/// No delegation counts in the organization that a grant leads to, whoever gave it.
#[tokio::test]
async fn a_grant_for_seeing_and_a_delegation_do_not_add_up() {
    let Scene { world, olga, dana, sam, home, desk, .. } = scene().await;
    let house = world.create_property(&olga, home, "1 First Street").await;
    let own = world.create_property(&dana, desk, "The desk").await;
    let read = world.engage(&olga, home, desk, "READ").await;
    world.engage(&olga, home, desk, "ACT").await;
    let holder = world.principal(&sam).await;
    for (who, organization, property) in [(&olga, home, &house), (&dana, desk, &own)] {
        let input = json!({ "holderId": holder, "propertyIds": [property["id"]], "actions": ["UPDATE", "RECORD_FINANCES"] });
        world.delegate(who, organization, input).await;
    }
    let update = json!({ "id": house["id"], "version": 1, "notes": "x" });
    world.call_through(&sam, desk, &read["id"], "property/v1/update", update.clone()).await.refused("FORBIDDEN");
    // They may act for the owner's organization itself, by the delegation.
    world.call(&sam, home, "property/v1/update", update).await.ok();
}

/// A form's empty field is no end that was left open.
#[tokio::test]
async fn a_right_whose_end_is_blank_is_refused() {
    let Scene { world, olga, sam, home, desk, .. } = scene().await;
    let call = async |procedure: &str, body: Value| world.call(&olga, home, procedure, body).await;
    let house = world.create_property(&olga, home, "1 First Street").await;
    let holder = world.principal(&sam).await;
    let member = world.join(&olga, home, &person("tina"), "TRUSTEE").await;
    for blank in ["", " "] {
        for (procedure, body) in [
            ("accessGrant/v1/grant", json!({ "granteeOrganizationId": desk, "scopes": ["READ"], "endsAt": blank })),
            (
                "delegation/v1/grant",
                json!({ "holderId": holder, "propertyIds": [house["id"]], "actions": ["READ"], "endsAt": blank }),
            ),
            ("membership/v1/invite", json!({ "email": "tom@example.com", "role": "TRUSTEE", "endsAt": blank })),
            ("membership/v1/extend", json!({ "id": member["id"], "version": member["version"], "endsAt": blank })),
        ] {
            let refused = call(procedure, body).await;
            refused.refused("INVALID_INPUT");
            assert_eq!(refused.body["field_errors"][0]["field"], "endsAt", "{procedure}: {:#}", refused.body);
        }
    }
    for table in ["SELECT count(*) FROM access_grant", "SELECT count(*) FROM delegation"] {
        assert_eq!(world.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_concierge_does_not_see_whom_else_its_owner_engaged() {
    let Scene { world, olga, dana, sam, home, desk, .. } = scene().await;
    let rival = world.found(&dana, "CONCIERGE_OPERATOR").await;
    let theirs = world.engage(&olga, home, rival, "READ").await;
    let ours = world.engage(&olga, home, desk, "ACT").await;
    let listed = world.read_through(&sam, desk, &ours["id"], "accessGrant/v1/list", json!({})).await;
    assert_eq!(listed.ok()["edges"].as_array().map(Vec::len), Some(1), "{:#}", listed.body);
    world.read_through(&sam, desk, &ours["id"], "accessGrant/v1/get", json!({ "id": theirs["id"] })).await.refused("NOT_FOUND");
    let cursor = world.gql(&sam, Some(desk), "{ engagedOrganizations { pageInfo { endCursor } } }", json!({})).await;
    let after = json!({ "after": cursor.data()["engagedOrganizations"]["pageInfo"]["endCursor"], "orderBy": "CREATED_ASC" });
    world.rpc(&olga, Some(home), "accessGrant/v1/list", after).await.refused("INVALID_CURSOR");
}
