use crate::harness::{Contract, World, kinds, person, shown_by};
use entities::{access_grant, desk};
use serde_json::{Value, json};

#[tokio::test]
async fn a_get_reads_and_never_mutates() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let get = |query: &str| {
        world
            .request(reqwest::Method::GET, "/graphql")
            .query(&[("query", query)])
            .bearer_auth(&owner.token)
            .header("x-organization-id", home.to_string())
    };
    let read = world.send(get("{ viewer { memberships { nodes { role } } } }")).await;
    assert_eq!(read.data()["viewer"]["memberships"]["nodes"][0]["role"], "OWNER");
    let mutation = "mutation { organizationCreate(idempotencyKey: \"6f3c2b1e-0d4a-4c59-9a7e-1f2d3c4b5a69\", input: { type: TRUST_OR_LLC, name: \"X\" }) { result { id } } }";
    let refused = world.send(get(mutation)).await;
    assert_eq!((refused.status, refused.gql_code()), (405, "METHOD_NOT_ALLOWED"));
    // A mutation beside a query is refused as well, since the client names neither.
    let two = format!("query Read {{ viewer {{ id }} }} {}", mutation.replacen("mutation", "mutation Write", 1));
    let hidden = world.send(get(&two)).await;
    assert_eq!(hidden.gql_code(), "METHOD_NOT_ALLOWED", "{:#}", hidden.body);
    assert_eq!(world.count("SELECT count(*) FROM organization").await, 1);
}

#[tokio::test]
async fn several_mutations_each_answer_or_fail_by_themselves() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let hoa =
        world.call(&owner, home, "externalParty/v1/create", json!({ "kind": "HOA", "name": "Ridge" })).await.ok()["id"].clone();
    let query = "mutation($a: UUID!, $b: UUID!, $c: UUID!, $bad: PropertyCreateInput!, $good: PropertyCreateInput!) {
        first: propertyCreate(idempotencyKey: $a, input: $good) { result { hoa { name } } }
        second: propertyCreate(idempotencyKey: $b, input: $bad) { result { id } }
        third: propertyCreate(idempotencyKey: $c, input: $good) { result { address { line1 } hoa { id } } operation { state } }
    }";
    let mut good = World::property("1 First Street");
    good["hoaId"] = hoa.clone();
    let variables = json!({ "a": world.key(), "b": world.key(), "c": world.key(), "good": good, "bad": World::property(" ") });
    let answer = world.gql(&owner, Some(home), query, variables).await;
    let data = &answer.body["data"];
    // Relations below a result are read after it, under the caller's rights.
    assert_eq!(data["first"]["result"]["hoa"]["name"], "Ridge");
    // What a form can show stands in the payload as well.
    assert_eq!(data["second"]["result"], Value::Null);
    assert_eq!(
        data["third"],
        json!({ "result": { "address": { "line1": "1 First Street" }, "hoa": { "id": hoa } }, "operation": { "state": "COMPLETED" } })
    );
    let errors = answer.body["errors"].as_array().expect("one error");
    assert_eq!((errors.len(), &errors[0]["path"]), (1, &json!(["second"])));
    assert_eq!(errors[0]["extensions"]["field_errors"][0]["field"], "address.line1");
    assert_eq!(errors[0]["extensions"]["trace_id"].as_str().map(str::len), Some(32));
}

#[tokio::test]
async fn a_failed_field_leaves_the_others() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let query = "{ property(id: \"01920000-0000-7000-8000-000000000009\") { id } viewer { id } properties { totalCount } }";
    let answer = world.gql(&owner, Some(home), query, json!({})).await;
    assert_eq!(answer.gql_code(), "NOT_FOUND");
    assert_eq!((&answer.body["data"]["property"], &answer.body["data"]["properties"]["totalCount"]), (&Value::Null, &json!(0)));
    assert!(answer.body["data"]["viewer"]["id"].is_string());
}

#[tokio::test]
async fn a_small_document_cannot_ask_for_much() {
    let world = World::new().await;
    let owner = person("olga");
    let bomb = |levels: usize| {
        let mut document = "{ ...F0 }".to_owned();
        for level in 0..levels {
            document += &format!(" fragment F{level} on Query {{ ...F{0} ...F{0} }}", level + 1);
        }
        document + &format!(" fragment F{levels} on Query {{ viewer {{ id }} }}")
    };
    // These documents are refused before any fragment is spread; the first would spread to a million million fields.
    for document in [bomb(40), format!("{{ {} }}", "viewer { id } ".repeat(2_000)), format!("{{ {} }}", "nope ".repeat(10_000))] {
        let answer = world.gql(&owner, None, &document, json!({})).await;
        assert_eq!(answer.gql_code(), "GRAPHQL_VALIDATION_FAILED");
        assert!(answer.body.to_string().len() < 20_000);
    }
    let many: String = (0..500).map(|n| format!("$v{n}: Int ")).collect();
    let answer = world.gql(&owner, None, &format!("query({many}) {{ viewer {{ id }} }}"), json!({})).await;
    assert!(answer.body["errors"].as_array().is_some_and(|errors| errors.len() <= 50));
    let quoted = world.gql(&owner, None, &format!("{{ {} ", "nodes(ids: [[".repeat(500)), json!({})).await;
    assert!(quoted.gql_code() == "GRAPHQL_PARSE_FAILED" && quoted.body.to_string().len() < 2_000, "{:#}", quoted.body);
    world.gql(&owner, None, &bomb(3), json!({})).await.data();
}

#[tokio::test]
async fn what_comes_before_any_organization_can_be_looked_up() {
    let world = World::new().await;
    let owner = person("olga");
    world.found(&owner, "TRUST_OR_LLC").await;
    let mine = "{ viewer { operations { totalCount edges { node { procedure state } } } } }";
    let answer = world.gql(&owner, None, mine, json!({})).await;
    let expected =
        json!({ "totalCount": 1, "edges": [{ "node": { "procedure": "organization/v1/create", "state": "COMPLETED" } }] });
    assert_eq!(answer.data()["viewer"]["operations"], expected);
    assert_eq!(world.gql(&person("tom"), None, mine, json!({})).await.data()["viewer"]["operations"]["totalCount"], 0);
}

#[tokio::test]
async fn nodes_are_found_by_id_alone() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let party = world.call(&owner, home, "externalParty/v1/create", json!({ "kind": "HOA", "name": "Ridge" })).await;
    let property = world.create_property(&owner, home, "1 First Street").await;
    let ids =
        json!([property["id"], party.ok()["id"], home, party.body["operation"]["id"], "01920000-0000-7000-8000-000000000009"]);
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Property { address { line1 } } ... on Organization { memberships { edges { node { id } } } } } }";
    let answer = world.gql(&owner, Some(home), query, json!({ "ids": ids })).await;
    let nodes = answer.data()["nodes"].as_array().expect("nodes").clone();
    let kinds: Vec<&str> = nodes.iter().map(|node| node["__typename"].as_str().unwrap_or("-")).collect();
    assert_eq!(kinds, ["Property", "ExternalParty", "Organization", "Operation", "-"]);
    let membership = nodes[2]["memberships"]["edges"][0]["node"]["id"].clone();
    let one =
        world.gql(&owner, Some(home), "query($id: ID!) { node(id: $id) { __typename } }", json!({ "id": membership })).await;
    assert_eq!(one.data()["node"]["__typename"], "Membership");
    let twice = json!({ "ids": [property["id"], property["id"]] });
    let twice = world.gql(&owner, Some(home), query, twice).await.data()["nodes"].clone();
    assert!(twice[0]["id"] == property["id"] && twice[1] == twice[0], "{twice:#}");

    // The log that says of which kind an id is says nothing to another organization, nor to one of no role.
    let (other, nobody) = (person("oscar"), person("nora"));
    let elsewhere = world.found(&other, "TRUST_OR_LLC").await;
    let theirs = world.gql(&other, Some(elsewhere), query, json!({ "ids": ids })).await;
    assert_eq!(theirs.data()["nodes"], json!([null, null, null, null, null]));
    for id in [&property["id"], &party.ok()["id"]] {
        let node = "query($id: ID!) { node(id: $id) { __typename } }";
        assert_eq!(world.gql(&other, Some(elsewhere), node, json!({ "id": id })).await.gql_code(), "NOT_FOUND");
        let refused = world.gql(&nobody, Some(home), node, json!({ "id": id })).await;
        assert_eq!(refused.gql_code(), "ORGANIZATION_NOT_FOUND", "{:#}", refused.body);
    }
}

#[tokio::test]
async fn what_the_engine_refuses_has_a_code_too() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let deep = format!("{{ node(id: \"1\") {} }}", "{ ... on Node @include(if: true) ".repeat(40) + "{ id }" + &"}".repeat(40));
    let cases = [
        ("{ viewer { id }", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ property(id: \"nonsense\") { id } }", "INVALID_INPUT"),
        ("{ property { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...a } fragment a on Query { ...a }", "GRAPHQL_VALIDATION_FAILED"),
        (deep.as_str(), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "mutation { propertyArchive(input: { id: \"01920000-0000-7000-8000-000000000009\", version: 1 }) { replayed } }",
            "IDEMPOTENCY_KEY_REQUIRED",
        ),
        (
            "mutation { propertyArchive(idempotencyKey: null, input: { id: \"01920000-0000-7000-8000-000000000009\", version: 1 }) { replayed } }",
            "IDEMPOTENCY_KEY_REQUIRED",
        ),
        (
            "mutation { propertyArchive(idempotencyKey: \"x\", input: { id: \"01920000-0000-7000-8000-000000000009\", version: 1 }) { replayed } }",
            "IDEMPOTENCY_KEY_INVALID",
        ),
    ];
    for (query, code) in cases {
        let answer = world.gql(&owner, Some(home), query, json!({})).await;
        assert_eq!(answer.gql_code(), code, "{query}: {:#}", answer.body);
        assert_eq!(answer.body["errors"][0]["extensions"]["trace_id"].as_str().map(str::len), Some(32), "{query}");
    }
    // A missing or wrong variable is the client's mistake too.
    for (query, variables) in [
        ("query($x: ID!) { property(id: $x) { id } }", json!({})),
        ("query($f: PropertyFilter) { properties(filter: $f) { totalCount } }", json!({ "f": 5 })),
        ("query($f: PropertyFilter) { properties(filter: $f) { totalCount } }", json!({ "f": { "updatedSince": 5 } })),
        ("query($f: PropertyFilter) { properties(filter: $f) { totalCount } }", json!({ "f": { "region": "A\u{1}Z" } })),
    ] {
        let answer = world.gql(&owner, Some(home), query, variables.clone()).await;
        assert!(
            matches!(answer.gql_code(), "INVALID_INPUT" | "GRAPHQL_VALIDATION_FAILED"),
            "{query} {variables}: {:#}",
            answer.body
        );
    }
    for (body, status) in [(json!([{ "query": "{ viewer { id } }" }]), 422), (json!({ "query": 7 }), 422), (json!({}), 422)] {
        let answer = world.send(world.request(reqwest::Method::POST, "/graphql").bearer_auth(&owner.token).json(&body)).await;
        assert_eq!((answer.status, answer.gql_code()), (status, "INVALID_INPUT"), "{body}");
    }
    let strict = world
        .request(reqwest::Method::POST, "/graphql")
        .bearer_auth(&owner.token)
        .header("accept", "application/graphql-response+json")
        .json(&json!({ "query": "{ nothing }" }));
    assert_eq!(world.send(strict).await.status, 400);
}

/// Types that show a kind without being it.
const SHOWS_TOO: &[(&str, &str)] = &[("EngagedOrganization", access_grant::KIND), ("Desk", desk::KIND)];

/// Every field that gives a kind, or a list of it, is planned for: else its query fails at run time.
#[tokio::test]
async fn every_field_of_a_kind_is_planned() {
    let contract = Contract::read().await;
    let kind_of = |object: &str| {
        let too = SHOWS_TOO.iter().find(|(name, _)| *name == object);
        shown_by(object).map(|kind| kind.name).or(too.map(|(_, kind)| *kind))
    };
    for kind in kinds() {
        let Some(object) = kind.object else { continue };
        assert_eq!(contract.get(&object).kind, "OBJECT", "{object} shows {}", kind.name);
    }
    // The result of a mutation is not read by a filter; the relations below it are.
    let answers = |owner: &str| {
        owner.ends_with("Payload")
            || owner == "OwnershipTransfer"
            || owner.ends_with("Edge")
            || owner.ends_with("Connection")
            || owner == "Mutation"
    };
    let mut seen = 0;
    for owner in contract.types() {
        // The viewer is nobody's row: it is read in its own scope.
        let known = owner.name == "Viewer" || kind_of(&owner.name).is_some();
        assert!(!owner.is_node() || known, "{} is no object of a kind", owner.name);
        for field in owner.fields.iter().filter(|_| owner.kind == "OBJECT" && owner.name != "Viewer" && !answers(&owner.name)) {
            let of = field.paged().unwrap_or(&field.of);
            let kind = kind_of(of);
            assert!(field.paged().is_none() || kind.is_some(), "{}.{}: which kind does {of} show?", owner.name, field.name);
            if kind.is_none() && of != "Node" {
                continue;
            }
            seen += 1;
            let covers = |kind: &&str| graphql::plans().covers(&owner.name, &field.name, kind);
            assert!(
                kind.map_or_else(|| entities::NAMES.iter().all(&covers), |kind| covers(&kind)),
                "{}.{} gives {of}: plan it where it is declared",
                owner.name,
                field.name
            );
        }
    }
    assert!(seen >= 25, "only {seen} fields");
}

/// A front-end developer reads the schema's descriptions: nothing in it is without one.
#[tokio::test]
async fn everything_in_the_schema_is_described() {
    const QUERY: &str = "{ __schema { types { name kind description fields { name description args { name description } }
      inputFields { name description } enumValues { name description } } } }";
    let response = graphql::schema(true).execute(QUERY).await;
    let data = response.data.into_json().expect("JSON");
    let (mut looked, mut bare) = (0, Vec::new());
    let mut look = |path: String, told: &Value| {
        looked += 1;
        if told["description"].as_str().is_none_or(|about| about.trim().is_empty()) {
            bare.push(path);
        }
    };
    let list = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
    // Those that GraphQL itself has are described by it.
    let theirs = |name: &str| name.starts_with("__") || ["ID", "Int", "Float", "String", "Boolean"].contains(&name);
    for of in list(&data["__schema"], "types").iter().filter(|of| !theirs(of["name"].as_str().expect("a name"))) {
        let name = of["name"].as_str().expect("a name");
        look(name.to_owned(), of);
        for part in ["fields", "inputFields", "enumValues"] {
            for one in list(of, part) {
                let path = format!("{name}.{}", one["name"].as_str().expect("a name"));
                for argument in list(&one, "args") {
                    look(format!("{path}({})", argument["name"].as_str().expect("a name")), &argument);
                }
                look(path, &one);
            }
        }
    }
    assert!(looked > 1_000, "{looked}");
    assert_eq!(bare, Vec::<String>::new());
}
