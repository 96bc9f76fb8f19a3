//! Small documents that once made much work.

use crate::harness::{Explain, Options, World, cluster, person};
use serde_json::json;
use std::fmt::Write;

/// A field counts and runs once, however often and by whatever fragments a document says it.
#[tokio::test]
async fn a_field_that_is_repeated_runs_once() {
    let cluster = cluster().await;
    let world = World::on(cluster, Explain::database(cluster).await, Options::default()).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.create_property(&owner, home, "1").await;
    let mut fragments = String::new();
    let mut spreads = String::new();
    for n in 0..40 {
        let _ = write!(spreads, "...F{n} ... on Query {{ ...F{n} }} ");
        let _ = write!(fragments, "fragment F{n} on Query {{ viewer {{ id }} }} ");
    }
    for document in [
        format!("{{ {} }}", "viewer { id } ".repeat(950)),
        format!("{{ {} }}", "... { ... on Query { viewer { id } } } ".repeat(300)),
        format!("{{ {spreads} }} {fragments}"),
    ] {
        let explain = Explain::of(&world);
        let answer = world.gql(&owner, Some(home), &document, json!({})).await;
        assert!(!answer.data()["viewer"]["id"].is_null());
        assert_eq!(explain.saying("app.viewer()").await.len(), 1, "{document}");
    }
    let histories = "history(first: 100) { totalCount } ".repeat(100);
    let explain = Explain::of(&world);
    let document = format!("{{ properties(first: 100) {{ edges {{ node {{ id {histories} }} }} }} }}");
    let answer = world.gql(&owner, Some(home), &document, json!({})).await;
    assert_eq!(answer.data()["properties"]["edges"][0]["node"]["history"]["totalCount"], 1);
    assert!(explain.statements("event").await.len() <= 2, "a count, and perhaps a page");
    // Copies under conditions of their own are no way around it.
    let variables: String = (0..11).map(|n| format!("$v{n}: Boolean = true ")).collect();
    let copies: String = (0..11).map(|n| format!("viewer @include(if: $v{n}) {{ id }} ")).collect();
    let refused = world.gql(&owner, Some(home), &format!("query ({variables}) {{ {copies} }}"), json!({})).await;
    assert_eq!(refused.gql_code(), "GRAPHQL_VALIDATION_FAILED", "{:#}", refused.body);
}
