//! Scope in the graph: an organization has the root's fields, about its own things; and people and organizations have names for
//! those who have to do with them.

use crate::harness::{Answer, Contract, Person, World, person};
use serde_json::{Value, json};
use uuid::Uuid;

/// Two owners, and a desk that both of them let in.
struct Scene {
    world: World,
    olga: Person,
    oscar: Person,
    sam: Person,
    home: Uuid,
    other: Uuid,
    desk: Uuid,
    grants: [Value; 2],
}

async fn scene() -> Scene {
    let world = World::new().await;
    let (olga, oscar, dana, sam) = (person("olga"), person("oscar"), person("dana"), person("sam"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let other = world.found(&oscar, "INDIVIDUAL_PROPERTY_OWNER").await;
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    world.join(&dana, desk, &sam, "CONCIERGE_STAFF").await;
    let grants = [world.engage(&olga, home, desk, "READ").await, world.engage(&oscar, other, desk, "ACT").await];
    Scene { world, olga, oscar, sam, home, other, desk, grants }
}

fn lines(list: &Value) -> Vec<&str> {
    list["nodes"].as_array().expect("nodes").iter().map(|node| node["address"]["line1"].as_str().expect("a line")).collect()
}

#[tokio::test]
async fn one_query_reads_several_organizations_without_a_grants_header() {
    let Scene { world, olga, oscar, sam, home, other, desk, grants } = scene().await;
    let house = world.create_property(&olga, home, "1 First Street").await;
    world.create_property(&oscar, other, "2 Second Street").await;
    world.create_property(&oscar, other, "3 Third Street").await;
    let query = "query ($a: ID!, $b: ID!, $own: ID!, $house: ID!) {
      a: organization(id: $a) { name properties(orderBy: ADDRESS_ASC) { totalCount nodes { address { line1 } organization { name } } }
        property(id: $house) { id } report(by: KIND, measure: PROPERTIES) { rows { value } } portfolios { totalCount } }
      b: organization(id: $b) { name properties(orderBy: ADDRESS_ASC) { totalCount nodes { address { line1 } organization { name } } }
        property(id: $house) { id } }
      own: organization(id: $own) { name properties { totalCount } }
      properties { totalCount }
    }";
    let variables = json!({ "a": home, "b": other, "own": desk, "house": house["id"] });
    let answer = world.gql(&sam, Some(desk), query, variables).await;
    let data = &answer.body["data"];
    assert_eq!(
        (&data["a"]["name"], lines(&data["a"]["properties"])),
        (&json!("olga's"), vec!["1 First Street"]),
        "{:#}",
        answer.body
    );
    assert_eq!(lines(&data["b"]["properties"]), ["2 Second Street", "3 Third Street"], "{:#}", answer.body);
    assert_eq!(data["a"]["properties"]["nodes"][0]["organization"]["name"], "olga's");
    assert_eq!(data["a"]["property"]["id"], house["id"]);
    assert_eq!(data["a"]["report"]["rows"][0]["value"], 1);
    // The house of one is no house of the other, and what the desk reads of others is not its own.
    assert_eq!(data["b"]["property"], Value::Null);
    assert_eq!(answer.body["errors"][0]["path"], json!(["b", "property"]), "{:#}", answer.body);
    assert_eq!((&data["own"]["properties"]["totalCount"], &data["properties"]["totalCount"]), (&json!(0), &json!(0)));

    // One grant in particular, and one that lets in to somebody else.
    let by = "query ($id: ID!, $grant: ID!) { organization(id: $id, grantId: $grant) { properties { totalCount } } }";
    let through = async |id: Uuid, grant: &Value| world.gql(&sam, Some(desk), by, json!({ "id": id, "grant": grant })).await;
    assert_eq!(through(home, &grants[0]["id"]).await.data()["organization"]["properties"]["totalCount"], 1);
    assert_eq!(through(home, &grants[1]["id"]).await.gql_code(), "GRANT_NOT_FOUND");

    // A grant that was taken back shows nothing any more, and an organization without one never did.
    world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grants[0]["id"], "version": 2 })).await.ok();
    let of = async |who: &Person, acting: Uuid, id: Uuid| {
        world
            .gql(
                who,
                Some(acting),
                "query ($id: ID!) { organization(id: $id) { properties { totalCount } } }",
                json!({ "id": id }),
            )
            .await
    };
    assert_eq!(of(&sam, desk, home).await.gql_code(), "NOT_FOUND");
    assert_eq!(of(&olga, home, other).await.gql_code(), "NOT_FOUND");
    assert_eq!(of(&olga, home, home).await.data()["organization"]["properties"]["totalCount"], 1);
}

#[tokio::test]
async fn a_node_of_an_engager_is_found_by_its_id_alone() {
    let Scene { world, olga, oscar, sam, home, other, desk, grants } = scene().await;
    let one = world.create_property(&olga, home, "1 First Street").await["id"].clone();
    let two = world.create_property(&oscar, other, "2 Second Street").await["id"].clone();
    let viewer = world.principal(&sam).await;
    let ids = json!([one, home, two, other, desk, viewer, grants[0]["id"]]);
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Property { address { line1 } organization { name } history { totalCount } } } }";
    let nodes = async |who: &Person, acting: Uuid| world.gql(who, Some(acting), query, json!({ "ids": ids })).await;
    let seen = nodes(&sam, desk).await;
    let types = |answer: &Answer| -> Vec<Value> {
        answer.data()["nodes"].as_array().expect("nodes").iter().map(|node| node["__typename"].clone()).collect()
    };
    assert_eq!(types(&seen), ["Property", "Organization", "Property", "Organization", "Organization", "Viewer", "AccessGrant"]);
    assert_eq!(seen.data()["nodes"][0]["organization"]["name"], "olga's");
    assert_eq!(seen.data()["nodes"][2]["history"]["totalCount"], 1);
    // An owner finds their own, and nothing of the other or of the desk.
    let home_only =
        ["Property", "Organization"].map(Value::from).into_iter().chain([Value::Null, Value::Null, Value::Null, Value::Null]);
    assert_eq!(types(&nodes(&olga, home).await), home_only.chain(["AccessGrant".into()]).collect::<Vec<_>>());
    let single = world.gql(&sam, None, "query ($id: ID!) { node(id: $id) { __typename } }", json!({ "id": viewer })).await;
    assert_eq!(single.data()["node"]["__typename"], "Viewer");
    world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grants[0]["id"], "version": 2 })).await.ok();
    assert_eq!(types(&nodes(&sam, desk).await)[..2], [Value::Null, Value::Null]);
}

#[tokio::test]
async fn people_have_names_for_those_who_have_to_do_with_them() {
    let Scene { world, olga, oscar, sam, home, other, desk, grants } = scene().await;
    let house = world.create_property(&olga, home, "1 First Street").await;
    let lot = world.create_property(&oscar, other, "2 Second Street").await;
    let note = json!({ "id": lot["id"], "version": 1, "notes": "The fence leans" });
    world.call_through(&sam, desk, &grants[1]["id"], "property/v1/update", note).await.ok();

    // The owner is told whom it let in, and who of them did something, by whose leave.
    let query = "query ($id: ID!) { accessGrants { nodes { granteeOrganization { id name type } grantedByActor { displayName organization { name } } } }
      property(id: $id) { history { nodes { kind actor { id displayName organization { name } onBehalfOf { __typename id } } operation { id } node { id } } } } }";
    let answer = world.gql(&oscar, Some(other), query, json!({ "id": lot["id"] })).await;
    let data = answer.data();
    assert_eq!(
        data["accessGrants"]["nodes"][0],
        json!({ "granteeOrganization": { "id": desk, "name": "dana's", "type": "CONCIERGE_OPERATOR" },
                "grantedByActor": { "displayName": "oscar", "organization": { "name": "oscar's" } } })
    );
    let by_sam = &data["property"]["history"]["nodes"][0];
    assert_eq!(
        (&by_sam["actor"], &by_sam["operation"], &by_sam["node"]["id"]),
        (
            &json!({ "id": world.principal(&sam).await, "displayName": "sam", "organization": { "name": "dana's" },
                     "onBehalfOf": { "__typename": "AccessGrant", "id": grants[1]["id"] } }),
            // The operation is the desk's own.
            &Value::Null,
            &lot["id"],
        )
    );
    // The desk is told who of the owner's did something, and which house is whose.
    let query = "{ engagedProperties(orderBy: ADDRESS_ASC) { nodes { organization { name } history(last: 1) { nodes { actor { displayName organization { name } } } } } }
      operations(first: 1) { nodes { initiatorActor { displayName } organization { name } } } }";
    let answer = world.gql(&sam, Some(desk), query, json!({})).await;
    assert_eq!(
        answer.data()["engagedProperties"]["nodes"][0],
        json!({ "organization": { "name": "olga's" }, "history": { "nodes": [{ "actor": { "displayName": "olga", "organization": { "name": "olga's" } } }] } })
    );
    assert_eq!(
        answer.data()["operations"]["nodes"][0],
        json!({ "initiatorActor": { "displayName": "sam" }, "organization": { "name": "dana's" } })
    );
    // Nobody else is told: not the owner of another house, whose records name somebody by an id alone.
    let record = json!({ "propertyId": house["id"], "holderName": "Oscar", "principalId": world.principal(&oscar).await,
        "capacity": "OWNER", "shareBasisPoints": 10_000, "startsOn": "2020-01-01" });
    world.call(&olga, home, "ownership/v1/record", record).await.ok();
    let query = "{ ownerships { nodes { principal { displayName } recordedByActor { displayName } } } }";
    let answer = world.gql(&olga, Some(home), query, json!({})).await;
    assert_eq!(
        answer.data()["ownerships"]["nodes"][0],
        json!({ "principal": null, "recordedByActor": { "displayName": "olga" } })
    );
}

/// An id is no way to a name: whoever is invited, or delegated to, without a part of their own in it stays unknown.
#[tokio::test]
async fn nobody_learns_a_name_by_a_delegation_or_an_invitation_alone() {
    let Scene { world, olga, oscar, home, .. } = scene().await;
    let house = world.create_property(&olga, home, "1 First Street").await["id"].clone();
    let oscars = world.principal(&oscar).await;
    let grant = json!({ "holderId": oscars, "propertyIds": [house], "actions": ["UPDATE"] });
    let offered = world.call(&olga, home, "delegation/v1/grant", grant).await.ok().clone();
    let invite = json!({ "principalId": oscars, "role": "TRUSTEE", "reason": "To learn a name" });
    world.call(&olga, home, "membership/v1/invite", invite).await.ok();
    let query = "query ($id: ID!) { delegations { nodes { holderId holder { displayName } } }
      organization(id: $id) { memberships(last: 1) { nodes { principalId principal { displayName } } } } }";
    let seen = async || world.gql(&olga, Some(home), query, json!({ "id": home })).await.data().clone();
    let before = seen().await;
    assert_eq!(before["delegations"]["nodes"][0], json!({ "holderId": oscars, "holder": null }));
    assert_eq!(before["organization"]["memberships"]["nodes"][0], json!({ "principalId": oscars, "principal": null }));
    // Once they accept it, they are known.
    world.accepted(offered).await;
    let note = json!({ "id": house, "version": 1, "notes": "The fence leans" });
    world.call(&oscar, home, "property/v1/update", note).await.ok();
    assert_eq!(seen().await["delegations"]["nodes"][0]["holder"], json!({ "displayName": "oscar" }));
}

#[tokio::test]
async fn the_feed_of_an_organization_goes_backwards_and_hides_what_its_reader_may_not_see() {
    let Scene { world, olga, sam, home, desk, .. } = scene().await;
    let tom = person("tom");
    world.join(&olga, home, &tom, "TRUSTEE").await;
    world.create_property(&olga, home, "1 First Street").await;
    let query =
        "query ($id: ID!) { organization(id: $id) { history(first: 10) { nodes { kind resourceKind node { __typename } } } } }";
    let kinds = async |who: &Person, acting: Uuid| -> Vec<String> {
        let answer = world.gql(who, Some(acting), query, json!({ "id": home })).await;
        let nodes = answer.data()["organization"]["history"]["nodes"].as_array().cloned().expect("nodes");
        nodes.iter().map(|node| node["kind"].as_str().expect("a kind").to_owned()).collect()
    };
    let owners = kinds(&olga, home).await;
    assert_eq!(owners[0], "property.created");
    assert_eq!(owners.last().map(String::as_str), Some("organization.created"));
    assert!(owners.iter().any(|kind| kind == "membership.invited"), "{owners:?}");
    // The desk sees the house and the grant; memberships are none of its business.
    let desks = kinds(&sam, desk).await;
    assert!(
        desks.contains(&"property.created".to_owned()) && !desks.iter().any(|kind| kind.starts_with("membership")),
        "{desks:?}"
    );
}

/// Ids that stand for no thing that a reader could be shown, or whose thing has another name.
const ALONE: &[&str] =
    &["Operation.idempotencyKey", "HistoryEntry.resourceId", "Event.resourceId", "ResourceChange.id", "Warning.others"];

#[tokio::test]
async fn every_id_has_its_object_beside_it() {
    let contract = Contract::read().await;
    let (mut looked, mut lacking) = (0, Vec::new());
    let object =
        |name: &str| contract.types().any(|one| one.name == name && ["OBJECT", "INTERFACE"].contains(&one.kind.as_str()));
    for of in contract.types().filter(|one| one.kind == "OBJECT") {
        for field in &of.fields {
            let named = format!("{}.{}", of.name, field.name);
            if field.name == "id" || !["ID", "UUID"].contains(&field.of.as_str()) || ALONE.contains(&named.as_str()) {
                continue;
            }
            looked += 1;
            let beside = field.name.strip_suffix("Id").map_or_else(|| format!("{}Actor", field.name), str::to_owned);
            if !of.fields.iter().any(|other| other.name == beside && object(&other.of)) {
                lacking.push(format!("{named} lacks {beside}"));
            }
        }
    }
    assert!(looked > 30, "{looked}");
    assert_eq!(lacking, Vec::<String>::new());
}

#[tokio::test]
async fn the_viewer_is_found_by_its_id_as_everything_is() {
    let world = World::new().await;
    let (olga, oscar) = (person("olga"), person("oscar"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let (mine, theirs) = (world.principal(&olga).await, world.principal(&oscar).await);
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Viewer { displayName } } }";
    let found = world.gql(&olga, Some(home), query, json!({ "ids": [mine, theirs] })).await;
    let myself = json!({ "__typename": "Viewer", "id": mine, "displayName": "olga" });
    assert_eq!(found.data()["nodes"], json!([myself, null]), "nobody else is found by theirs");
}
