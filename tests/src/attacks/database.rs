//! What somebody could do who could send statements of their own as the application's role.

use crate::harness::{Options, World, cluster, person};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

/// The code of the failure of these statements, in a transaction of an organization. None: they went through.
async fn tried(sql: &mut PgConnection, organization: Uuid, statements: &str) -> Option<String> {
    let mut tx = sql.begin().await.expect("a transaction");
    let scope = format!("SET LOCAL app.organization_id = '{organization}'; SET LOCAL app.now = '2026-09-21T15:00:00Z'");
    tx.execute(AssertSqlSafe(scope)).await.expect("a scope");
    let done = tx.execute(AssertSqlSafe(statements.to_owned())).await;
    let _ = tx.rollback().await;
    done.err().map(|error| match error {
        sqlx::Error::Database(error) => error.code().unwrap_or_default().into_owned(),
        error => error.to_string(),
    })
}

#[tokio::test]
async fn the_log_takes_no_events_but_those_of_operations_in_their_order() {
    let world = World::new().await;
    let (olga, mallory) = (person("olga"), person("mallory"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let property = world.create_property(&olga, home, "1").await["id"].clone();
    let (olga, mallory) = (world.principal(&olga).await, world.principal(&mallory).await);
    let mut sql = world.cluster.connect("hestami_app", &world.database).await;
    let property = property.as_str().expect("an id");
    let event = |seq: &str, actor: &serde_json::Value, operation: &str, at: &str| {
        format!(
            "INSERT INTO event (organization_id, seq, kind, resource_kind, resource_id, version, actor, actor_kind, actor_organization_id, operation_id, change, at)
             SELECT '{home}', {seq}, 'property.updated', 'property', '{property}', 9, '{}', 'HUMAN', '{home}', {operation}, '{{}}', '{at}'",
            actor.as_str().expect("an id")
        )
    };
    let last = "(SELECT operation_id FROM event WHERE organization_id = app.acting() ORDER BY seq DESC LIMIT 1)";
    let next = "(SELECT event_seq + 1 FROM org_head WHERE organization_id = app.acting())";
    let denied = Some("42501".to_owned());
    for (said, statement) in [
        ("another actor", event(next, &mallory, last, "2026-09-21T15:00:00Z")),
        ("no operation", event(next, &olga, "gen_random_uuid()", "2026-09-21T15:00:00Z")),
        ("a number that is taken, at another time", event("1", &olga, last, "2031-01-01T00:00:00Z")),
        ("a gap", event("999", &olga, last, "2026-09-21T15:00:00Z")),
        ("a log that begins anew", format!("UPDATE org_head SET event_seq = 0 WHERE organization_id = '{home}'")),
        ("the count itself", format!("UPDATE org_head SET written_seq = 0 WHERE organization_id = '{home}'")),
        ("a name", format!("UPDATE event SET actor_name = 'Robert' WHERE organization_id = '{home}'")),
        ("no log", format!("DELETE FROM event WHERE organization_id = '{home}'")),
    ] {
        assert_eq!(tried(&mut sql, home, &statement).await, denied, "{said}");
    }
    assert_eq!(world.count("SELECT count(*) FROM event").await, world.count("SELECT max(seq) FROM event").await);
}

/// Settings that the role could loosen for itself mean nothing to the gateway's connections.
#[tokio::test]
async fn time_outs_are_the_gateways() {
    let cluster = cluster().await;
    let database = cluster.database().await;
    let mut sql = cluster.connect("postgres", &database).await;
    for setting in ["statement_timeout = 0", "lock_timeout = 0", "idle_in_transaction_session_timeout = 0"] {
        let set = format!("ALTER ROLE hestami_app IN DATABASE {database} SET {setting}");
        sql.execute(AssertSqlSafe(set)).await.expect("a setting");
    }
    let world = World::on(cluster, database, Options::default()).await;
    let said: Vec<String> = sqlx::query_scalar(
        "SELECT setting || unit FROM pg_settings WHERE name IN ('idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout') ORDER BY name",
    )
    .fetch_all(&world.app.gateway.pool)
    .await
    .expect("settings");
    assert_eq!(said, ["2000ms", "500ms", "5000ms"]);
}

/// Rights are given and taken by an operation that says so, and that stays as a trace. Nobody writes them beside it.
#[tokio::test]
async fn no_right_is_written_without_an_operation() {
    let world = World::new().await;
    let (olga, tom, mallory, dana) = (person("olga"), person("tom"), person("mallory"), person("dana"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let desk = world.found(&dana, "CONCIERGE_OPERATOR").await;
    let elsewhere = world.found(&mallory, "CONCIERGE_OPERATOR").await;
    let house = world.create_property(&olga, home, "1").await["id"].clone();
    world.join(&olga, home, &tom, "TRUSTEE").await;
    world.engage(&olga, home, desk, "READ").await;
    world
        .delegate(&olga, home, json!({ "holderId": world.principal(&tom).await, "propertyIds": [house], "actions": ["READ"] }))
        .await;
    let (olga, mallory) = (world.principal(&olga).await, world.principal(&mallory).await);
    let [olga, mallory] = [&olga, &mallory].map(|id| id.as_str().expect("an id").to_owned());
    let mut sql = world.cluster.connect("hestami_app", &world.database).await;
    let ended = "(SELECT id FROM operation WHERE organization_id = app.acting() ORDER BY created_at LIMIT 1)";
    let membership = format!(
        "INSERT INTO membership (organization_id, id, principal_id, role, state, starts_at, invited_by, created_at, updated_at)
         VALUES ('{home}', gen_random_uuid(), '{mallory}', 'OWNER', 'ACTIVE', now(), '{olga}', now(), now())"
    );
    let as_operation = |id: &str| format!("SELECT set_config('app.operation_id', '{home} ' || {id}, true); {membership}");
    let denied = Some("42501".to_owned());
    for (said, statement) in [
        ("a member", membership.clone()),
        ("an operation that has ended", as_operation(ended)),
        ("an operation that is not there", as_operation("gen_random_uuid()")),
        ("an operation of another organization", format!("SELECT set_config('app.operation_id', '{elsewhere} ' || gen_random_uuid(), true); {membership}")),
        ("a role", format!("UPDATE membership SET role = 'OWNER' WHERE organization_id = '{home}'")),
        ("an end that is none", format!("UPDATE membership SET ended_at = NULL, state = 'ACTIVE' WHERE organization_id = '{home}'")),
        (
            "a desk",
            format!(
                "INSERT INTO access_grant (organization_id, id, grantee_organization_id, kind, scopes, asked_from, starts_at, accepted_at, granted_by, created_at, updated_at)
                 VALUES ('{home}', gen_random_uuid(), '{elsewhere}', 'ENGAGEMENT', '{{act}}', now(), now(), now(), '{olga}', now(), now())"
            ),
        ),
        ("a grant that goes further", format!("UPDATE access_grant SET scopes = '{{act}}' WHERE organization_id = '{home}'")),
        (
            "a delegation",
            format!(
                "INSERT INTO delegation (organization_id, id, holder_id, grantor_id, root_id, actions, may_delegate, starts_at, state, created_at, updated_at)
                 VALUES ('{home}', gen_random_uuid(), '{mallory}', '{olga}', '{olga}', '{{READ}}', true, now(), 'ACTIVE', now(), now())"
            ),
        ),
        ("a delegation that goes further", format!("UPDATE delegation SET may_delegate = true WHERE organization_id = '{home}'")),
        ("a house of a delegation", "UPDATE delegation_item SET removed_at = NULL".to_owned()),
        (
            "a block",
            format!(
                "INSERT INTO block (organization_id, id, principal_id, blocked_by, of_owner, created_at, updated_at)
                 VALUES ('{home}', gen_random_uuid(), '{olga}', '{mallory}', false, now(), now())"
            ),
        ),
    ] {
        assert_eq!(tried(&mut sql, home, &statement).await, denied, "{said}");
    }
    // Nor by taking a trigger, or row security, away.
    for (said, statement) in [
        ("its trigger", "ALTER TABLE membership DISABLE TRIGGER a_sound"),
        ("all triggers", "SET session_replication_role = replica"),
        ("row security", "ALTER TABLE membership DISABLE ROW LEVEL SECURITY"),
        ("another role", "SET ROLE hestami_definer"),
        ("another session", "SET SESSION AUTHORIZATION postgres"),
    ] {
        assert_eq!(tried(&mut sql, home, statement).await, denied, "{said}");
    }
}

/// Names in a history are those of the moment, and it says as what somebody acted.
#[tokio::test]
async fn a_history_says_who_it_was_then_and_as_what() {
    let world = World::new().await;
    let (olga, lena, dora) = (person("olga"), person("lena"), person("dora"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let desk = world.found(&dora, "CONCIERGE_OPERATOR").await;
    world.join(&dora, desk, &dora, "CONCIERGE_STAFF").await;
    let property = world.create_property(&olga, home, "1").await["id"].clone();
    let body = json!({ "holderId": world.principal(&lena).await, "propertyIds": [property], "actions": ["UPDATE"] });
    world.delegate(&olga, home, body).await;
    let grant = world.engage(&olga, home, desk, "ACT").await["id"].clone();
    let update = |version: i32, notes: &str| json!({ "id": property, "version": version, "notes": notes });
    world.call(&lena, home, "property/v1/update", update(1, "a")).await.ok();
    world.call_through(&dora, desk, &grant, "property/v1/update", update(2, "b")).await.ok();
    // Lena calls herself by another name afterwards.
    let token = lena.signed(|claims| claims["name"] = json!("olga"));
    world.principal(&crate::harness::Person { token, ..lena }).await;
    let query =
        format!("{{ property(id: {property}) {{ history {{ nodes {{ actorName actedAs actor {{ displayName }} }} }} }} }}");
    let history = world.gql(&olga, Some(home), &query, json!({})).await;
    assert_eq!(
        history.data()["property"]["history"]["nodes"],
        json!([
            { "actorName": "dora", "actedAs": "DESK", "actor": { "displayName": "dora" } },
            { "actorName": "lena", "actedAs": "DELEGATE", "actor": { "displayName": "olga" } },
            { "actorName": "olga", "actedAs": "MEMBER", "actor": { "displayName": "olga" } },
        ])
    );
}
