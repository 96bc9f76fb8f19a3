//! The migration helpers, each on a table of its own, with two organizations, a grant and the definer role. Everything else
//! stands on them.

use crate::harness::cluster;
use migration::class::{self, Writes};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use uuid::Uuid;

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);
/// Another owner, and another desk.
const C: Uuid = Uuid::from_u128(0xc);
const D: Uuid = Uuid::from_u128(0xd);
const WRITES: Writes = Writes { insert: true, update: &["note"] };

struct Probe {
    owner: PgConnection,
    app: PgConnection,
    /// The connection of the superuser, who sees everything.
    superuser: PgConnection,
}

impl Probe {
    /// Tables of each class with a row of A and one of B.
    async fn new() -> Probe {
        let cluster = cluster().await;
        let database = cluster.database().await;
        let mut owner = cluster.connect("hestami_owner", &database).await;
        for (table, policies) in [
            ("owned_probe", class::owned("owned_probe", &WRITES)),
            ("authority_probe", class::authority("authority_probe", &WRITES)),
            ("actor_probe", class::actor_owned("actor_probe", &WRITES)),
            ("attributed_probe", class::attributed("attributed_probe")),
            ("identity_probe", class::identity("identity_probe") + &class::definer("identity_probe", "SELECT")),
        ] {
            let sql = format!(
                "CREATE TABLE {table} (organization_id uuid NOT NULL, id int NOT NULL, actor_organization_id uuid, note text,
                                       PRIMARY KEY (organization_id, id));
                 {policies}
                 INSERT INTO {table} VALUES ('{A}', 1, '{A}', 'a'), ('{B}', 1, '{B}', 'b');"
            );
            owner.execute(AssertSqlSafe(sql)).await.expect("a table");
        }
        let about = format!(
            "CREATE TABLE about_probe (organization_id uuid NOT NULL, id int NOT NULL, owner_organization_id uuid NOT NULL,
                                       thing_id int NOT NULL, note text, PRIMARY KEY (organization_id, id));
             {}
             INSERT INTO owned_probe VALUES ('{C}', 1), ('{C}', 2);",
            class::about("about_probe", ("owned_probe", "thing_id"), &WRITES)
        );
        owner.execute(AssertSqlSafe(about)).await.expect("a table about another's rows");
        let count = "CREATE FUNCTION app.count_probe() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
                     AS $$ SELECT count(*) FROM identity_probe $$;".to_owned() + &class::definer_function("app.count_probe()");
        owner.execute(AssertSqlSafe(count)).await.expect("a function");
        owner.execute(AssertSqlSafe(class::across())).await.expect("the same for who reaches across");
        let app = cluster.connect("hestami_app", &database).await;
        Probe { owner, app, superuser: cluster.connect("postgres", &database).await }
    }

    /// Makes a grant of A to B.
    async fn grant(&mut self, scopes: &str, from: &str, to: &str, revoked: bool) {
        self.grant_of((A, B), scopes, from, to, revoked).await;
    }

    async fn grant_of(&mut self, (home, desk): (Uuid, Uuid), scopes: &str, from: &str, to: &str, revoked: bool) {
        let sql = format!(
            "INSERT INTO access_grant (organization_id, id, grantee_organization_id, kind, scopes, asked_from, starts_at, accepted_at, ends_at, revoked_at, granted_by, created_at, updated_at)
             VALUES ('{home}', gen_random_uuid(), '{desk}', 'ENGAGEMENT', '{{{scopes}}}', now() + interval '{from}', now() + interval '{from}', now(), now() + interval '{to}', {}, '{home}', now(), now())",
            if revoked { "now()" } else { "NULL" }
        );
        self.owner.execute(AssertSqlSafe(sql)).await.expect("a grant");
    }

    async fn forget_grants(&mut self) {
        // The owner's policy reaches every row; the application could not.
        self.owner.execute("DELETE FROM access_grant").await.expect("no grants");
    }

    /// Runs one statement as the application, acting for `acting` and reaching `across`.
    async fn as_app(&mut self, acting: Option<Uuid>, across: &[Uuid], sql: &str) -> Result<u64, sqlx::Error> {
        self.run(acting, across, sql, "ROLLBACK").await
    }

    /// Runs a statement like `as_app`, and commits.
    async fn done(&mut self, acting: Uuid, across: &[Uuid], sql: &str) -> u64 {
        self.run(Some(acting), across, sql, "COMMIT").await.expect("it is allowed")
    }

    async fn run(&mut self, acting: Option<Uuid>, across: &[Uuid], sql: &str, end: &'static str) -> Result<u64, sqlx::Error> {
        let mut begin = "BEGIN;".to_owned();
        if let Some(acting) = acting {
            begin += &format!("SET LOCAL app.organization_id = '{acting}';");
        }
        if !across.is_empty() {
            let all: Vec<String> = across.iter().map(Uuid::to_string).collect();
            begin += &format!("SET LOCAL app.scope = '{{{}}}'; SET LOCAL ROLE hestami_across;", all.join(","));
        }
        self.app.execute(AssertSqlSafe(begin)).await.expect("a transaction");
        let done = self.app.execute(AssertSqlSafe(sql.to_owned())).await;
        self.app.execute(end).await.expect("an end");
        done.map(|done| done.rows_affected())
    }
}

#[track_caller]
fn walled(result: Result<u64, sqlx::Error>) {
    let error = result.expect_err("row security refuses");
    assert_eq!(error.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"), "{error}");
}

#[tokio::test]
async fn owned_rows_are_seen_and_written_in_their_own_scope() {
    let mut probe = Probe::new().await;
    let all = "SELECT * FROM owned_probe";
    assert_eq!(probe.as_app(None, &[], all).await.expect("rows"), 0, "no acting organization, no rows");
    assert_eq!(probe.as_app(Some(A), &[], all).await.expect("rows"), 1);
    assert_eq!(probe.as_app(Some(B), &[A, B], all).await.expect("rows"), 1, "a scope without a grant adds nothing");
    assert_eq!(probe.as_app(Some(B), &[], "UPDATE owned_probe SET note = 'x'").await.expect("update"), 1);
    walled(probe.as_app(Some(B), &[], &format!("INSERT INTO owned_probe VALUES ('{A}', 2)")).await);
    walled(probe.as_app(None, &[], &format!("INSERT INTO owned_probe VALUES ('{A}', 2)")).await);
    walled(probe.as_app(Some(B), &[], &format!("UPDATE owned_probe SET organization_id = '{B}'")).await);
    walled(probe.as_app(Some(B), &[], "DELETE FROM owned_probe").await);
    walled(probe.as_app(Some(B), &[], "TRUNCATE owned_probe").await);
}

#[tokio::test]
async fn a_grant_reaches_as_far_as_it_says() {
    let mut probe = Probe::new().await;
    let (read, write) =
        ("SELECT * FROM owned_probe".to_owned(), format!("INSERT INTO owned_probe VALUES ('{A}', 2) RETURNING note"));
    let change = format!("UPDATE owned_probe SET note = 'x' WHERE organization_id = '{A}'");

    probe.grant("read", "-1 hour", "1 hour", false).await;
    assert_eq!(probe.as_app(Some(B), &[A, B], &read).await.expect("rows"), 2);
    assert_eq!(probe.as_app(Some(B), &[], &read).await.expect("rows"), 1, "only a transaction that reaches across sees it");
    assert_eq!(probe.as_app(Some(A), &[A, B], &read).await.expect("rows"), 1, "a grant works one way");
    walled(probe.as_app(Some(B), &[A], &write).await);
    assert_eq!(probe.as_app(Some(B), &[A], &change).await.expect("update"), 0);

    probe.forget_grants().await;
    probe.grant("act", "-1 hour", "1 hour", false).await;
    assert_eq!(probe.as_app(Some(B), &[A, B], &read).await.expect("rows"), 2, "who may act may read");
    assert_eq!(probe.as_app(Some(B), &[A], &write).await.expect("insert returning"), 1);
    assert_eq!(probe.as_app(Some(B), &[A], &change).await.expect("update"), 1);

    for (from, to, revoked) in [("-2 hours", "-1 hour", false), ("1 hour", "2 hours", false), ("-1 hour", "1 hour", true)] {
        probe.forget_grants().await;
        probe.grant("act", from, to, revoked).await;
        assert_eq!(probe.as_app(Some(B), &[A, B], &read).await.expect("rows"), 1, "{from} to {to}, revoked {revoked}");
        walled(probe.as_app(Some(B), &[A], &write).await);
    }
    // The gateway's own clock decides, where it is set.
    probe.forget_grants().await;
    probe.grant("read", "-1 hour", "1 hour", false).await;
    let later =
        "SELECT set_config('app.now', (now() + interval '2 hours')::text, true), count(*) FROM (SELECT app.in_scope('read')) s";
    probe.as_app(Some(B), &[A, B], later).await.expect("a clock");
}

#[tokio::test]
async fn rights_are_given_by_their_own_organization_only() {
    let mut probe = Probe::new().await;
    probe.grant("act", "-1 hour", "1 hour", false).await;
    assert_eq!(probe.as_app(Some(B), &[A, B], "SELECT * FROM authority_probe").await.expect("rows"), 2);
    walled(probe.as_app(Some(B), &[A, B], &format!("INSERT INTO authority_probe VALUES ('{A}', 2)")).await);
    let change = format!("UPDATE authority_probe SET note = 'x' WHERE organization_id = '{A}'");
    assert_eq!(probe.as_app(Some(B), &[A, B], &change).await.expect("update"), 0);
    assert_eq!(probe.as_app(Some(A), &[], &change).await.expect("update"), 1);
}

#[tokio::test]
async fn actor_owned_rows_stay_with_the_acting_organization_whatever_the_grant() {
    let mut probe = Probe::new().await;
    probe.grant("act", "-1 hour", "1 hour", false).await;
    assert_eq!(probe.as_app(Some(B), &[A, B], "SELECT * FROM actor_probe").await.expect("rows"), 1);
    assert_eq!(probe.as_app(Some(B), &[A, B], "UPDATE actor_probe SET note = 'x'").await.expect("update"), 1);
    assert_eq!(probe.as_app(None, &[], "SELECT * FROM actor_probe").await.expect("rows"), 0);
    walled(probe.as_app(Some(B), &[A, B], &format!("INSERT INTO actor_probe VALUES ('{A}', 2)")).await);
}

#[tokio::test]
async fn attributed_rows_name_the_acting_organization_and_are_only_added_to() {
    let mut probe = Probe::new().await;
    probe.grant("act", "-1 hour", "1 hour", false).await;
    let by = |actor: Uuid| format!("INSERT INTO attributed_probe VALUES ('{A}', 2, '{actor}')");
    assert_eq!(probe.as_app(Some(B), &[A], &by(B)).await.expect("insert"), 1);
    walled(probe.as_app(Some(B), &[A], &by(A)).await);
    walled(probe.as_app(Some(B), &[], &by(B)).await);
    walled(probe.as_app(Some(B), &[A], "UPDATE attributed_probe SET note = 'x'").await);
}

#[tokio::test]
async fn identity_rows_are_reached_by_definer_functions_only() {
    let mut probe = Probe::new().await;
    walled(probe.as_app(Some(A), &[], "SELECT * FROM identity_probe").await);
    probe.as_app(Some(A), &[], "SELECT app.count_probe()").await.expect("the definer's route");
    walled(probe.as_app(Some(A), &[], "SET ROLE hestami_definer").await);
}

#[tokio::test]
async fn what_a_desk_keeps_about_an_owners_thing_is_the_desks_alone_and_written_while_it_is_let_in() {
    let mut probe = Probe::new().await;
    let (all, change) = ("SELECT * FROM about_probe", "UPDATE about_probe SET note = 'x'");
    let note = |desk: Uuid, id: i32, owner: Uuid, thing: i32| {
        format!("INSERT INTO about_probe VALUES ('{desk}', {id}, '{owner}', {thing}, 'n')")
    };
    // A has let B in to see, C has let B and D in to act: an owner of two desks, and a desk of two owners.
    walled(probe.as_app(Some(B), &[A], &note(B, 1, A, 1)).await);
    probe.grant("read", "-1 hour", "1 hour", false).await;
    for desk in [B, D] {
        probe.grant_of((C, desk), "act", "-1 hour", "1 hour", false).await;
    }
    for (desk, id, owner) in [(B, 1, A), (B, 2, C), (D, 1, C)] {
        assert_eq!(probe.done(desk, &[owner], &note(desk, id, owner, 1)).await, 1, "{desk} about {owner}");
    }
    let seen = async |probe: &mut Probe| {
        let mut seen = Vec::new();
        for who in [A, B, C, D] {
            // Rows of others are never in sight, whatever the scope reaches.
            let own = probe.as_app(Some(who), &[], all).await.expect("rows");
            assert_eq!(probe.as_app(Some(who), &[A, B, C, D], all).await.expect("rows"), own, "{who}");
            seen.push(own);
        }
        seen
    };
    assert_eq!(seen(&mut probe).await, [0, 2, 0, 1]);
    assert_eq!(probe.as_app(None, &[], all).await.expect("rows"), 0);

    // A row is written only about a thing in sight: of that owner, within reach, and not one's own; and only as oneself.
    for (who, across, sql) in [
        (B, vec![A], note(B, 3, A, 2)),
        (B, vec![C], note(B, 3, A, 1)),
        (B, vec![], note(B, 3, A, 1)),
        (D, vec![A], note(D, 3, A, 1)),
        (B, vec![], note(B, 3, B, 1)),
        (B, vec![A], note(B, 3, B, 1)),
        (A, vec![], note(A, 3, A, 1)),
        (A, vec![B], note(B, 3, A, 1)),
        (D, vec![C], note(B, 3, C, 1)),
    ] {
        walled(probe.as_app(Some(who), &across, &sql).await);
    }
    assert_eq!(probe.as_app(Some(B), &[A, C], change).await.expect("update"), 2);
    assert_eq!(probe.as_app(Some(B), &[C], change).await.expect("update"), 1);
    assert_eq!(probe.as_app(Some(B), &[], change).await.expect("update"), 0, "nothing is in sight without its owner");
    for owner in [A, C] {
        assert_eq!(probe.as_app(Some(owner), &[B, D], change).await.expect("update"), 0);
    }
    for fixed in ["organization_id", "owner_organization_id"] {
        walled(probe.as_app(Some(B), &[A, C], &format!("UPDATE about_probe SET {fixed} = '{D}'")).await);
    }
    walled(probe.as_app(Some(B), &[A, C], "UPDATE about_probe SET thing_id = 2").await);
    walled(probe.as_app(Some(B), &[A, C], "DELETE FROM about_probe").await);

    // C parts with B, and not with D: B still reads its rows about C, and can no longer write them.
    let revoke =
        format!("UPDATE access_grant SET revoked_at = now() WHERE organization_id = '{C}' AND grantee_organization_id = '{B}'");
    probe.owner.execute(AssertSqlSafe(revoke)).await.expect("an end");
    assert_eq!(seen(&mut probe).await, [0, 2, 0, 1]);
    walled(probe.as_app(Some(B), &[C], &note(B, 3, C, 1)).await);
    assert_eq!(probe.as_app(Some(B), &[A, C], change).await.expect("update"), 1, "what is about A");
    assert_eq!(probe.as_app(Some(D), &[C], change).await.expect("update"), 1);
    // A term that is over, or has not begun, lets nobody in; another grant of the same owner does.
    for (from, to, may) in [("-2 hours", "-1 hour", false), ("1 hour", "2 hours", false), ("-1 hour", "1 hour", true)] {
        probe.grant_of((C, B), "act", from, to, false).await;
        let written = probe.as_app(Some(B), &[C], &note(B, 3, C, 1)).await;
        if may { assert_eq!(written.expect("an insert"), 1) } else { walled(written) }
    }
}

#[tokio::test]
async fn what_the_helpers_make_is_as_the_catalog_must_be() {
    let mut probe = Probe::new().await;
    crate::catalog::sound(&mut probe.superuser).await;
}
