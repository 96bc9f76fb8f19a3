//! Nothing crosses from one organization to another: for every table, procedure and query field.

use crate::harness::{
    World,
    examples::{Call, Examples, HOME, carried, query_field},
};
use schema::Scope;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

#[tokio::test]
async fn no_table_lets_the_application_across() {
    let world = World::new().await;
    let examples = Examples::new(&world).await;
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
        let sql = format!("SELECT to_jsonb(t) FROM {table} t WHERE {column} = '{HOME}' LIMIT 1");
        let row: Option<Value> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_optional(&world.sql).await.expect("a row");
        let row = row.unwrap_or_else(|| panic!("{table}: the examples need a row of it"));
        // As the stranger, and as nobody.
        for acting in [format!("SET LOCAL app.organization_id = '{}'", examples.elsewhere), "SELECT 1".to_owned()] {
            let mut tx = app.begin().await.expect("a transaction");
            tx.execute(AssertSqlSafe(acting.clone())).await.expect("a scope");
            let seen: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE {column} = '{HOME}'")))
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
                    .execute(AssertSqlSafe(format!("UPDATE {table} SET {updatable} = {updatable} WHERE {column} = '{HOME}'")))
                    .await
                    .expect("no rows");
                assert_eq!(changed.rows_affected(), 0, "{table} is changed across organizations");
            }
            let mut savepoint = tx.begin().await.expect("a savepoint");
            let error =
                sqlx::query(AssertSqlSafe(format!("INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, $1)")))
                    .bind(&row)
                    .execute(&mut *savepoint)
                    .await
                    .expect_err("refused");
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
    let (home, elsewhere) = (HOME.to_string(), examples.elsewhere.to_string());
    for entry in carried() {
        let key = || Some(world.key()).filter(|_| entry.is_mutation());
        let call = |organization, key| Call { entry, who: &examples.stranger, organization, key, input: entry.example() };
        if entry.scope() == Scope::Organization {
            // A foreign organization answers exactly as one that does not exist.
            let foreign = call(Some(home.as_str()), key()).by_rpc(&world).await;
            let missing = call(Some("00000000-0000-7000-8000-00000000dead"), key()).by_rpc(&world).await;
            foreign.refused("ORGANIZATION_NOT_FOUND");
            assert_eq!((foreign.status, &foreign.body["error"]), (404, &missing.body["error"]), "{}", entry.name());
            let by_graphql = call(Some(home.as_str()), key()).by_graphql(&world, &Value::Null).await;
            assert_eq!(by_graphql.gql_code(), "ORGANIZATION_NOT_FOUND", "{}: {:#}", entry.name(), by_graphql.body);
        }
        if entry.example().get("id").is_some() {
            // From one's own organization, another's ids are not there.
            let organization = (entry.scope() == Scope::Organization).then_some(elsewhere.as_str());
            let answer = call(organization, key()).by_rpc(&world).await;
            assert_eq!((answer.status, answer.code()), (404, "NOT_FOUND"), "{}: {:#}", entry.name(), answer.body);
            let by_graphql = call(organization, key()).by_graphql(&world, &Value::Null).await;
            assert_eq!(by_graphql.gql_code(), "NOT_FOUND", "{}: {:#}", entry.name(), by_graphql.body);
        }
    }
    let rows: Vec<i64> = sqlx::query_scalar(
        "SELECT version::bigint FROM property UNION ALL SELECT event_seq FROM org_head WHERE organization_id = $1",
    )
    .bind(HOME)
    .fetch_all(&world.sql)
    .await
    .expect("rows");
    assert_eq!(rows, [1, 1, 1], "nothing happened at home");
}

#[tokio::test]
async fn no_query_field_reaches_another_organization() {
    let world = World::new().await;
    let examples = Examples::new(&world).await;
    let fields = world
        .gql(
            &examples.stranger,
            None,
            "{ __schema { queryType { fields { name args { name type { kind ofType { name } } } } } } }",
            json!({}),
        )
        .await;
    let ids = ["a1", "b1", "c2", "d1", "f1", "21", "31", "41", "51", "e1"]
        .map(|end| format!("01920000-0000-7000-8000-0000000000{end}"));
    let id = |field: &str| match field {
        "organization" => &ids[4],
        "operation" => &ids[3],
        "externalParty" => &ids[1],
        "portfolio" | "portfolioFinancials" => &ids[5],
        "ownership" => &ids[6],
        "financialEntry" => &ids[7],
        "delegation" => &ids[8],
        "accessGrant" => &ids[9],
        _ => &ids[0],
    };
    let mut looked = Vec::new();
    for field in fields.data()["__schema"]["queryType"]["fields"].as_array().expect("fields") {
        let name = field["name"].as_str().expect("a name");
        looked.push(name.to_owned());
        let takes = |argument: &str| field["args"].as_array().is_some_and(|all| all.iter().any(|each| each["name"] == argument));
        if name == "viewer" {
            let mine = world
                .gql(
                    &examples.stranger,
                    None,
                    "{ viewer { memberships { organizationId } invitations { organizationId } } }",
                    json!({}),
                )
                .await;
            assert!(!mine.body.to_string().contains(&HOME.to_string()));
        } else if takes("id") {
            let query = format!("{{ {name}(id: \"{}\") {{ __typename }} }}", id(name));
            let answer = world.gql(&examples.stranger, Some(examples.elsewhere), &query, json!({})).await;
            assert_eq!(answer.gql_code(), "NOT_FOUND", "{name}: {:#}", answer.body);
            let acting = world.gql(&examples.stranger, Some(HOME), &query, json!({})).await;
            assert_eq!(acting.gql_code(), "ORGANIZATION_NOT_FOUND", "{name}: {:#}", acting.body);
        } else if takes("ids") {
            let query = format!("{{ {name}(ids: {ids:?}) {{ id }} }}");
            let answer = world.gql(&examples.stranger, Some(examples.elsewhere), &query, json!({})).await;
            assert_eq!(answer.data()[name], json!([null, null, null, null, null, null, null, null, null, null]));
        } else if name == "changes" {
            let query = "query ($after: String) { changes(after: $after) { cursor items { organizationId node { id } } } }";
            let ask = async |organization, after: Value| {
                world.gql(&examples.stranger, Some(organization), query, json!({ "after": after })).await
            };
            let cursor = ask(examples.elsewhere, Value::Null).await.data()["changes"]["cursor"].clone();
            // Another's log by its name, in a cursor of one's own.
            let cursor = cursor.as_str().expect("a cursor");
            let theirs = format!("{}{}{}", &cursor[..1], HOME.simple(), &cursor[33..]);
            assert_eq!(ask(examples.elsewhere, theirs.into()).await.gql_code(), "INVALID_CURSOR");
            let all = format!("{}{:016x}{}", &cursor[..33], 0, &cursor[49..]);
            let answer = ask(examples.elsewhere, all.into()).await;
            assert!(!answer.data().to_string().contains(&HOME.to_string()), "{:#}", answer.body);
            assert_eq!(ask(HOME, Value::Null).await.gql_code(), "ORGANIZATION_NOT_FOUND");
        } else if takes("first") {
            let query = format!("{{ {name}(first: 100) {{ totalCount edges {{ node {{ organizationId }} }} }} }}");
            let answer = world.gql(&examples.stranger, Some(examples.elsewhere), &query, json!({})).await;
            assert!(!answer.body.to_string().contains(&HOME.to_string()), "{name}: {:#}", answer.body);
            let acting = world.gql(&examples.stranger, Some(HOME), &query, json!({})).await;
            assert_eq!(acting.gql_code(), "ORGANIZATION_NOT_FOUND", "{name}: {:#}", acting.body);
        } else if name == "report" {
            let query =
                format!("{{ report(portfolioIds: [\"{}\"], by: KIND, measure: PROPERTIES) {{ rows {{ value }} }} }}", ids[5]);
            let answer = world.gql(&examples.stranger, Some(examples.elsewhere), &query, json!({})).await;
            assert_eq!(answer.data()["report"]["rows"], json!([]));
            let acting = world.gql(&examples.stranger, Some(HOME), &query, json!({})).await;
            assert_eq!(acting.gql_code(), "ORGANIZATION_NOT_FOUND");
        } else {
            panic!("{name}: say here how it is tried from another organization");
        }
    }
    for entry in carried().filter(|entry| !entry.is_mutation()) {
        assert!(looked.contains(&query_field(entry)), "{} has no query field", entry.name());
    }
}
