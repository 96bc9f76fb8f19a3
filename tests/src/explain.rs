//! Lists at size: each finds its page by an index, under row security and the policy's filter.

use crate::harness::{Explain, Options, World, person};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

/// 100 organizations with 1,000 of each kind; the person's own is one of them.
async fn crowded(world: &World, home: Uuid) {
    let sql = format!(
        "CREATE TEMPORARY TABLE crowd AS SELECT CASE WHEN n = 1 THEN '{home}'::uuid ELSE gen_random_uuid() END AS id FROM generate_series(1, 100) n;
         INSERT INTO organization (id, type, name, created_at, updated_at) SELECT id, 'TRUST_OR_LLC', 'One of many', now(), now() FROM crowd WHERE id <> '{home}';
         INSERT INTO external_party (organization_id, id, kind, name, status, created_at, updated_at)
           SELECT id, gen_random_uuid(), 'HOA', 'Ridge ' || n, 'ACTIVE', now(), now() FROM crowd, generate_series(1, 1000) n;
         INSERT INTO property (organization_id, id, kind, line1, locality, country, time_zone, status, created_at, updated_at)
           SELECT id, gen_random_uuid(), 'LAND', n || ' First Street', 'Tucson', 'US', 'America/Phoenix', 'ACTIVE', now(), now() + n * interval '1 second'
           FROM crowd, generate_series(1, 1000) n;
         INSERT INTO operation (organization_id, id, procedure, key, fingerprint, initiator, actor, authority, state, outcome, created_at, updated_at)
           SELECT id, gen_random_uuid(), 'property/v1/create', gen_random_uuid(), '', id, '{{\"kind\": \"HUMAN\"}}', '{{}}', 'COMPLETED', '{{}}', now(), now()
           FROM crowd, generate_series(1, 1000) n;
         INSERT INTO portfolio (organization_id, id, name, position, status, created_at, updated_at)
           SELECT id, gen_random_uuid(), 'Group ' || n, n, 'ACTIVE', now(), now() FROM crowd, generate_series(1, 1000) n;
         INSERT INTO portfolio_property (organization_id, portfolio_id, property_id, position, added_at)
           SELECT organization_id, g.id, p.id, 0, now() FROM portfolio g JOIN property p USING (organization_id)
           WHERE g.name = 'Group ' || split_part(p.line1, ' ', 1);
         ANALYZE portfolio; ANALYZE portfolio_property; ANALYZE organization; ANALYZE external_party; ANALYZE property; ANALYZE operation;"
    );
    world.sql.acquire().await.expect("a connection").execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("a crowd");
}

async fn orders(world: &World, who: &crate::harness::Person, home: Uuid, name: &str) -> Vec<Value> {
    let query = format!("{{ __type(name: \"{name}\") {{ enumValues {{ name }} }} }}");
    let answer = world.gql(who, Some(home), &query, json!({})).await;
    let values = answer.data()["__type"]["enumValues"].as_array().cloned().unwrap_or_default();
    values.into_iter().map(|value| value["name"].clone()).collect()
}

#[tokio::test]
async fn lists_of_100_000_rows_are_read_by_index() {
    let cluster = crate::harness::cluster().await;
    let database = Explain::database(cluster).await;
    let world = World::on(cluster, database, Options::default()).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    crowded(&world, home).await;
    for (list, table, order_type) in [
        ("properties", "property", "PropertyOrder"),
        ("operations", "operation", "OperationOrder"),
        ("externalParties", "external_party", "ExternalPartyOrder"),
        ("portfolios", "portfolio", "PortfolioOrder"),
    ] {
        let orders = orders(&world, &owner, home, order_type).await;
        assert!(!orders.is_empty());
        for order in orders {
            let mut after = Value::Null;
            for page in ["the first page", "the next"] {
                let query = format!(
                    "query ($after: String, $order: {order_type}) {{ {list}(first: 20, after: $after, orderBy: $order) {{ edges {{ node {{ id }} }} pageInfo {{ endCursor }} }} }}"
                );
                let explain = Explain::of(&world);
                let answer = world.gql(&owner, Some(home), &query, json!({ "after": after, "order": order })).await;
                assert_eq!(answer.data()[list]["edges"].as_array().map(Vec::len), Some(20), "{page} of {list} by {order}");
                after = answer.data()[list]["pageInfo"]["endCursor"].clone();
                for statement in explain.statements(table).await {
                    statement.uses_index(table);
                }
            }
        }
    }
    // A relation below a list is one statement, by index as well.
    let explain = Explain::of(&world);
    let query = "{ properties(first: 20) { edges { node { id hoa { name } portfolios { name } } } } }";
    let answer = world.gql(&owner, Some(home), query, json!({})).await;
    assert!(!answer.data()["properties"]["edges"][0]["node"]["portfolios"][0]["name"].is_null());
    for table in ["property", "portfolio"] {
        for statement in explain.statements(table).await {
            statement.uses_index(table);
            statement.uses_index("portfolio_property");
        }
    }
    let explain = Explain::of(&world);
    let query = "{ portfolios(first: 1) { edges { node { properties(first: 20) { edges { node { id } } } } } } }";
    world.gql(&owner, Some(home), query, json!({})).await.data();
    for statement in explain.statements("property").await {
        statement.uses_index("portfolio_property");
        statement.uses_index("property");
    }
}
