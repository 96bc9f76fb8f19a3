//! A declared projection does the same as the projection that was written by hand.

use crate::harness::{World, person};
use entities::{
    engaged_property,
    property::{self, PropertyOrder},
};
use kind::page::Order as _;
use migration::{
    class,
    projection::{Projection, projected},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor, PgPool};

const TWIN: Projection = Projection {
    table: "twin_property",
    source: "property",
    id: "property_id",
    columns: &[
        ("kind", "text NOT NULL"),
        ("status", "text NOT NULL"),
        ("line1", "text COLLATE app.natural NOT NULL"),
        ("locality", r#"text COLLATE "C" NOT NULL"#),
        ("region", r#"text COLLATE "C""#),
        ("country", r#"text COLLATE "C" NOT NULL"#),
        ("updated_at", "timestamptz NOT NULL"),
        ("search", "text"),
    ],
    orders: &["updated_at", "line1", "kind", "locality"],
};

/// The number of rows, which is the same in both projections.
async fn rows(sql: &PgPool, when: &str) -> i64 {
    let (rows, twin, other): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM engaged_property), (SELECT count(*) FROM twin_property),
                (SELECT count(*) FROM (TABLE engaged_property EXCEPT TABLE twin_property) AS other)",
    )
    .fetch_one(sql)
    .await
    .expect("rows");
    assert_eq!((rows, 0), (twin, other), "{when}");
    rows
}

/// A table's columns, keys, indexes, policies and privileges.
async fn shape(sql: &PgPool, table: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT says FROM (
           SELECT format('column %s %s %s %s', a.attname, format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation, a.attnotnull)
             FROM pg_attribute a WHERE a.attrelid = $1::text::regclass AND a.attnum > 0
           UNION ALL SELECT regexp_replace(pg_get_indexdef(indexrelid), 'INDEX \\w+ ON public.\\w+', '') FROM pg_index WHERE indrelid = $1::text::regclass
           UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::text::regclass
           UNION ALL SELECT concat_ws(' ', 'policy', replace(policyname, $1, ''), permissive, roles, cmd, qual, with_check) FROM pg_policies WHERE tablename = $1
           UNION ALL SELECT concat_ws(' ', 'privilege', a.grantee::regrole, a.privilege_type)
             FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = $1::text::regclass
           UNION ALL SELECT concat_ws(' ', obj_description(oid, 'pg_class'), relrowsecurity, relforcerowsecurity) FROM pg_class WHERE oid = $1::text::regclass
         ) AS of(says) ORDER BY 1",
    )
    .bind(table)
    .fetch_all(sql)
    .await
    .expect("a table")
}

#[tokio::test]
async fn a_declared_projection_is_kept_as_the_one_that_was_written_by_hand() {
    let world = World::new().await;
    let (olga, oscar, dana, dora) = (person("olga"), person("oscar"), person("dana"), person("dora"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let other = world.found(&oscar, "INDIVIDUAL_PROPERTY_OWNER").await;
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    let second = world.found(&dora, "CONCIERGE_OPERATOR").await;
    let first = world.create_property(&olga, home, "1 Before").await;
    world.create_property(&olga, home, "2 Before").await;
    world.create_property(&oscar, other, "9 Elsewhere").await;
    let grant = world.engage(&olga, home, desk, "READ").await;

    let mut owner = world.cluster.connect("hestami_owner", &world.database).await;
    owner.execute(AssertSqlSafe(projected(&TWIN) + &class::across())).await.expect("a twin");
    crate::catalog::sound(&mut world.cluster.connect("postgres", &world.database).await).await;
    let (hand, twin) = (shape(&world.sql, "engaged_property").await, shape(&world.sql, "twin_property").await);
    assert!(hand.len() > 25, "{hand:#?}");
    assert_eq!(hand, twin);
    assert_eq!(rows(&world.sql, "as it was before").await, 2);

    world.create_property(&olga, home, "3 After").await;
    assert_eq!(rows(&world.sql, "a new one").await, 3);
    let moved = json!({ "id": first["id"], "version": 1, "address": { "line1": "7 Moved", "locality": "Tucson", "region": "AZ", "country": "US" } });
    world.call(&olga, home, "property/v1/update", moved).await.ok();
    assert_eq!(rows(&world.sql, "one that moved").await, 3);
    assert_eq!(world.count("SELECT count(*) FROM twin_property WHERE line1 = '7 Moved' AND region = 'AZ'").await, 1);
    world.call(&olga, home, "property/v1/archive", json!({ "id": first["id"], "version": 2 })).await.ok();
    assert_eq!(rows(&world.sql, "one that is archived").await, 3);
    assert_eq!(world.count("SELECT count(*) FROM twin_property WHERE status = 'ARCHIVED'").await, 1);
    world.call(&olga, home, "property/v1/restore", json!({ "id": first["id"], "version": 3 })).await.ok();
    assert_eq!(rows(&world.sql, "one that is back").await, 3);
    assert_eq!(world.count("SELECT count(*) FROM twin_property WHERE status = 'ARCHIVED'").await, 0);

    world.engage(&oscar, other, desk, "ACT").await;
    assert_eq!(rows(&world.sql, "another owner").await, 4);
    world.engage(&olga, home, second, "READ").await;
    assert_eq!(rows(&world.sql, "another desk").await, 7);
    let wider = world.engage(&olga, home, desk, "ACT").await;
    assert_eq!(rows(&world.sql, "two grants of one owner").await, 7);
    world.create_property(&olga, home, "4 For both").await;
    assert_eq!(rows(&world.sql, "a new one for two desks").await, 9);
    world.call(&olga, home, "accessGrant/v1/narrow", json!({ "id": wider["id"], "version": 2, "scopes": ["READ"] })).await.ok();
    assert_eq!(rows(&world.sql, "one that is narrower").await, 9);
    world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": grant["id"], "version": 2 })).await.ok();
    assert_eq!(rows(&world.sql, "one of two is taken back").await, 9);
    world.call(&olga, home, "accessGrant/v1/revoke", json!({ "id": wider["id"], "version": 3 })).await.ok();
    assert_eq!(rows(&world.sql, "both are taken back").await, 5);
    world.create_property(&olga, home, "5 Later").await;
    assert_eq!(rows(&world.sql, "a new one for the other desk only").await, 6);
}

#[test]
fn every_order_of_the_source_is_one_of_the_projection() {
    for order in PropertyOrder::ALL {
        let (of, here) = (order.sort(), kind::projected::sort::<engaged_property::Model>(Some(*order)).expect("a column"));
        assert_eq!((here.list, here.order, here.descending), (engaged_property::KIND, of.order, of.descending));
        match of.column {
            property::Column::Id => assert!(matches!(here.column, engaged_property::Column::PropertyId)),
            property::Column::UpdatedAt => assert!(matches!(here.column, engaged_property::Column::UpdatedAt)),
            property::Column::Line1 => assert!(matches!(here.column, engaged_property::Column::Line1)),
            property::Column::Kind => assert!(matches!(here.column, engaged_property::Column::Kind)),
            property::Column::Locality => assert!(matches!(here.column, engaged_property::Column::Locality)),
            other => panic!("{other:?}: which column of the projection is it?"),
        }
    }
}
