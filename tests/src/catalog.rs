//! The database's catalog, asked about every table: a new table is covered, or these tests fail.

use crate::harness::cluster;
use migration::MigratorTrait;
use sqlx::{Executor, PgConnection, Row};

/// Tables that belong to no organization, with a reason each.
const NO_ORGANIZATION: &[(&str, &str)] = &[
    ("principal", "a person is one, wherever they act; reached by definer functions only"),
    ("organization", "its own id is the organization"),
    ("desk_handle", "names of desks, which are given once among all"),
    ("rehearsal", "policies belong to the deployment"),
    ("replica", "processes belong to the deployment"),
    ("denial", "people and tokens belong to the deployment"),
    ("work_due", "work of the database's own, reached by definer functions only"),
    ("engaged_due", "work of the database's own, reached by definer functions only"),
    ("rate_paid", "a count of the deployment's, by a hash"),
    ("seaql_migrations", "the database's own history"),
];

/// Indexes that do not begin with the organization, with a reason each.
const OTHER_INDEXES: &[(&str, &str)] = &[
    ("membership_of_principal", "the definer's viewer() looks across organizations"),
    ("membership_invited_email", "the definer's viewer() looks across organizations"),
    ("work_item_owner_ended", "whoever keeps time looks across desks for grants that ended by their term"),
    ("case_of_desk", "the beginning of a service level looks across owners for the cases of its desk"),
    ("work_item_source", "the database's own triggers look for the items of an owner's row in every queue"),
    ("deadline_unplanned", "the definer of lives looks across organizations"),
    ("deadline_at", "the timer's definer looks across organizations"),
    ("access_grant_grantee", "a grant is seen from its other side as well"),
    ("delegation_of_principal", "the definer's viewer_delegations() looks across organizations"),
    ("membership_by_id", "an invitation is answered by its id alone"),
    ("delegation_offered", "the definer's viewer_delegations() looks across organizations"),
    ("access_grant_starting", "the relay looks for terms across organizations"),
    ("access_grant_ending", "the relay looks for terms across organizations"),
    ("event_resource", "a thing of whoever engages an organization is found by its id alone"),
    ("feed_at", "the relay trims all feeds at once"),
    ("feed_scope_source", "the relay looks for whoever gets the events of an organization that grew"),
    ("operation_unfinished", "the reaper's definer looks across organizations"),
    ("operation_expiring", "retention's definer looks across organizations"),
];

/// Targets of foreign keys without an organization: tables that belong to none, and the organization itself.
const PLAIN_REFERENCES: &[&str] = &["principal", "organization"];

async fn catalog() -> PgConnection {
    let cluster = cluster().await;
    let database = cluster.database().await;
    cluster.connect("postgres", &database).await
}

async fn tables(sql: &mut PgConnection) -> Vec<(String, String, bool, bool)> {
    sqlx::query(
        "SELECT relname::text, coalesce(obj_description(oid, 'pg_class'), ''), relrowsecurity, relforcerowsecurity
         FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname",
    )
    .fetch_all(sql)
    .await
    .expect("tables")
    .iter()
    .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
    .collect()
}

fn belongs_to_none(table: &str) -> bool {
    NO_ORGANIZATION.iter().any(|(name, _)| *name == table)
}

/// Checks every table: its class, indexes, references, and reach. Another test asks it of the tables that it makes.
pub async fn sound(sql: &mut PgConnection) {
    classes_and_walls(sql).await;
    keys_and_references(sql).await;
    the_same_for_both_roles(sql).await;
}

#[tokio::test]
async fn every_table_has_a_class_and_its_wall() {
    classes_and_walls(&mut catalog().await).await;
}

async fn classes_and_walls(sql: &mut PgConnection) {
    let tables = tables(sql).await;
    assert!(tables.len() >= 10);
    for (table, about, enabled, forced) in tables {
        let walled = !matches!(table.as_str(), "rehearsal" | "replica" | "seaql_migrations");
        assert_eq!((enabled, forced), (walled, walled), "{table}: row security enabled and forced");
        let has = required(sql, &table, "organization_id").await;
        assert_eq!(has, !belongs_to_none(&table), "{table}: organization_id NOT NULL, or a reason in the list");
        if table != "seaql_migrations" {
            let class = about.strip_prefix("class: ").unwrap_or_default();
            let known = ["owned", "authority", "actor-owned", "attributed", "about", "identity", "organization", "none"];
            assert!(known.contains(&class), "{table}: a class helper writes its policies, not {about:?}");
            let named = class != "about" || required(sql, &table, "owner_organization_id").await;
            assert!(named, "{table}: rows about an owner's things name the owner");
        }
    }
}

async fn required(sql: &mut PgConnection, table: &str, column: &str) -> bool {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = $1 AND column_name = $2 AND is_nullable = 'NO')",
    )
    .bind(table)
    .bind(column)
    .fetch_one(sql)
    .await
    .expect("a column")
}

#[tokio::test]
async fn keys_and_indexes_begin_with_the_organization() {
    keys_and_references(&mut catalog().await).await;
}

async fn keys_and_references(sql: &mut PgConnection) {
    let indexes = sqlx::query(
        "SELECT t.relname::text, i.relname::text, x.indisunique,
                coalesce((SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = x.indkey[0]), '')
         FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
         WHERE t.relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&mut *sql)
    .await
    .expect("indexes");
    for row in indexes {
        let (table, index, unique, first): (String, String, bool, String) = (row.get(0), row.get(1), row.get(2), row.get(3));
        let excused = belongs_to_none(&table)
            || index.starts_with("event_") && index.ends_with("_resource_id_organization_id_seq_idx")
            || (!unique && OTHER_INDEXES.iter().any(|(name, _)| *name == index));
        assert!(first == "organization_id" || excused, "{table}.{index} begins with {first:?}");
    }
    let references = sqlx::query(
        "SELECT c.conname::text, f.relname::text,
                (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(num, n)
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num)
         FROM pg_constraint c JOIN pg_class f ON f.oid = c.confrelid
         WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace",
    )
    .fetch_all(&mut *sql)
    .await
    .expect("foreign keys");
    for row in references {
        let (name, to, columns): (String, String, Vec<String>) = (row.get(0), row.get(1), row.get(2));
        let plain = PLAIN_REFERENCES.contains(&to.as_str());
        assert!(
            plain || (columns.len() > 1 && columns[0] == "organization_id"),
            "{name} looks through row security: {columns:?} → {to}"
        );
    }
}

#[tokio::test]
async fn a_log_of_before_moves_into_partitions_whole() {
    let cluster = cluster().await;
    let name = "log_of_before";
    let mut superuser = cluster.connect("postgres", "postgres").await;
    superuser.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} OWNER hestami_owner"))).await.expect("a database");
    let owner = migration::sea_orm::Database::connect(cluster.url("hestami_owner", name)).await.expect("a connection");
    let before = migration::names().iter().position(|name| name.ends_with("_live")).expect("the migration");
    migration::Migrator::up(&owner, Some(u32::try_from(before).expect("a few"))).await.expect("as it was");
    let mut sql = cluster.connect("postgres", name).await;
    // The system's principal is there from the first.
    let rows = "
        INSERT INTO organization (id, type, name, created_at, updated_at) VALUES
          ('00000000-0000-7000-8000-0000000000a1', 'TRUST_OR_LLC', 'Home', now(), now()), ('00000000-0000-7000-8000-0000000000a2', 'CONCIERGE_OPERATOR', 'Desk', now(), now());
        INSERT INTO org_head (organization_id, event_seq) VALUES ('00000000-0000-7000-8000-0000000000a1', 4), ('00000000-0000-7000-8000-0000000000a2', 0);
        INSERT INTO access_grant (organization_id, id, grantee_organization_id, kind, scopes, starts_at, granted_by, created_at, updated_at)
        VALUES ('00000000-0000-7000-8000-0000000000a1', '00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000a2', 'ENGAGEMENT', '{read}', now(), '00000000-0000-7000-8000-000000000001', now(), now());
        INSERT INTO event (organization_id, seq, kind, resource_kind, resource_id, version, actor, actor_kind, actor_organization_id, operation_id, change, at)
        SELECT '00000000-0000-7000-8000-0000000000a1', n, 'property.created', 'property', gen_random_uuid(), 1, '00000000-0000-7000-8000-000000000001', 'HUMAN',
               '00000000-0000-7000-8000-0000000000a1', gen_random_uuid(), '{}', make_timestamptz((2024 + n)::int, 6, 1, 0, 0, 0) FROM generate_series(1, 4) n;";
    sql.execute(rows).await.expect("rows of before");
    migration::Migrator::up(&owner, None).await.expect("as it is");
    let places: Vec<(i64, String)> =
        sqlx::query_as("SELECT seq, tableoid::regclass::text FROM event ORDER BY seq").fetch_all(&mut sql).await.expect("rows");
    let expected = [(1, "event_other"), (2, "event_2026"), (3, "event_2027"), (4, "event_2028")];
    assert_eq!(places, expected.map(|(seq, place)| (seq, place.to_owned())));
    // A desk follows its own log from where that stands; the owners that it looks after come into sight with the relay's first
    // round.
    let scopes: Vec<(bool, i64)> = sqlx::query_as("SELECT organization_id = source_organization_id, relayed_seq FROM feed_scope")
        .fetch_all(&mut sql)
        .await
        .expect("rows");
    assert_eq!(scopes, [(true, 0)]);
    let due: i64 = sqlx::query_scalar("SELECT count(*) FROM feed_due").fetch_one(&mut sql).await.expect("a count");
    assert_eq!(due, 1);
    owner.close().await.expect("an end");
}

/// A view that runs as its owner would look through row security.
#[tokio::test]
async fn views_look_with_the_eyes_of_who_asks() {
    let mut sql = catalog().await;
    let views: Vec<(String, bool)> = sqlx::query_as(
        "SELECT relname::text, coalesce('security_invoker=true' = ANY (reloptions), false) FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')",
    )
    .fetch_all(&mut sql)
    .await
    .expect("views");
    assert!(views.len() >= 3);
    for (view, invoker) in views {
        assert!(invoker, "{view}");
    }
}

#[tokio::test]
async fn the_application_owns_nothing_and_updates_by_column() {
    let mut sql = catalog().await;
    let roles = sqlx::query(
        "SELECT rolname::text, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname LIKE 'hestami_%'",
    )
    .fetch_all(&mut sql)
    .await
    .expect("roles");
    for row in &roles {
        let (name, powers, login): (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
        assert!(!powers || name == "hestami_owner", "{name} has powers that it must not have");
        assert_eq!(login, !matches!(name.as_str(), "hestami_definer" | "hestami_across"), "{name}");
    }
    for name in ["hestami_app", "hestami_across", "hestami_workflow", "hestami_relay", "hestami_definer", "hestami_owner"] {
        assert!(roles.iter().any(|row| row.get::<String, _>(0) == name), "{name} is missing");
    }
    let owned: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class WHERE relowner IN (SELECT oid FROM pg_roles WHERE rolname IN ('hestami_app', 'hestami_across', 'hestami_workflow', 'hestami_relay', 'hestami_definer'))
         AND relname <> ALL ($1)",
    )
    .bind(entities::KINDS.iter().filter(|kind| kind.view).map(|kind| kind.name).collect::<Vec<_>>())
    .fetch_one(&mut sql)
    .await
    .expect("a count");
    assert_eq!(owned, 0);
    // The application may UPDATE by column, and never a column that says whose a row is. It may not DELETE or TRUNCATE.
    let wide: Vec<String> = sqlx::query_scalar(
        "SELECT table_name || ' ' || privilege_type FROM information_schema.table_privileges
         WHERE grantee = 'hestami_app' AND table_schema = 'public' AND privilege_type NOT IN ('SELECT', 'INSERT') AND table_name <> 'replica'",
    )
    .fetch_all(&mut sql)
    .await
    .expect("privileges");
    assert_eq!(wide, Vec::<String>::new());
    let moved: Vec<String> = sqlx::query_scalar(
        "SELECT table_name || '.' || column_name FROM information_schema.column_privileges
         WHERE grantee = 'hestami_app' AND table_schema = 'public' AND privilege_type = 'UPDATE' AND table_name <> 'replica'
           AND column_name IN ('organization_id', 'id', 'actor_organization_id', 'owner_organization_id', 'principal_id')",
    )
    .fetch_all(&mut sql)
    .await
    .expect("privileges");
    assert_eq!(moved, Vec::<String>::new());
    // Each role sees its own schema only.
    for (role, schema, usage) in
        [("hestami_app", "dbos", false), ("hestami_workflow", "app", false), ("hestami_workflow", "dbos", true)]
    {
        let may: bool = sqlx::query_scalar("SELECT has_schema_privilege($1, $2, 'USAGE')")
            .bind(role)
            .bind(schema)
            .fetch_one(&mut sql)
            .await
            .expect("a privilege");
        assert_eq!(may, usage, "{role} on {schema}");
    }
    let reads: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.table_privileges WHERE grantee = 'hestami_workflow' AND table_schema = 'public'",
    )
    .fetch_all(&mut sql)
    .await
    .expect("privileges");
    assert_eq!(reads, Vec::<String>::new());
}

#[tokio::test]
async fn definer_functions_are_pinned_and_owned_by_the_role_that_nobody_logs_in_as() {
    let mut sql = catalog().await;
    let functions = sqlx::query(
        "SELECT p.proname::text, r.rolname::text, coalesce(array_to_string(p.proconfig, ','), ''), has_function_privilege('hestami_workflow', p.oid, 'EXECUTE')
         FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.pronamespace = 'app'::regnamespace AND p.prosecdef",
    )
    .fetch_all(&mut sql)
    .await
    .expect("functions");
    assert!(functions.len() > 10);
    for row in functions {
        let (name, owner, settings): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(owner, "hestami_definer", "{name}");
        assert!(settings.contains("search_path=pg_catalog, public, pg_temp"), "{name}: {settings}");
        if !name.starts_with("bump_") {
            assert!(!row.get::<bool, _>(3), "{name} is callable by everyone");
        }
    }
}

#[tokio::test]
async fn the_application_gives_up_what_takes_too_long() {
    let cluster = cluster().await;
    let database = cluster.database().await;
    let mut app = cluster.connect("hestami_app", &database).await;
    for (setting, value) in [
        ("idle_in_transaction_session_timeout", "2s"),
        ("transaction_timeout", "10s"),
        ("lock_timeout", "500ms"),
        ("statement_timeout", "5s"),
    ] {
        let set: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&mut app).await.expect("a setting");
        assert_eq!(set, value, "{setting}");
    }
}

/// The role that reaches across may do the same as the application's own role, in every organization of its scope. The
/// application's own role is not asked for a scope at all.
#[tokio::test]
async fn what_one_organization_allows_is_allowed_across_by_policies_of_its_own() {
    the_same_for_both_roles(&mut catalog().await).await;
}

async fn the_same_for_both_roles(sql: &mut PgConnection) {
    // The policy for one role says the same of the acting organization as the policy for the other says of the scope, and no
    // more.
    let policies: Vec<(String, String, String, String)> = sqlx::query_as(
        r"SELECT tablename || '.' || policyname, array_to_string(roles, ' '), concat_ws(' / ', qual, with_check),
                concat_ws(' / ', permissive, cmd, regexp_replace(concat_ws(' / ', coalesce(qual, '-'), coalesce(with_check, '-')),
                  '= ANY \(\( SELECT app\.in_scope\(''(read|act)''::text\) AS in_scope\)::uuid\[\]\)', '= ( SELECT app.acting() AS acting)', 'g'))
         FROM pg_policies WHERE schemaname = 'public' AND roles && '{hestami_app,hestami_across}' ORDER BY 1",
    )
    .fetch_all(&mut *sql)
    .await
    .expect("policies");
    assert!(policies.len() > 30);
    let is_there = |wanted: &str, shape: &str| policies.iter().any(|(name, _, _, other)| name == wanted && other == shape);
    for (name, roles, says, shape) in &policies {
        match roles.as_str() {
            "hestami_app hestami_across" | "hestami_across hestami_app" => assert!(!says.contains("in_scope"), "{name}: {says}"),
            "hestami_app" => {
                assert!(!says.contains("in_scope"), "{name}: {says}");
                assert!(is_there(&format!("{name}_across"), shape), "{name} is not there for who reaches across: {shape}");
            }
            "hestami_across" => {
                assert!(says.contains("in_scope"), "{name}: {says}");
                let plain = name.strip_suffix("_across").unwrap_or_default();
                assert!(is_there(plain, shape), "{name} is for nobody else: {shape}");
                // Reading takes the leave to read, and changing the leave to act.
                let other = if shape.starts_with("PERMISSIVE / SELECT") { "in_scope('act'" } else { "in_scope('read'" };
                assert!(!says.contains(other), "{name}: {says}");
            }
            other => panic!("{name} is for {other}"),
        }
    }
    let privileges = "
        SELECT 'table ' || c.relname || ' ' || a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.relnamespace = 'public'::regnamespace AND a.grantee = $1::text::regrole
        UNION ALL
        SELECT 'column ' || t.relname || '.' || c.attname || ' ' || a.privilege_type
        FROM pg_attribute c JOIN pg_class t ON t.oid = c.attrelid, aclexplode(c.attacl) a
        WHERE t.relnamespace = 'public'::regnamespace AND a.grantee = $1::text::regrole
        UNION ALL
        SELECT 'function ' || p.oid::regprocedure || ' ' || a.privilege_type FROM pg_proc p, aclexplode(p.proacl) a
        WHERE p.pronamespace = 'app'::regnamespace AND a.grantee = $1::text::regrole
        ORDER BY 1";
    let mut of = [Vec::new(), Vec::new()];
    for (role, privileges_of) in ["hestami_app", "hestami_across"].into_iter().zip(&mut of) {
        let all: Vec<String> = sqlx::query_scalar(privileges).bind(role).fetch_all(&mut *sql).await.expect("privileges");
        assert!(all.len() > 50);
        *privileges_of = all;
    }
    assert_eq!(of[0], of[1]);
    // The application may take the role, and does not inherit it. Otherwise the role's policies would hold as well, and the
    // planner would be told of scopes again.
    let inherits: bool = sqlx::query_scalar("SELECT pg_has_role('hestami_app', 'hestami_across', 'USAGE')")
        .fetch_one(&mut *sql)
        .await
        .expect("a privilege");
    assert!(!inherits);
}
