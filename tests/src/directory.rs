//! Whom to choose: desks by the directory that they opt into, people by their e-mail address, members by name.

use crate::harness::{Answer, World, person};
use serde_json::{Value, json};

const DESKS: &str =
    "query ($filter: DeskFilter, $first: Int, $after: String) { desks(filter: $filter, first: $first, after: $after) {
    totalCount nodes { id handle name about area } pageInfo { hasNextPage endCursor } } }";

fn handles(answer: &Answer) -> Vec<&str> {
    let nodes = answer.data()["desks"]["nodes"].as_array().expect("nodes");
    nodes.iter().map(|desk| desk["handle"].as_str().expect("a handle")).collect()
}

/// The field of a refusal, with its code.
fn field(answer: &Answer) -> (&str, &str) {
    let error = &answer.body["field_errors"][0];
    (error["field"].as_str().unwrap_or_default(), error["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_desk_is_found_once_it_wants_to_be_and_let_in_by_its_handle() {
    let world = World::new().await;
    let (olga, dana, dora, sam) = (person("olga"), person("dana"), person("dora"), person("sam"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    let other = world.found(&dora, "CONCIERGE_OPERATOR").await;
    world.join(&dana, desk, &sam, "CONCIERGE_STAFF").await;
    let found = async |filter: Value| world.gql(&olga, Some(home), DESKS, json!({ "filter": filter })).await;
    assert_eq!(handles(&found(json!(null)).await), Vec::<&str>::new(), "nobody is listed unasked");

    let about =
        json!({ "id": desk, "version": 1, "handle": "desert-sky", "about": "Keys and trades", "area": "Phoenix and Tucson" });
    world.call(&sam, desk, "organization/v1/update", about.clone()).await.refused("FORBIDDEN");
    let listed = world.call(&dana, desk, "organization/v1/update", about).await.ok().clone();
    assert_eq!(
        (&listed["handle"], &listed["area"], &listed["version"]),
        (&json!("desert-sky"), &json!("Phoenix and Tucson"), &json!(2))
    );
    let entry =
        json!({ "id": desk, "handle": "desert-sky", "name": "dana's", "about": "Keys and trades", "area": "Phoenix and Tucson" });
    assert_eq!(found(json!(null)).await.data()["desks"]["nodes"], json!([entry]));

    // A handle is one desk's, a desk's only, and in its own form. A refused form does not spend the key.
    let name = |handle: &str| json!({ "id": other, "version": 1, "handle": handle });
    assert_eq!(field(&world.call(&dora, other, "organization/v1/update", name("desert-sky")).await), ("handle", "TAKEN"));
    for handle in ["De", "ab", "-abc", "abc-", "Desert", "a b", &"a".repeat(41)] {
        let refused = world.call(&dora, other, "organization/v1/update", name(handle)).await;
        assert_eq!(field(&refused), ("handle", "INVALID_HANDLE"), "{handle}");
    }
    for name in ["handle", "about", "area"] {
        let owners = json!({ "id": home, "version": 1, name: "olga" });
        assert_eq!(field(&world.call(&olga, home, "organization/v1/update", owners).await), (name, "NOT_A_DESK"));
    }
    world.call(&dora, other, "organization/v1/update", name("canyon")).await.ok();

    // Searched by what people know, in any case, misspelt, over both surfaces; in pages by name.
    assert_eq!(handles(&found(json!({ "search": "TUSCON trades" })).await), ["desert-sky"]);
    assert_eq!(handles(&found(json!({ "search": "canyon" })).await), ["canyon"]);
    assert_eq!(handles(&found(json!({ "search": "nowhere" })).await), Vec::<&str>::new());
    let first = world.gql(&olga, Some(home), DESKS, json!({ "first": 1 })).await;
    assert_eq!((handles(&first), &first.data()["desks"]["totalCount"]), (vec!["desert-sky"], &json!(2)));
    let after = &first.data()["desks"]["pageInfo"]["endCursor"];
    assert_eq!(handles(&world.gql(&olga, Some(home), DESKS, json!({ "first": 1, "after": after })).await), ["canyon"]);
    let rpc = world.rpc(&olga, Some(home), "organization/v1/desks", json!({ "filter": { "search": "keys" } })).await;
    assert_eq!(rpc.ok()["edges"][0]["node"], entry);
    // Not by someone who is nothing in the organization.
    world.rpc(&person("nobody"), Some(home), "organization/v1/desks", json!({})).await.refused("ORGANIZATION_NOT_FOUND");

    // Let in by the handle alone.
    let grant = |to: Value| {
        let mut input = json!({ "kind": "ENGAGEMENT", "scopes": ["READ"] });
        input.as_object_mut().expect("an object").extend(to.as_object().expect("an object").clone());
        input
    };
    let unknown = world.call(&olga, home, "accessGrant/v1/grant", grant(json!({ "granteeHandle": "nobodys" }))).await;
    assert_eq!(field(&unknown), ("granteeHandle", "NOT_FOUND"));
    for both in [json!({}), json!({ "granteeHandle": "canyon", "granteeOrganizationId": desk })] {
        assert_eq!(field(&world.call(&olga, home, "accessGrant/v1/grant", grant(both)).await), ("granteeHandle", "EXACTLY_ONE"));
    }
    let granted = world.call(&olga, home, "accessGrant/v1/grant", grant(json!({ "granteeHandle": "desert-sky" }))).await;
    assert_eq!(granted.ok()["granteeOrganizationId"], json!(desk));

    let own = world.call(&dana, desk, "accessGrant/v1/grant", grant(json!({ "granteeHandle": "desert-sky" }))).await;
    own.refused("FORBIDDEN");

    // Out of the directory again; who was let in stays, and nobody else ever gets the name.
    world.call(&dana, desk, "organization/v1/update", json!({ "id": desk, "version": 2, "handle": null })).await.ok();
    assert_eq!(handles(&found(json!(null)).await), ["canyon"]);
    let gone = world.call(&olga, home, "accessGrant/v1/grant", grant(json!({ "granteeHandle": "desert-sky" }))).await;
    assert_eq!(field(&gone), ("granteeHandle", "NOT_FOUND"));
    let taken = json!({ "id": other, "version": 2, "handle": "desert-sky" });
    assert_eq!(field(&world.call(&dora, other, "organization/v1/update", taken).await), ("handle", "TAKEN"));
    world.call(&dana, desk, "organization/v1/update", json!({ "id": desk, "version": 3, "handle": "desert-sky" })).await.ok();
}

#[tokio::test]
async fn somebody_is_delegated_to_by_e_mail_and_only_who_may_delegate_learns_who_there_is() {
    let world = World::new().await;
    let (olga, tom, lena) = (person("olga"), person("tom"), person("lena"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    world.join(&olga, home, &tom, "CONCIERGE_STAFF").await;
    let house = world.create_property(&olga, home, "1 Palo Verde").await;
    let to = |email: &str| json!({ "holderEmail": email, "propertyIds": [house["id"]], "actions": ["UPDATE"] });

    let early = world.call(&olga, home, "delegation/v1/grant", to("lena@example.com")).await;
    assert_eq!(field(&early), ("holderEmail", "NOT_FOUND"), "nobody has that address yet");
    // Whoever asks after an address has something to delegate.
    let made_up = json!({ "holderEmail": "tom@example.com", "propertyIds": [uuid::Uuid::from_u128(7)], "actions": ["UPDATE"] });
    let blind = world.call(&olga, home, "delegation/v1/grant", made_up).await;
    assert_eq!(field(&blind), ("propertyIds.0", "NOT_FOUND"));
    let nobody = json!({ "holderId": uuid::Uuid::nil(), "propertyIds": [house["id"]], "actions": ["UPDATE"] });
    assert_eq!(field(&world.call(&olga, home, "delegation/v1/grant", nobody).await), ("holderId", "NOT_FOUND"));
    let lenas = world.principal(&lena).await;
    for address in ["lena@example.com", "nobody@example.com"] {
        world.call(&tom, home, "delegation/v1/grant", to(address)).await.refused("FORBIDDEN");
    }
    let granted = world.call(&olga, home, "delegation/v1/grant", to("Lena@Example.com")).await;
    assert_eq!(granted.ok()["holderId"], lenas);
    world.accepted(granted.ok().clone()).await;
    assert_eq!(field(&world.call(&olga, home, "delegation/v1/grant", to("olga@example.com")).await), ("holderEmail", "YOURSELF"));
    let note = json!({ "id": house["id"], "version": 1, "notes": "by lena" });
    world.call(&lena, home, "property/v1/update", note).await.ok();
}

#[tokio::test]
async fn members_are_found_by_name_role_and_state() {
    let world = World::new().await;
    let (olga, tom, ines) = (person("olga"), person("tom"), person("ines"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let toms = world.join(&olga, home, &tom, "TRUSTEE").await;
    world.join(&olga, home, &ines, "CO_OWNER").await;
    world
        .call(&olga, home, "membership/v1/invite", json!({ "email": "Waiting.Wanda@example.com", "role": "TRUSTEE" }))
        .await
        .ok();
    world.call(&olga, home, "membership/v1/revoke", json!({ "id": toms["id"], "version": 2 })).await.ok();

    let roles = async |filter: Value, order: &str| {
        let query = "query ($id: ID!, $filter: MembershipFilter, $order: MembershipOrder) { organization(id: $id) {
            memberships(filter: $filter, orderBy: $order) { nodes { role state email principal { displayName } } } } }";
        let answer = world.gql(&olga, Some(home), query, json!({ "id": home, "filter": filter, "order": order })).await;
        let nodes = answer.data()["organization"]["memberships"]["nodes"].as_array().expect("nodes").clone();
        let who = |node: &Value| node["principal"]["displayName"].as_str().or(node["email"].as_str()).expect("a name").to_owned();
        nodes.iter().map(|node| format!("{} {}", who(node), node["role"].as_str().expect("a role"))).collect::<Vec<_>>()
    };
    let open = ["olga OWNER", "ines CO_OWNER", "Waiting.Wanda@example.com TRUSTEE"];
    assert_eq!(roles(json!(null), "CREATED_ASC").await, open, "who left is left out");
    assert_eq!(roles(json!({ "state": ["REVOKED"] }), "CREATED_ASC").await, ["tom TRUSTEE"]);
    assert_eq!(roles(json!({ "role": ["TRUSTEE"] }), "CREATED_ASC").await, ["Waiting.Wanda@example.com TRUSTEE"]);
    assert_eq!(roles(json!({ "search": "WANDA" }), "CREATED_ASC").await, ["Waiting.Wanda@example.com TRUSTEE"]);
    assert_eq!(roles(json!({ "search": "ines" }), "CREATED_ASC").await, ["ines CO_OWNER"]);
    assert_eq!(roles(json!({ "search": "oscar" }), "CREATED_ASC").await, Vec::<String>::new());
    assert_eq!(roles(json!(null), "ROLE_ASC").await, ["ines CO_OWNER", "olga OWNER", "Waiting.Wanda@example.com TRUSTEE"]);
    // A member who manages nobody sees their own.
    let own = world.rpc(&ines, Some(home), "membership/v1/list", json!({ "withTotal": true })).await;
    assert_eq!(own.ok()["totalCount"], 1);
    world.rpc(&ines, Some(home), "membership/v1/get", json!({ "id": toms["id"] })).await.refused("NOT_FOUND");
}
