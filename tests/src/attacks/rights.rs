//! A right that is taken back is gone, whatever rests on it.

use crate::harness::{Person, World, person, until, until_or};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use std::time::Duration;
use uuid::Uuid;

/// The number of delegations that are put below another.
const MANY: usize = 100_000;
const DEEP: usize = 50;

struct Scene {
    world: World,
    olga: Person,
    home: Uuid,
    house: Value,
}

impl Scene {
    async fn new() -> Scene {
        let world = World::new().await;
        let olga = person("olga");
        let home = world.found(&olga, "TRUST_OR_LLC").await;
        let house = world.create_property(&olga, home, "1 First Street").await["id"].clone();
        Scene { world, olga, home, house }
    }

    async fn delegate(&self, by: &Person, to: &Person, parent: Option<&Value>) -> Value {
        let input = json!({ "holderId": self.world.principal(to).await, "propertyIds": [self.house], "actions": ["UPDATE"],
            "mayDelegate": true, "parentId": parent });
        self.world.delegate(by, self.home, input).await["id"].clone()
    }

    /// Copies of a delegation: many that rest on it, or a line of them, each of which rests on the one before. The last one has
    /// this holder. No limit of the API would let so many arise.
    async fn copy(&self, of: &Value, many: usize, line: bool, last: &Value) {
        let of = of.as_str().expect("an id");
        let last = last.as_str().expect("an id");
        let parent = if line { "CASE WHEN n = 1 THEN d.id ELSE app_copy(n - 1) END" } else { "d.id" };
        let above = if line {
            "l.ancestors || d.id || ARRAY(SELECT app_copy(k) FROM generate_series(1, n - 1) k ORDER BY k)"
        } else {
            "l.ancestors || d.id"
        };
        let sql = format!(
            "BEGIN;
             SET LOCAL session_replication_role = replica;
             CREATE FUNCTION app_copy(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT uuid_in(md5('{of}' || n)::cstring) $$;
             CREATE TEMPORARY TABLE copies ON COMMIT DROP AS
               SELECT d.organization_id, app_copy(n) AS id, {parent} AS parent_id, {above} AS ancestors,
                 CASE WHEN n = {many} THEN '{last}'::uuid ELSE gen_random_uuid() END AS holder_id
               FROM delegation d JOIN delegation_line l USING (organization_id, id), generate_series(1, {many}) n WHERE d.id = '{of}';
             INSERT INTO delegation (organization_id, id, holder_id, grantor_id, parent_id, root_id, actions, may_delegate, starts_at, state, created_at, updated_at)
               SELECT organization_id, c.id, c.holder_id, d.holder_id, c.parent_id, root_id, actions, true, starts_at, 'ACTIVE', created_at, updated_at
               FROM copies c JOIN delegation d USING (organization_id) WHERE d.id = '{of}';
             INSERT INTO delegation_line (organization_id, id, ancestors, turns, root_turn)
               SELECT organization_id, id, ancestors, array_fill(0, ARRAY[cardinality(ancestors)]), 0 FROM copies;
             INSERT INTO delegation_item (organization_id, id, delegation_id, property_id)
               SELECT organization_id, id, id, '{}' FROM copies;
             INSERT INTO authority_epoch (organization_id, holder_id, epoch) SELECT organization_id, '{last}', 1 FROM copies LIMIT 1 ON CONFLICT DO NOTHING;
             DROP FUNCTION app_copy;
             COMMIT; ANALYZE delegation; ANALYZE delegation_line; ANALYZE delegation_item;",
            self.house.as_str().expect("an id")
        );
        self.world.sql.acquire().await.expect("a connection").execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("copies");
    }

    async fn version(&self, table: &str, id: &Value) -> i32 {
        let sql = format!("SELECT version FROM {table} WHERE id = '{}'", id.as_str().expect("an id"));
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.world.sql).await.expect("a version")
    }

    /// Whether someone may read and write the house; both or neither.
    async fn acts(&self, who: &Person) -> bool {
        let version = self.version("property", &self.house).await;
        let body = json!({ "id": self.house, "version": version, "notes": format!("seen to by {}, {version}", who.subject) });
        let wrote = self.world.call(who, self.home, "property/v1/update", body).await;
        let read = self.world.rpc(who, Some(self.home), "property/v1/get", json!({ "id": self.house })).await;
        assert_eq!(wrote.status == 200, read.status == 200, "{:#}\n{:#}", wrote.body, read.body);
        wrote.status == 200
    }

    async fn noted(&self) -> i64 {
        self.world.count("SELECT count(*) FROM delegation WHERE state = 'REVOKED'").await
    }

    /// The notes of the ends follow, some at a time.
    async fn settles(&self, beyond: i64) {
        until_or(&format!("more than {beyond} ends"), &mut String::new(), async |noted| {
            self.world.clock.advance(Duration::from_millis(1));
            let ends = self.noted().await;
            *noted = format!("{ends} are noted");
            (ends > beyond).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_delegation_on_which_100_000_rest_is_taken_back_at_once() {
    let scene = Scene::new().await;
    let (world, olga, home) = (&scene.world, &scene.olga, scene.home);
    let (tom, wide, deep) = (person("tom"), person("wide"), person("deep"));
    let root = scene.delegate(olga, &tom, None).await;
    let (last_wide, last_deep) = (world.principal(&wide).await, world.principal(&deep).await);
    let below = scene.delegate(&tom, &person("uma"), Some(&root)).await;
    scene.copy(&root, MANY, false, &last_wide).await;
    scene.copy(&below, DEEP, true, &last_deep).await;
    for who in [&tom, &wide, &deep] {
        assert!(scene.acts(who).await, "{}", who.subject);
    }
    let viewer = world.gql(&deep, None, "{ viewer { delegations { actions } } }", json!({})).await;
    assert_eq!(viewer.data()["viewer"]["delegations"], json!([{ "actions": ["READ", "UPDATE"] }]));

    // Less of the first is less of all.
    let less = json!({ "id": root, "version": 2, "actions": ["READ"] });
    world.call(olga, home, "delegation/v1/narrow", less).await.ok();
    for who in [&tom, &wide, &deep] {
        let body = json!({ "id": scene.house, "version": 1, "notes": "x" });
        world.call(who, home, "property/v1/update", body).await.refused("FORBIDDEN");
        world.rpc(who, Some(home), "property/v1/get", json!({ "id": scene.house })).await.ok();
    }
    let viewer = world.gql(&deep, None, "{ viewer { delegations { actions } } }", json!({})).await;
    assert_eq!(viewer.data()["viewer"]["delegations"], json!([{ "actions": ["READ"] }]));

    // The end of the first is the end of all, and it is told what is still to come.
    let end =
        json!({ "id": root, "version": scene.version("delegation", &root).await, "reason": "Enough", "withWarnings": true });
    let ended = world.call(olga, home, "delegation/v1/revoke", end).await;
    assert_eq!(ended.body["warnings"][0]["code"], "STILL_TO_COME", "{:#}", ended.body);
    for who in [&tom, &wide, &deep] {
        assert!(!scene.acts(who).await, "{}", who.subject);
    }
    let viewer = world.gql(&wide, None, "{ viewer { delegations { actions } } }", json!({})).await;
    assert_eq!(viewer.data()["viewer"]["delegations"], json!([]));
    let shown = "query ($id: ID!) { delegation(id: $id) { state settling } }";
    let shown = world.gql(olga, Some(home), shown, json!({ "id": root })).await;
    assert_eq!(shown.data()["delegation"], json!({ "state": "REVOKED", "settling": true }));
    assert!(scene.noted().await < 1_000, "the ends of all are not noted at once");
    scene.settles(400).await;
    let reasons = "SELECT count(*) FROM delegation WHERE state = 'REVOKED' AND end_reason = 'Enough' AND ended_by IS NOT NULL";
    assert!(world.count(reasons).await > 400);
    let watched = "{ operations(filter: { procedure: \"delegation/v1/settle\" }, first: 5) { nodes { state } } }";
    let watched = world.gql(olga, Some(home), watched, json!({})).await;
    assert!(!watched.data()["operations"]["nodes"].as_array().expect("operations").is_empty());
}

#[tokio::test]
async fn a_member_who_delegated_to_thousands_is_let_go_at_once() {
    let scene = Scene::new().await;
    let (world, olga, home) = (&scene.world, &scene.olga, scene.home);
    let (ines, tom, wide) = (person("ines"), person("tom"), person("wide"));
    let membership = world.join(olga, home, &ines, "CO_OWNER").await["id"].clone();
    let first = scene.delegate(&ines, &tom, None).await;
    // Copies of the first one that rest on nothing but the member.
    scene.copy(&first, 5_000, false, &world.principal(&wide).await).await;
    let rooted = "UPDATE delegation SET parent_id = NULL WHERE parent_id IS NOT NULL; UPDATE delegation_line SET ancestors = '{}', turns = '{}'";
    world.sql.acquire().await.expect("a connection").execute(sqlx::raw_sql(rooted)).await.expect("roots");
    for who in [&ines, &tom, &wide] {
        assert!(scene.acts(who).await, "{}", who.subject);
    }
    let body = json!({ "id": membership, "version": scene.version("membership", &membership).await });
    world.call(olga, home, "membership/v1/revoke", body).await.ok();
    for who in [&ines, &tom, &wide] {
        assert!(!scene.acts(who).await, "{}", who.subject);
    }
    // Nothing comes back with the member, whether its end is noted yet or not.
    world.join(olga, home, &ines, "CO_OWNER").await;
    for who in [&tom, &wide] {
        assert!(!scene.acts(who).await, "{}", who.subject);
    }
    scene.settles(400).await;
    let again = scene.delegate(&ines, &tom, None).await;
    scene.settles(800).await;
    assert!(scene.acts(&tom).await, "what is given anew counts: {again}");
    assert!(!scene.acts(&wide).await);
}

#[tokio::test]
async fn a_chain_is_no_longer_than_may_be_looked_up() {
    let scene = Scene::new().await;
    let mut by = scene.olga.clone();
    let mut parent = None;
    for depth in 0..10 {
        let next = person(&format!("p{depth}"));
        parent = Some(scene.delegate(&by, &next, parent.as_ref()).await);
        by = next;
    }
    let input = json!({ "holderId": scene.world.principal(&person("last")).await, "propertyIds": [scene.house], "actions": ["READ"], "parentId": parent });
    let key = scene.world.key();
    let mut body = input.clone();
    body["idempotencyKey"] = json!(key);
    let refused = scene.world.rpc(&by, Some(scene.home), "delegation/v1/grant", body).await;
    refused.refused("QUOTA_EXCEEDED");
    assert_eq!(refused.body["error"]["details"], json!({ "quota": "delegationsInAChain", "most": 10 }));
}

/// A grant over many properties is given and taken in one short step. The desk's list follows, and shows nothing of it after its end.
#[tokio::test]
async fn a_grant_over_thousands_of_properties_is_taken_back_at_once() {
    const HOUSES: i64 = 12_000;
    let scene = Scene::new().await;
    let (world, olga, home) = (&scene.world, &scene.olga, scene.home);
    let dana = person("dana");
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    let sql = format!(
        "BEGIN;
         SET LOCAL session_replication_role = replica;
         CREATE TEMPORARY TABLE houses ON COMMIT DROP AS SELECT * FROM property WHERE organization_id = '{home}';
         ALTER TABLE houses DROP COLUMN search;
         CREATE TEMPORARY TABLE more ON COMMIT DROP AS SELECT n, h.* FROM houses h, generate_series(1, {HOUSES} - 1) n;
         UPDATE more SET id = uuid_in(md5('house ' || n)::cstring), line1 = n || ' Main Street';
         ALTER TABLE more DROP COLUMN n;
         DO $$ DECLARE columns text; BEGIN
           SELECT string_agg(quote_ident(attname), ', ') INTO columns FROM pg_attribute WHERE attrelid = 'more'::regclass AND attnum > 0 AND NOT attisdropped;
           EXECUTE format('INSERT INTO property (%s) SELECT %s FROM more', columns, columns);
         END $$;
         COMMIT; ANALYZE property;"
    );
    world.sql.acquire().await.expect("a connection").execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("houses");
    // No other desk is here.
    let listed = "SELECT count(*) FROM engaged_property";
    let engaged = "{ engagedProperties(first: 5) { totalCount nodes { id } } }";
    let shown = async || {
        let answer = world.gql(&dana, Some(desk), engaged, json!({})).await;
        answer.data()["engagedProperties"]["totalCount"].as_i64()
    };
    let grant = world.engage(olga, home, desk, "READ").await["id"].clone();
    until("all of them in the list", async || (shown().await == Some(HOUSES)).then_some(())).await;
    let end = json!({ "id": grant, "version": scene.version("access_grant", &grant).await, "reason": "Enough" });
    world.call(olga, home, "accessGrant/v1/revoke", end).await.ok();
    assert_eq!(shown().await, Some(0), "nothing is shown");
    assert!(world.count(listed).await > HOUSES / 2, "the list is cleared after it, not in it");
    until("an empty list", async || (world.count(listed).await == 0).then_some(())).await;
    // Engaged again, the desk sees them as they are by now.
    world.call(olga, home, "property/v1/update", json!({ "id": scene.house, "version": 1, "notes": "By now" })).await.ok();
    world.engage(olga, home, desk, "READ").await;
    until("all of them again", async || (shown().await == Some(HOUSES)).then_some(())).await;
}
