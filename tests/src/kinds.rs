//! The structs of kinds, compared with the database: their columns and types, the texts of their checks, and the columns that the
//! application may change.

use crate::harness::cluster;
use kind::{ColumnInfo, KindInfo};
use schema::ColumnType;
use sqlx::{PgConnection, Row};
use std::collections::{BTreeMap, BTreeSet};

fn stored(column: ColumnType) -> &'static [&'static str] {
    match column {
        ColumnType::Bool => &["boolean"],
        ColumnType::Int => &["integer", "smallint"],
        ColumnType::Long => &["bigint"],
        ColumnType::Text => &["text", "character varying", "character"],
        ColumnType::Uuid => &["uuid"],
        ColumnType::Time => &["timestamp with time zone"],
        ColumnType::Date => &["date"],
        ColumnType::Json => &["jsonb", "json"],
        ColumnType::Bytes => &["bytea"],
        ColumnType::Texts => &["ARRAY"],
    }
}

async fn of(sql: &mut PgConnection, table: &str) -> BTreeMap<String, (String, bool)> {
    sqlx::query(
        "SELECT column_name::text, data_type::text, is_nullable = 'YES' FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER'",
    )
    .bind(table)
    .fetch_all(sql)
    .await
    .expect("columns")
    .iter()
    .map(|row| (row.get(0), (row.get(1), row.get(2))))
    .collect()
}

/// The texts that a check allows in a column, by the check's own words.
async fn checked(sql: &mut PgConnection, table: &str, column: &str) -> Option<BTreeSet<String>> {
    let checks: Vec<String> = sqlx::query_scalar(
        "SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
         WHERE c.contype = 'c' AND c.conrelid = $1::regclass AND a.attname = $2",
    )
    .bind(table)
    .bind(column)
    .fetch_all(sql)
    .await
    .expect("checks");
    let texts = |check: &String| -> BTreeSet<String> { check.split('\'').skip(1).step_by(2).map(str::to_owned).collect() };
    checks.iter().map(texts).find(|texts| !texts.is_empty())
}

async fn compare(sql: &mut PgConnection, kind: &KindInfo) {
    if kind.view {
        return;
    }
    let table = kind.resource.table;
    let stands = of(sql, table).await;
    let declared: BTreeSet<&str> = kind.columns.iter().map(|column| column.name).collect();
    // A projection's search is a copy; every other one is written by the database itself.
    let there: BTreeSet<&str> = stands.keys().map(String::as_str).filter(|name| *name != "search").collect();
    assert_eq!(declared, there, "{table}: the struct's fields and the table's columns");
    for ColumnInfo { name, column, nullable, texts, .. } in kind.columns {
        let (data_type, null) = &stands[*name];
        assert!(stored(*column).contains(&data_type.as_str()), "{table}.{name} is {data_type}, the struct says {column:?}");
        assert_eq!(nullable, null, "{table}.{name}: an Option, or NOT NULL");
        // A projection's texts are checked where they come from.
        if !texts.is_empty() && kind.api.is_some() {
            let checked = checked(sql, table, name).await.unwrap_or_else(|| panic!("{table}.{name} has no CHECK of its texts"));
            let same = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
            assert_eq!(same(texts), checked, "{table}.{name}: the enum and its CHECK");
        }
    }
    if kind.api.is_none() {
        return;
    }
    let changed: BTreeSet<String> = sqlx::query_scalar(
        "SELECT column_name::text FROM information_schema.column_privileges
         WHERE grantee = 'hestami_app' AND table_schema = 'public' AND table_name = $1 AND privilege_type = 'UPDATE'",
    )
    .bind(table)
    .fetch_all(sql)
    .await
    .expect("privileges")
    .into_iter()
    .collect();
    let declared: BTreeSet<String> =
        kind.columns.iter().filter(|column| !column.fixed).map(|column| column.name.to_owned()).collect();
    assert_eq!(declared, changed, "{table}: the columns that are not fixed, and those that may be updated");
}

#[tokio::test]
async fn each_struct_says_what_its_table_says() {
    let cluster = cluster().await;
    let database = cluster.database().await;
    let mut sql = cluster.connect("postgres", &database).await;
    for kind in entities::KINDS {
        compare(&mut sql, kind).await;
    }
}

#[test]
fn kinds_are_named_once_and_in_order() {
    let mut names = entities::NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), entities::KINDS.len());
    for kind in entities::KINDS {
        assert_eq!(entities::kind(kind.name).map(|known| known.name), Some(kind.name));
        // A word of SQL names no table well.
        let table = if kind.name == "case" { "concierge_case" } else { kind.name };
        assert_eq!(table, kind.resource.table, "a kind is named after its table");
    }
}
