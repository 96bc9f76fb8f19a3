//! May I show this button: `actionsAllowed` says of every thing what a call then does.

use crate::harness::{
    Answer, Person, World,
    examples::{Call, Examples},
    kinds, person,
};
use resolvers::TABLE;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The mutation that an action names, such as `PROPERTY_UPDATE`.
fn procedure(action: &str) -> &'static schema::Entry {
    let field = |entry: &&schema::Entry| entry.parts().field().eq_ignore_ascii_case(&action.replace('_', ""));
    TABLE.iter().filter(|entry| entry.is_mutation()).find(field).unwrap_or_else(|| panic!("{action} names no mutation"))
}

/// The actions on a thing that someone is told of. None: they see no such thing.
async fn allowed(world: &World, who: &Person, organization: Uuid, object: &str, id: &Value) -> Option<BTreeSet<String>> {
    // The examples' offer has no event, by which it would be found from its other side.
    let field = if object == "AccessGrant" { "accessGrant" } else { "node" };
    let query = format!("query ($id: ID!) {{ node: {field}(id: $id) {{ ... on {object} {{ actionsAllowed }} }} }}");
    let answer = world.gql(who, Some(organization), &query, json!({ "id": id })).await;
    let names = answer.body["data"]["node"]["actionsAllowed"].as_array()?;
    Some(names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect())
}

/// Whether the policies let a call through. Whatever else may be wrong with it is told by another code.
fn let_through(answer: &Answer) -> bool {
    !["FORBIDDEN", "NOT_FOUND", "AUTHORITY_LOST", "ORGANIZATION_NOT_FOUND"].contains(&answer.code())
}

#[tokio::test]
async fn what_is_allowed_is_what_a_call_then_does() {
    let world = World::new().await;
    let examples = Examples::new(&world).await;
    let actions: Vec<_> = kinds()
        .flat_map(|kind| kind::actions::of(kind.name).iter().map(move |action| (kind.object.clone().expect("an object"), action)))
        .collect();
    let (mut yes, mut no) = (0, 0);
    for who in [&examples.owner, &examples.staff, &person("tom")] {
        // An organization for each action, since a call changes it.
        let homes = examples.lay(&world, actions.iter().map(|(_, action)| procedure(&action.name))).await;
        for ((object, action), (entry, home)) in actions.iter().zip(homes) {
            let input = home.input(entry);
            let id = match object.as_str() {
                "Organization" => json!(home.id()),
                _ => input.get("id").or(input.get("propertyId")).cloned().expect("an id"),
            };
            let told =
                allowed(&world, who, home.id(), object, &id).await.is_some_and(|names| names.contains(action.name.as_str()));
            let organization = Some(home.id().to_string());
            let call = Call { entry, who, organization, grant: None, key: Some(world.key()), input };
            let answer = call.by_rpc(&world).await;
            assert_eq!(told, let_through(&answer), "{} by {}: {:#}", action.name, who.subject, answer.body);
            if told { yes += 1 } else { no += 1 }
        }
    }
    assert!(yes > actions.len() && no > actions.len(), "{yes} allowed, {no} not");
}

#[tokio::test]
async fn every_mutation_in_an_organization_is_an_action_of_something() {
    let known: BTreeSet<String> =
        kinds().flat_map(|kind| kind::actions::of(kind.name)).map(|action| action.name.to_string()).collect();
    // Of no kind that anyone can ask for: whoever answers for the organization registers an agent.
    let without = ["principalRegister"];
    for entry in TABLE.iter().filter(|entry| entry.is_mutation() && entry.in_an_organization()) {
        let field = entry.parts().field();
        let named = known.iter().any(|action| std::ptr::eq(procedure(action), entry));
        assert_eq!(named, !without.contains(&field.as_str()), "{field}");
    }
}

#[tokio::test]
async fn a_page_of_houses_says_it_for_each() {
    let world = World::new().await;
    let (olga, tom) = (person("olga"), person("tom"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let mut houses = Vec::new();
    for line1 in ["1 First Street", "2 Second Street", "3 Third Street"] {
        houses.push(world.create_property(&olga, home, line1).await["id"].clone());
    }
    let holder = world.principal(&tom).await;
    for (house, actions) in [(0, json!(["UPDATE"])), (1, json!(["ARCHIVE", "READ_FINANCES", "RECORD_FINANCES"]))] {
        let grant = json!({ "holderId": holder, "propertyIds": [houses[house]], "actions": actions });
        world.delegate(&olga, home, grant).await;
    }
    let query = "{ properties(orderBy: ADDRESS_ASC) { nodes { actionsAllowed } edges { node { actionsAllowed } } } }";
    let toms = world.gql(&tom, Some(home), query, json!({})).await;
    let list = &toms.data()["properties"]["nodes"];
    assert_eq!(
        *list,
        json!([
            { "actionsAllowed": ["PROPERTY_UPDATE"] },
            { "actionsAllowed": ["PROPERTY_ARCHIVE", "PROPERTY_RESTORE", "FINANCIAL_ENTRY_RECORD"] },
        ]),
        "{:#}",
        toms.body
    );
    let olgas = world.gql(&olga, Some(home), query, json!({})).await;
    let first: Value = olgas.data()["properties"]["nodes"][0]["actionsAllowed"].clone();
    assert_eq!(
        first,
        json!(["PROPERTY_UPDATE", "PROPERTY_ARCHIVE", "PROPERTY_RESTORE", "OWNERSHIP_RECORD", "FINANCIAL_ENTRY_RECORD"])
    );
    // Rows that hang on one house are judged alike, however many there are.
    for day in ["2026-01-01", "2026-02-01"] {
        let entry = json!({ "propertyId": houses[1], "kind": "RENT", "amountMinor": 100, "currency": "USD", "bookedOn": day, "source": "Bank" });
        world.call(&olga, home, "financialEntry/v1/record", entry).await.ok();
    }
    let query = "{ financialEntries { nodes { actionsAllowed } } }";
    let toms = world.gql(&tom, Some(home), query, json!({})).await;
    let both = json!({ "actionsAllowed": ["FINANCIAL_ENTRY_CORRECT"] });
    assert_eq!(toms.data()["financialEntries"]["nodes"], json!([both, both]), "{:#}", toms.body);
}

#[tokio::test]
async fn a_desk_is_told_what_its_grants_let_it_do() {
    let world = World::new().await;
    let (olga, dana, sam) = (person("olga"), person("dana"), person("sam"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    world.join(&dana, desk, &sam, "CONCIERGE_STAFF").await;
    let house = world.create_property(&olga, home, "1 Palo Verde").await;
    let told = async |who: &Person| allowed(&world, who, desk, "Property", &house["id"]).await;
    assert_eq!(told(&sam).await, None, "nobody let the desk in");

    let seeing = world.engage(&olga, home, desk, "READ").await;
    assert_eq!(told(&sam).await, Some(BTreeSet::new()), "to see is not to act");
    let acting = world.engage(&olga, home, desk, "ACT").await;
    let may = told(&sam).await.expect("it sees the house");
    assert!(
        may.contains("PROPERTY_UPDATE") && may.contains("FINANCIAL_ENTRY_RECORD") && !may.contains("DELEGATION_GRANT"),
        "{may:?}"
    );
    assert_eq!(told(&dana).await, Some(BTreeSet::new()), "an administrator looks on");

    // What is told without naming a grant is what a call through the one that acts does, and the one that sees does not.
    for (grant, answer) in [(&seeing, false), (&acting, true)] {
        let query = "query ($id: ID!) { node(id: $id) { ... on Property { version actionsAllowed } } }";
        let through = world.gql_through(&sam, desk, &grant["id"], query, json!({ "id": house["id"] })).await;
        let node = &through.data()["node"];
        let names: BTreeSet<_> = node["actionsAllowed"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert_eq!(names, if answer { may.iter().map(String::as_str).collect() } else { BTreeSet::new() });
        let note = json!({ "id": house["id"], "version": node["version"], "notes": "seen to" });
        let called = world.call_through(&sam, desk, &grant["id"], "property/v1/update", note).await;
        assert_eq!(let_through(&called), answer, "{:#}", called.body);
    }

    // The grant that a request names says nothing about another owner's things.
    let oscar = person("oscar");
    let other = world.found(&oscar, "TRUST_OR_LLC").await;
    let theirs = world.create_property(&oscar, other, "2 Elsewhere").await;
    let looking = world.engage(&oscar, other, desk, "READ").await;
    let names = async |grant: &Value, house: &Value| {
        let query = "query ($id: ID!) { node(id: $id) { ... on Property { actionsAllowed } } }";
        let through = world.gql_through(&sam, desk, &grant["id"], query, json!({ "id": house["id"] })).await;
        through.data()["node"]["actionsAllowed"].as_array().expect("a list").len()
    };
    assert_eq!(names(&acting, &theirs).await, 0, "who may act for one may not for the other");
    assert_eq!(names(&looking, &house).await, may.len(), "and is told so while looking at the other");
    assert_eq!((names(&acting, &house).await, names(&looking, &theirs).await), (may.len(), 0));

    world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": acting["id"], "version": 2 })).await.ok();
    assert_eq!(told(&sam).await, Some(BTreeSet::new()), "what was taken back is not told");
}
