//! Nothing crosses from one organization to another: for every table, procedure and query field.

use crate::harness::{
    Contract, Person, World,
    examples::{Call, DESK, Examples, HOME, carried, query_field},
    kinds, rows,
};
use schema::Scope;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use uuid::Uuid;

#[tokio::test]
async fn no_table_lets_the_application_across() {
    let world = World::new().await;
    let examples = Examples::new(&world).await;
    let home = HOME.id();
    let mut app = world.cluster.connect("hestami_app", &world.database).await;
    let tables = sqlx::query(
        "SELECT relname::text, substr(obj_description(oid, 'pg_class'), 8), relispartition FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relrowsecurity ORDER BY relname",
    )
    .fetch_all(&world.sql)
    .await
    .expect("tables");
    let mut looked = 0;
    for table in &tables {
        let (table, class, partition): (String, String, bool) = (table.get(0), table.get(1), table.get(2));
        let column = if class == "organization" { "id" } else { "organization_id" };
        if class == "identity" || partition {
            let error = app.execute(AssertSqlSafe(format!("SELECT * FROM {table}"))).await.expect_err("out of reach");
            assert_eq!(code(&error), "42501", "{table}");
            continue;
        }
        looked += 1;
        let sql = format!("SELECT to_jsonb(t) FROM {table} t WHERE {column} = '{home}' LIMIT 1");
        let row: Option<Value> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_optional(&world.sql).await.expect("a row");
        let row = row.unwrap_or_else(|| panic!("{table}: say in harness/rows.rs what a row of it is"));
        // Each table is read as the stranger, and as nobody.
        for acting in [format!("SET LOCAL app.organization_id = '{}'", examples.elsewhere), "SELECT 1".to_owned()] {
            let mut tx = app.begin().await.expect("a transaction");
            tx.execute(AssertSqlSafe(acting.clone())).await.expect("a scope");
            let seen: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE {column} = '{home}'")))
                .fetch_one(&mut *tx)
                .await
                .expect("a count");
            assert_eq!(seen, 0, "{table} shows rows across organizations");
            let all: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
                .fetch_one(&mut *tx)
                .await
                .expect("a count");
            assert!(!acting.starts_with("SELECT") || all == 0, "{table}: with nothing set there are no rows");
            let updatable: Vec<String> = sqlx::query_scalar(
                "SELECT column_name::text FROM information_schema.column_privileges WHERE grantee = 'hestami_app' AND table_name = $1 AND privilege_type = 'UPDATE'",
            )
            .bind(&table)
            .fetch_all(&world.sql)
            .await
            .expect("columns");
            if let Some(updatable) = updatable.first() {
                let changed = tx
                    .execute(AssertSqlSafe(format!("UPDATE {table} SET {updatable} = {updatable} WHERE {column} = '{home}'")))
                    .await
                    .expect("no rows");
                assert_eq!(changed.rows_affected(), 0, "{table} is changed across organizations");
            }
            let mut savepoint = tx.begin().await.expect("a savepoint");
            // Those that the database computes are not written.
            let computed = ["search", "about_id"];
            let written = row.as_object().expect("a row").keys().filter(|name| !computed.contains(&name.as_str()));
            let columns = written.map(|name| format!("\"{name}\""));
            let columns = columns.collect::<Vec<_>>().join(", ");
            let insert =
                format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)");
            let error = sqlx::query(AssertSqlSafe(insert)).bind(&row).execute(&mut *savepoint).await.expect_err("refused");
            assert_eq!(code(&error), "42501", "{table} takes rows of another organization: {error}");
        }
    }
    assert!(looked >= 8, "only {looked} tables were looked at");
    app.close().await.expect("an end");
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned()
}

#[tokio::test]
async fn no_procedure_reaches_another_organization() {
    let world = World::new().await;
    let examples = Examples::new(&world).await;
    let (home, elsewhere) = (HOME.id().to_string(), examples.elsewhere.to_string());
    let rows = rows::rows(&rows::Principals::default());
    let at_home: Vec<&Value> = rows.iter().map(|(_, row)| &row["id"]).collect();
    for entry in carried() {
        let key = || Some(world.key()).filter(|_| entry.is_mutation());
        let call =
            |organization, key| Call { entry, who: &examples.stranger, organization, grant: None, key, input: entry.example() };
        if entry.scope() == Scope::Organization {
            // A foreign organization answers exactly as one that does not exist.
            let foreign = call(Some(home.clone()), key()).by_rpc(&world).await;
            let missing = call(Some("00000000-0000-7000-8000-00000000dead".into()), key()).by_rpc(&world).await;
            foreign.refused("ORGANIZATION_NOT_FOUND");
            assert_eq!((foreign.status, &foreign.body["error"]), (404, &missing.body["error"]), "{}", entry.name());
            let by_graphql = call(Some(home.clone()), key()).by_graphql(&world, &Value::Null).await;
            assert_eq!(by_graphql.gql_code(), "ORGANIZATION_NOT_FOUND", "{}: {:#}", entry.name(), by_graphql.body);
        }
        if let Some(id) = entry.example().get("id") {
            // Another organization's ids are not found from one's own, though they are at home.
            assert!(at_home.contains(&id), "{}: there is no {id} at home", entry.name());
            let organization = (entry.scope() == Scope::Organization).then_some(elsewhere.as_str());
            let answer = call(organization.map(str::to_owned), key()).by_rpc(&world).await;
            assert_eq!((answer.status, answer.code()), (404, "NOT_FOUND"), "{}: {:#}", entry.name(), answer.body);
            let by_graphql = call(organization.map(str::to_owned), key()).by_graphql(&world, &Value::Null).await;
            assert_eq!(by_graphql.gql_code(), "NOT_FOUND", "{}: {:#}", entry.name(), by_graphql.body);
        }
    }
    let rows: Vec<i64> = sqlx::query_scalar(
        "SELECT version::bigint FROM property UNION ALL SELECT event_seq FROM org_head WHERE organization_id = $1",
    )
    .bind(HOME.id())
    .fetch_all(&world.sql)
    .await
    .expect("rows");
    assert_eq!(rows, [1, 1, 1], "nothing happened at home");
}

#[tokio::test]
async fn no_query_field_reaches_another_organization() {
    let world = World::new().await;
    let examples = Examples::new(&world).await;
    let contract = Contract::read().await;
    let mut looked = Vec::new();
    for field in &contract.get("Query").fields {
        match field.name.as_str() {
            "viewer" => {
                let query = "{ viewer { memberships { nodes { organizationId } } invitations { organizationId } } }";
                let of = async |who: &Person| names_home(world.gql(who, None, query, json!({})).await.data());
                assert!(of(&examples.owner).await && !of(&examples.stranger).await);
            }
            // Both fields are asked together, below.
            "node" | "nodes" => {}
            // The directory is everyone's, and holds those who want to be in it.
            "desks" => {
                let answer =
                    world.gql(&examples.stranger, Some(examples.elsewhere), "{ desks { nodes { id } } }", json!({})).await;
                assert_eq!(answer.data()["desks"]["nodes"], json!([]), "nobody is listed unasked");
            }
            "changes" => log_stays_at_home(&world, &examples).await,
            name => field_stays_at_home(&world, &examples, name).await,
        }
        looked.push(field.name.clone());
    }
    nodes_stay_at_home(&world, &examples, &contract).await;
    for entry in carried().filter(|entry| !entry.is_mutation()) {
        assert!(looked.contains(&query_field(entry)), "{} has no query field", entry.name());
    }
}

fn names_home(answer: &Value) -> bool {
    answer.to_string().contains(&HOME.id().to_string())
}

/// Whether there is anything in an answer's lists.
fn has_items(answer: &Value) -> bool {
    match answer {
        // A count of none is nothing.
        Value::Array(items) => items.iter().any(|item| item["count"] != 0),
        Value::Object(fields) => fields.values().any(has_items),
        _ => false,
    }
}

/// Lists in which everybody has something of their own organization.
const OWN: &[&str] = &["memberships"];

/// A field with a procedure is asked by that procedure's example: it answers those who may see home, and has nothing for a
/// stranger.
async fn field_stays_at_home(world: &World, examples: &Examples, name: &str) {
    let entry = carried().find(|entry| !entry.is_mutation() && query_field(entry) == name);
    let entry = entry.unwrap_or_else(|| panic!("{name}: say here how it is tried from another organization"));
    let of_one = entry.example().get("id").is_some();
    let mut shape = Value::Null;
    for (who, organization) in [(&examples.owner, HOME.id()), (&examples.concierge, DESK)] {
        let organization = organization.to_string();
        let answer = Call { entry, who, organization: Some(organization), grant: None, key: None, input: entry.example() }
            .by_rpc(world)
            .await;
        if answer.status == 200 && (of_one || has_items(&answer.body["result"])) {
            shape = answer.ok().clone();
            break;
        }
    }
    assert!(!shape.is_null(), "{name}: nobody sees home by it, so that a stranger proves nothing");
    let ask = async |organization: Uuid| {
        let organization = organization.to_string();
        let call = Call {
            entry,
            who: &examples.stranger,
            organization: Some(organization),
            grant: None,
            key: None,
            input: entry.example(),
        };
        call.by_graphql(world, &shape).await
    };
    let answer = ask(examples.elsewhere).await;
    if OWN.contains(&name) {
        assert!(has_items(answer.data()), "{name}: {:#}", answer.body);
    } else if of_one {
        assert_eq!(answer.gql_code(), "NOT_FOUND", "{name}: {:#}", answer.body);
    } else {
        assert!(!has_items(answer.data()), "{name}: {:#}", answer.body);
    }
    assert!(!names_home(&answer.body["data"]), "{name}: {:#}", answer.body);
    let acting = ask(HOME.id()).await;
    assert_eq!(acting.gql_code(), "ORGANIZATION_NOT_FOUND", "{name}: {:#}", acting.body);
}

/// Asks for one thing of each kind that has an id, by that id alone.
async fn nodes_stay_at_home(world: &World, examples: &Examples, contract: &Contract) {
    let (objects, ids): (Vec<_>, Vec<_>) = kinds()
        .filter_map(|kind| Some((kind.name, kind.object?)))
        .filter(|(_, object)| contract.get(object).is_node())
        .map(|(name, object)| (object, rows::id_of(name)))
        .unzip();
    let ask = async |who: &Person, organization: Uuid, query: &str, variables: Value| {
        world.gql(who, Some(organization), query, variables).await
    };
    let (one, many) = ("query($id: ID!) { node(id: $id) { id } }", "query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }");
    // At most a hundred at once.
    for (ids, objects) in ids.chunks(100).zip(objects.chunks(100)) {
        let seen = ask(&examples.owner, HOME.id(), many, json!({ "ids": ids })).await;
        let expected: Vec<_> = objects.iter().map(|object| json!({ "__typename": object })).collect();
        assert_eq!(seen.data()["nodes"], Value::from(expected), "the owner sees one of each kind at home");
        let unseen = ask(&examples.stranger, examples.elsewhere, many, json!({ "ids": ids })).await;
        assert_eq!(unseen.data()["nodes"], Value::from(vec![Value::Null; ids.len()]));
    }
    for id in ids {
        let answer = ask(&examples.stranger, examples.elsewhere, one, json!({ "id": id })).await;
        assert_eq!(answer.gql_code(), "NOT_FOUND", "{id}: {:#}", answer.body);
        let acting = ask(&examples.stranger, HOME.id(), one, json!({ "id": id })).await;
        assert_eq!(acting.gql_code(), "ORGANIZATION_NOT_FOUND", "{id}: {:#}", acting.body);
    }
}

async fn log_stays_at_home(world: &World, examples: &Examples) {
    let query = "query ($after: String) { changes(after: $after) { cursor items { organizationId node { id } } } }";
    let ask = async |who: &Person, organization: Uuid, after: Value| {
        world.gql(who, Some(organization), query, json!({ "after": after })).await
    };
    let now = async |who: &Person, organization: Uuid| {
        ask(who, organization, Value::Null).await.data()["changes"]["cursor"].as_str().expect("a cursor").to_owned()
    };
    let first = |cursor: &str| Value::from(format!("{}{:016x}{}", &cursor[..33], 0, &cursor[49..]));
    let cursor = now(&examples.stranger, examples.elsewhere).await;
    let owners = now(&examples.owner, HOME.id()).await;
    world.create_property(&examples.owner, HOME.id(), "3 Third Street").await;
    let change = ask(&examples.owner, HOME.id(), owners.into()).await;
    assert!(names_home(change.data()), "{:#}", change.body);
    // A cursor of one's own that names another's log is refused.
    let theirs = format!("{}{}{}", &cursor[..1], HOME.id().simple(), &cursor[33..]);
    let answer = ask(&examples.stranger, examples.elsewhere, theirs.into()).await;
    assert_eq!(answer.gql_code(), "INVALID_CURSOR");
    let answer = ask(&examples.stranger, examples.elsewhere, first(&cursor)).await;
    assert!(!names_home(answer.data()), "{:#}", answer.body);
    assert_eq!(ask(&examples.stranger, HOME.id(), Value::Null).await.gql_code(), "ORGANIZATION_NOT_FOUND");
}
