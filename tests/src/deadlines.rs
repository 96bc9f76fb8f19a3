//! Deadlines: triggers keep them, one timer takes them.

use crate::harness::{Options, World, cluster, person, until};
use chrono::{DateTime, Utc};
use migration::MigratorTrait;
use schema::{Clock, Surface};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::time::Duration;
use uuid::Uuid;
use workflows::Supervision;

#[tokio::test]
async fn each_names_a_procedure_of_the_gateway_itself_and_the_states_that_it_moves_from() {
    let cluster = cluster().await;
    let mut sql = cluster.connect("postgres", &cluster.database().await).await;
    let triggers: Vec<(String, Vec<u8>, Vec<String>)> = sqlx::query_as(
        "SELECT t.tgrelid::regclass::text, t.tgargs,
                ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr::int2[]))
         FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.proname = 'keep_deadline'",
    )
    .fetch_all(&mut sql)
    .await
    .expect("triggers");
    let mut called = Vec::new();
    for (table, arguments, columns) in triggers {
        let arguments = String::from_utf8(arguments).expect("names");
        let arguments: Vec<&str> = arguments.split_terminator('\0').collect();
        let [procedure, column, states @ ..] = arguments.as_slice() else { panic!("{table}: {arguments:?}") };
        let entry = resolvers::TABLE.iter().find(|entry| entry.name() == *procedure);
        let entry = entry.unwrap_or_else(|| panic!("{table}: there is no {procedure}"));
        assert_eq!((entry.surface(), entry.is_mutation()), (Surface::Inside, true), "{procedure}");
        let input = entry.round_trip(json!({ "id": Uuid::nil() }));
        assert!(input.is_ok(), "{procedure} takes the id of a row, and no more");
        for column in column.split(' ') {
            assert!(columns.iter().any(|changed| changed == column), "{table}: a new {column} moves its deadline");
        }
        // A column that is empty once nothing is to come needs no states beside it.
        let machine = entities::MACHINES.iter().find(|machine| machine.table == table);
        if let Some(machine) = machine.filter(|_| !states.is_empty()) {
            assert!(columns.iter().any(|changed| changed == "state"), "{table}: a new state takes its deadline away");
            let moves = machine.moves.iter().filter(|step| step.by.contains(procedure));
            let from: Vec<&str> = moves.filter_map(|step| step.from).collect();
            assert_eq!(from, states, "{table}: {procedure}");
        }
        called.push((*procedure).to_owned());
    }
    let lives: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "SELECT t.tgrelid::regclass::text, t.tgargs FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.proname = 'keep_life'",
    )
    .fetch_all(&mut sql)
    .await
    .expect("triggers");
    for (table, arguments) in lives {
        let arguments = String::from_utf8(arguments).expect("names");
        let arguments: Vec<&str> = arguments.split_terminator('\0').collect();
        let [namespace, verb, ..] = arguments.as_slice() else { panic!("{table}: {arguments:?}") };
        let of_life = |life: &&schema::Life| {
            let version = life.workflow.version;
            life.procedure == format!("{namespace}/v{version}/{verb}")
        };
        let known: Vec<_> = resolvers::LIVES.iter().filter(of_life).collect();
        assert!(!known.is_empty(), "{table}: no life calls {namespace}/{verb}");
        called.extend(known.iter().map(|life| life.procedure.to_owned()));
    }
    // The beginning of a service level puts these there.
    called.push("case/v1/replan".to_owned());
    let mut inside: Vec<&str> =
        resolvers::TABLE.iter().filter(|entry| entry.surface() == Surface::Inside).map(schema::Entry::name).collect();
    called.sort_unstable();
    inside.sort_unstable();
    assert_eq!(called, inside, "each has one deadline that calls it");
}

async fn kept(world: &World, id: &Value) -> Option<DateTime<Utc>> {
    let id: Uuid = id.as_str().and_then(|id| id.parse().ok()).expect("an id");
    sqlx::query_scalar("SELECT at FROM deadline WHERE procedure = 'membership/v1/expire' AND id = $1")
        .bind(id)
        .fetch_optional(&world.sql)
        .await
        .expect("a deadline")
}

#[tokio::test]
async fn a_deadline_goes_where_its_row_goes() {
    let world = World::new().await;
    let (owner, ines) = (person("maria"), person("ines"));
    let trust = world.found(&owner, "TRUST_OR_LLC").await;
    assert_eq!(world.count("SELECT count(*) FROM deadline").await, 0, "what has no end has no deadline");
    let [first, second, third] = [1, 2, 3].map(|hours| world.clock.now() + Duration::from_secs(3_600 * hours));
    let invitation = json!({ "email": ines.email, "role": "CO_OWNER", "endsAt": first });
    let invited = world.call(&owner, trust, "membership/v1/invite", invitation).await.ok().clone();
    let id = &invited["id"];
    assert_eq!(kept(&world, id).await, Some(first));
    world.rpc(&ines, None, "membership/v1/accept", json!({ "idempotencyKey": world.key(), "id": id })).await.ok();
    assert_eq!(kept(&world, id).await, Some(first), "accepted or not");
    for (version, ends) in [(2, Some(second)), (3, None), (4, Some(third))] {
        let extension = json!({ "id": id, "version": version, "endsAt": ends });
        world.call(&owner, trust, "membership/v1/extend", extension).await.ok();
        assert_eq!(kept(&world, id).await, ends);
    }
    world.call(&owner, trust, "membership/v1/revoke", json!({ "id": id, "version": 5 })).await.ok();
    assert_eq!(kept(&world, id).await, None);
}

/// The timer needs its one connection to find out what is due; the others may all be somebody else's.
#[tokio::test]
async fn the_timer_holds_one_connection_and_asks_for_no_other() {
    let supervision = Supervision { heartbeat: Duration::from_millis(50), ..Default::default() };
    let world = World::with(Options { supervision, connections: 6, ..Options::default() }).await;
    let (owner, ines) = (person("maria"), person("ines"));
    let trust = world.found(&owner, "TRUST_OR_LLC").await;
    let invitation = json!({ "email": ines.email, "role": "CO_OWNER", "endsAt": world.clock.now() + Duration::from_secs(3_600) });
    world.call(&owner, trust, "membership/v1/invite", invitation).await.ok();
    let mut held = Vec::new();
    while held.len() < 5 {
        held.extend(world.app.gateway.pool.acquire().await.ok());
    }
    world.clock.advance(Duration::from_secs(3_601));
    until("the timer's turn with the last connection", async || {
        (world.count("SELECT count(*) FROM deadline WHERE turns > 0").await == 1).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM membership WHERE state = 'EXPIRED'").await, 0, "it is called in lanes");
    drop(held);
    until("the end that was due", async || {
        (world.count("SELECT count(*) FROM membership WHERE state = 'EXPIRED'").await == 1).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM deadline").await, 0);
}

/// One round's deadlines: the organization and the row of each.
async fn take(app: &mut PgConnection, procedures: &[&str]) -> Vec<(Uuid, Uuid)> {
    let due = entities::deadline::take(app, DateTime::UNIX_EPOCH, procedures, 100).await;
    due.unwrap_or_else(|error| panic!("{:?}", error.cause())).into_iter().map(|due| (due.organization.0, due.id)).collect()
}

#[tokio::test]
async fn nobody_waits_behind_an_organization_with_much_due_or_what_fails() {
    let cluster = cluster().await;
    let database = cluster.database().await;
    let mut sql = cluster.connect("postgres", &database).await;
    let mut app = cluster.connect("hestami_app", &database).await;
    let (many, one) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let rows = format!(
        "INSERT INTO deadline (organization_id, procedure, id, at)
           SELECT '{many}', 'thing/v1/expire', gen_random_uuid(), timestamptz 'epoch' - interval '1 hour' FROM generate_series(1, 150);
         INSERT INTO deadline (organization_id, procedure, id, at) VALUES
           ('{one}', 'thing/v1/expire', '{one}', timestamptz 'epoch'), ('{one}', 'thing/v1/unknown', '{one}', timestamptz 'epoch'),
           ('{one}', 'thing/v1/expire', '{many}', timestamptz 'epoch' + interval '1 microsecond');"
    );
    sql.execute(AssertSqlSafe(rows)).await.expect("deadlines");
    let known = ["thing/v1/expire"];
    let first = take(&mut app, &known).await;
    assert_eq!(first.len(), 100);
    assert!(first.contains(&(one, one)), "the last that came due is not the last that is called");
    let second = take(&mut app, &known).await;
    assert_eq!(second.iter().filter(|due| !first.contains(due)).count(), 51, "those that were not taken come first");
    assert_eq!(second.len(), 100, "and then those that were, for they are due still");
    // A deadline that is being changed is left to the next round, without waiting.
    let mut changing = sql.begin().await.expect("a transaction");
    let hold =
        format!("UPDATE deadline SET turns = 0 WHERE organization_id = '{one}' AND id = '{one}' AND procedure = '{}'", known[0]);
    changing.execute(AssertSqlSafe(hold)).await.expect("a lock");
    assert!(!take(&mut app, &known).await.contains(&(one, one)));
    changing.commit().await.expect("an end");
    assert!(take(&mut app, &known).await.contains(&(one, one)));
    let untouched: i64 =
        sqlx::query_scalar("SELECT count(*) FROM deadline WHERE turns = 0").fetch_one(&mut sql).await.expect("a count");
    assert_eq!(untouched, 2, "the procedure that nobody here knows, and the microsecond that is to come");
    // A deadline that failed before has its turn, however many new ones another organization has.
    let more = format!(
        "INSERT INTO deadline (organization_id, procedure, id, at)
           SELECT '{many}', 'thing/v1/expire', gen_random_uuid(), timestamptz 'epoch' FROM generate_series(1, 200);"
    );
    sql.execute(AssertSqlSafe(more)).await.expect("deadlines");
    let next = take(&mut app, &known).await;
    assert!(next.contains(&(one, one)) && next.len() == 100, "a backlog of another goes first");
    let seen = app.execute("SELECT * FROM deadline").await;
    assert!(seen.is_err(), "whose deadlines there are is nobody's business");
}

#[tokio::test]
async fn terms_of_before_have_their_deadlines() {
    let cluster = cluster().await;
    let name = "terms_of_before";
    let mut superuser = cluster.connect("postgres", "postgres").await;
    superuser.execute(AssertSqlSafe(format!("CREATE DATABASE {name} OWNER hestami_owner"))).await.expect("a database");
    let owner = migration::sea_orm::Database::connect(cluster.url("hestami_owner", name)).await.expect("a connection");
    let before = migration::names().iter().position(|name| name.ends_with("_deadline")).expect("the migration");
    migration::Migrator::up(&owner, Some(u32::try_from(before).expect("a few"))).await.expect("as it was");
    let mut sql = cluster.connect("postgres", name).await;
    let system = entities::principal::SYSTEM;
    let term = "'2026-01-01', '2026-02-01T03:04:05.678901Z'";
    let member = |id: u8, role: &str, state: &str, term: &str| {
        format!(
            "('{0}', '{1}', '{system}', '{role}', '{state}', {term}, '{system}', now(), now())",
            Uuid::nil(),
            Uuid::from_u128(id.into())
        )
    };
    let delegation = |id: u8, state: &str| {
        let id = Uuid::from_u128(id.into());
        format!(
            "('{0}', '{id}', '{system}', '{system}', '{system}', '{{READ}}', false, {term}, '{state}', now(), now())",
            Uuid::nil()
        )
    };
    let rows = format!(
        "INSERT INTO organization (id, type, name, created_at, updated_at) VALUES ('{}', 'TRUST_OR_LLC', 'Home', now(), now());
         INSERT INTO membership (organization_id, id, principal_id, role, state, starts_at, ends_at, invited_by, created_at, updated_at) VALUES {};
         INSERT INTO delegation (organization_id, id, holder_id, grantor_id, root_id, actions, may_delegate, starts_at, ends_at, state, created_at, updated_at) VALUES {};",
        Uuid::nil(),
        [
            member(1, "OWNER", "ACTIVE", "'2026-01-01', NULL"),
            member(2, "TRUSTEE", "ACTIVE", term),
            member(3, "CO_OWNER", "INVITED", term),
            member(4, "CO_OWNER", "EXPIRED", term),
        ]
        .join(", "),
        [delegation(5, "ACTIVE"), delegation(6, "REVOKED")].join(", "),
    );
    sql.execute(AssertSqlSafe(rows)).await.expect("rows of before");
    migration::Migrator::up(&owner, None).await.expect("as it is");
    let kept: Vec<(String, Uuid, DateTime<Utc>)> =
        sqlx::query_as("SELECT procedure, id, at FROM deadline ORDER BY id").fetch_all(&mut sql).await.expect("deadlines");
    let at: DateTime<Utc> = "2026-02-01T03:04:05.678901Z".parse().expect("a time");
    let expected = [("membership/v1/expire", 2), ("membership/v1/expire", 3), ("delegation/v1/expire", 5)];
    assert_eq!(kept, expected.map(|(procedure, id)| (procedure.to_owned(), Uuid::from_u128(id), at)));
    // A row that goes takes its deadline along.
    sql.execute("DELETE FROM membership").await.expect("no members");
    let left: Vec<String> = sqlx::query_scalar("SELECT procedure FROM deadline").fetch_all(&mut sql).await.expect("deadlines");
    assert_eq!(left, ["delegation/v1/expire"]);
    owner.close().await.expect("an end");
}
