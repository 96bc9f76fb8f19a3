//! Row security by table class. The application's role reads and writes through these policies only. The migrator has a policy of
//! its own, because under FORCE its backfills would silently touch nothing. The role `hestami_definer`, which nobody can log in
//! as, owns the definer functions.
//!
//! A transaction of one organization runs as `hestami_app`, whose policies name that organization and no more: the planner takes
//! the equality for the statement's own, and joins by it. A transaction that reaches across takes the role `hestami_across`,
//! whose policies name every organization in scope. A migration that makes tables ends with [`across`].

/// The writes that the application may make.
pub struct Writes<'a> {
    pub insert: bool,
    /// The columns that may change: never the organization, never the id.
    pub update: &'a [&'a str],
}

fn secured(table: &str, class: &str) -> String {
    format!(
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
         ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
         REVOKE ALL ON {table} FROM PUBLIC;
         COMMENT ON TABLE {table} IS 'class: {class}';
         CREATE POLICY {table}_migrator ON {table} TO CURRENT_USER USING (true) WITH CHECK (true);\n"
    )
}

fn grants(table: &str, writes: &Writes) -> String {
    let mut sql = format!("GRANT SELECT ON {table} TO hestami_app;\n");
    if writes.insert {
        sql.push_str(&format!("GRANT INSERT ON {table} TO hestami_app;\n"));
    }
    if !writes.update.is_empty() {
        sql.push_str(&format!("GRANT UPDATE ({}) ON {table} TO hestami_app;\n", writes.update.join(", ")));
    }
    sql
}

fn in_scope(column: &str, need: &str) -> String {
    // A function inside a sub-select is evaluated once a statement, and an index still serves the comparison.
    format!("{column} = ANY ((SELECT app.in_scope('{need}'))::uuid[])")
}

/// Rows of one organization, seen and changed in its scope.
pub fn owned(table: &str, writes: &Writes) -> String {
    keyed(table, "organization_id", "owned", writes)
}

/// An organization's own row: like [`owned`], with the organization in another column.
pub fn keyed(table: &str, column: &str, class: &str, writes: &Writes) -> String {
    let (read, act) = (in_scope(column, "read"), in_scope(column, "act"));
    let mut sql = secured(table, class) + &grants(table, writes);
    sql.push_str(&format!("CREATE POLICY {table}_read ON {table} FOR SELECT TO hestami_app USING ({read});\n"));
    if writes.insert {
        sql.push_str(&format!("CREATE POLICY {table}_insert ON {table} FOR INSERT TO hestami_app WITH CHECK ({act});\n"));
    }
    if !writes.update.is_empty() {
        sql.push_str(&format!(
            "CREATE POLICY {table}_update ON {table} FOR UPDATE TO hestami_app USING ({act}) WITH CHECK ({act});\n"
        ));
    }
    sql
}

/// Rows that say who may do what: seen in scope, written for the acting organization only. A grant that lets others act never
/// lets them give rights away.
pub fn authority(table: &str, writes: &Writes) -> String {
    let (read, own) = (in_scope("organization_id", "read"), "organization_id = (SELECT app.acting())");
    secured(table, "authority")
        + &grants(table, writes)
        + &format!(
            "CREATE POLICY {table}_read ON {table} FOR SELECT TO hestami_app USING ({read});
             CREATE POLICY {table}_insert ON {table} FOR INSERT TO hestami_app WITH CHECK ({own});
             CREATE POLICY {table}_update ON {table} FOR UPDATE TO hestami_app USING ({own}) WITH CHECK ({own});\n"
        )
}

/// Rows of the acting organization alone, whatever the scope reaches.
pub fn actor_owned(table: &str, writes: &Writes) -> String {
    let own = "organization_id = (SELECT app.acting())";
    secured(table, "actor-owned")
        + &grants(table, writes)
        + &format!("CREATE POLICY {table}_own ON {table} TO hestami_app USING ({own}) WITH CHECK ({own});\n")
}

/// Rows of the owner's organization that say who acted, which must be the acting organization. Rows are only added.
pub fn attributed(table: &str) -> String {
    let (read, act) = (in_scope("organization_id", "read"), in_scope("organization_id", "act"));
    secured(table, "attributed")
        + &grants(table, &Writes { insert: true, update: &[] })
        + &format!(
            "CREATE POLICY {table}_read ON {table} FOR SELECT TO hestami_app USING ({read});
             CREATE POLICY {table}_insert ON {table} FOR INSERT TO hestami_app
               WITH CHECK ({act} AND actor_organization_id = (SELECT app.acting()));\n"
        )
}

/// Rows that an organization owns about things of others, who never see them. Each names its thing in `owner_organization_id` and
/// in a column of the id; `things` is the others' table with that column. Their own organization reads the rows always, and
/// writes them while it sees the thing. Sight takes a grant of the owner that counts, and a scope that reaches the owner.
pub fn about(table: &str, (things, id): (&str, &str), writes: &Writes) -> String {
    let own = "organization_id = (SELECT app.acting())";
    let write = format!(
        "{own} AND owner_organization_id <> organization_id AND EXISTS (
           SELECT FROM {things} thing WHERE thing.organization_id = {table}.owner_organization_id AND thing.id = {table}.{id})"
    );
    secured(table, "about")
        + &grants(table, writes)
        + &format!(
            "CREATE POLICY {table}_read ON {table} FOR SELECT TO hestami_app USING ({own});
             CREATE POLICY {table}_insert ON {table} FOR INSERT TO hestami_app WITH CHECK ({write});
             CREATE POLICY {table}_update ON {table} FOR UPDATE TO hestami_app USING ({write}) WITH CHECK ({write});\n"
        )
}

/// Rows that are reached through definer functions only.
pub fn identity(table: &str) -> String {
    secured(table, "identity")
}

/// Lets the definer functions work on a table.
pub fn definer(table: &str, privileges: &str) -> String {
    format!(
        "GRANT {privileges} ON {table} TO hestami_definer;
         CREATE POLICY {table}_definer ON {table} TO hestami_definer USING (true) WITH CHECK (true);\n"
    )
}

/// Whether a grant, by this name, lets its desk act at some time.
pub fn lets_act(grant: &str) -> String {
    format!("'act' = ANY ({grant}.scopes) AND {grant}.accepted_at IS NOT NULL AND {grant}.revoked_at IS NULL")
}

/// Whether a grant `g` lets its desk act at a time.
pub fn acts(at: &str) -> String {
    format!("{} AND g.starts_at <= {at} AND (g.ends_at IS NULL OR g.ends_at > {at})", lets_act("g"))
}

/// Hands a function to the definer role and lets the application call it.
pub fn definer_function(signature: &str) -> String {
    format!(
        "ALTER FUNCTION {signature} OWNER TO hestami_definer;
         REVOKE ALL ON FUNCTION {signature} FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION {signature} TO hestami_app;\n"
    )
}

/// A partition is reached through its table only.
pub fn partition(name: &str, class: &str) -> String {
    format!(
        "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;
         ALTER TABLE {name} FORCE ROW LEVEL SECURITY;
         REVOKE ALL ON {name} FROM PUBLIC;
         COMMENT ON TABLE {name} IS 'class: {class}';\n"
    )
}

/// Lets the relay, which serves every organization, work on a table.
pub fn relayed(table: &str, privileges: &str) -> String {
    format!(
        "GRANT {privileges} ON {table} TO hestami_relay;
         CREATE POLICY {table}_relay ON {table} TO hestami_relay USING (true) WITH CHECK (true);\n"
    )
}

/// A deadline for each row, at the time in a column, as long as the row is in one of these states (in any, if none is given).
/// Makes the trigger that keeps the deadlines, and the deadlines of the rows that are there. The table needs `organization_id`
/// and `id`.
pub fn deadline(table: &str, procedure: &str, column: &str, states: &[&str]) -> String {
    let quoted: Vec<String> = states.iter().map(|state| format!("'{state}'")).collect();
    let (changed, arguments, awaited) = match quoted.join(", ") {
        all if all.is_empty() => (column.to_owned(), String::new(), String::new()),
        all => (format!("{column}, state"), format!(", {all}"), format!(" AND state IN ({all})")),
    };
    format!(
        "CREATE TRIGGER {table}_{column}_deadline AFTER INSERT OR DELETE OR UPDATE OF {changed} ON {table}
           FOR EACH ROW EXECUTE FUNCTION app.keep_deadline('{procedure}', '{column}'{arguments});
         INSERT INTO deadline (organization_id, procedure, id, at)
           SELECT organization_id, '{procedure}', id, {column} FROM {table} WHERE {column} IS NOT NULL{awaited};\n"
    )
}

/// Gives every policy and privilege of `hestami_app` to `hestami_across` as well, and narrows the policies of `hestami_app` from
/// the scope to the acting organization. A policy that was given before is left alone.
pub fn across() -> String {
    r"
DO $$
DECLARE
  it record;
  scope constant text := '= ANY \(\( SELECT app\.in_scope\(''(read|act)''::text\) AS in_scope\)::uuid\[\]\)';
  said text;
BEGIN
  GRANT USAGE ON SCHEMA public, app TO hestami_across;
  FOR it IN
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END || c.oid::regclass AS named, a.privilege_type AS privilege
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relnamespace = 'public'::regnamespace AND a.grantee = 'hestami_app'::regrole
    UNION ALL
    SELECT format('%s', c.attrelid::regclass), format('%s (%I)', a.privilege_type, c.attname)
    FROM pg_attribute c JOIN pg_class t ON t.oid = c.attrelid, aclexplode(c.attacl) a
    WHERE t.relnamespace = 'public'::regnamespace AND a.grantee = 'hestami_app'::regrole
    UNION ALL
    SELECT 'FUNCTION ' || p.oid::regprocedure, a.privilege_type
    FROM pg_proc p, aclexplode(p.proacl) a
    WHERE p.pronamespace = 'app'::regnamespace AND a.grantee = 'hestami_app'::regrole
  LOOP
    EXECUTE format('GRANT %s ON %s TO hestami_across', it.privilege, it.named);
  END LOOP;
  FOR it IN
    SELECT polname AS name, polrelid::regclass AS of,
      CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END AS what,
      polpermissive AS permissive, pg_get_expr(polqual, polrelid) AS seen, pg_get_expr(polwithcheck, polrelid) AS written
    FROM pg_policy WHERE polroles = ARRAY['hestami_app'::regrole::oid]
      AND NOT EXISTS (SELECT FROM pg_policy other WHERE other.polrelid = pg_policy.polrelid AND other.polname = pg_policy.polname || '_across')
  LOOP
    said := coalesce(it.seen, '') || coalesce(it.written, '');
    IF NOT it.permissive OR regexp_replace(said, scope, '', 'g') ~ 'in_scope' THEN
      RAISE EXCEPTION 'the policy % of % is not one that could be given to both', it.name, it.of;
    END IF;
    IF said !~ 'in_scope' THEN
      EXECUTE format('ALTER POLICY %I ON %s TO hestami_app, hestami_across', it.name, it.of);
    ELSE
      EXECUTE format('CREATE POLICY %I ON %s FOR %s TO hestami_across', it.name || '_across', it.of, it.what)
        || coalesce(' USING (' || it.seen || ')', '') || coalesce(' WITH CHECK (' || it.written || ')', '');
      EXECUTE format('ALTER POLICY %I ON %s', it.name, it.of)
        || coalesce(' USING (' || regexp_replace(it.seen, scope, '= ( SELECT app.acting())', 'g') || ')', '')
        || coalesce(' WITH CHECK (' || regexp_replace(it.written, scope, '= ( SELECT app.acting())', 'g') || ')', '');
    END IF;
  END LOOP;
END $$;
"
    .to_owned()
}

/// Rows of one organization, of which every column may change but the key, the time of making and these.
pub fn owned_but(table: &str, fixed: &[&str]) -> String {
    let fixed: Vec<String> =
        ["organization_id", "id", "created_at"].iter().chain(fixed).map(|column| format!("'{column}'")).collect();
    let grant = format!(
        "DO $$ BEGIN EXECUTE (
           SELECT 'GRANT UPDATE (' || string_agg(quote_ident(attname), ', ') || ') ON {table} TO hestami_app' FROM pg_attribute
           WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN ({})
         ); END $$;\n",
        fixed.join(", ")
    );
    // Any updatable column brings the policy for updates along.
    owned(table, &Writes { insert: true, update: &["updated_at"] }) + &grant
}

/// Gives each new row of a table the next number of its organization, in the column `number`. Several tables may count together.
pub fn numbered(table: &str, counter: &str) -> String {
    format!("CREATE TRIGGER {table}_number BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION app.number_it('{counter}');\n")
}

/// Keeps the column `priority_rank` of a table, by which its rows stand in the order of their urgency; and with a column of the time
/// that something is due, `due_sort`, in which a row that is not due stands last.
pub fn ranked(table: &str, due: Option<&str>) -> String {
    let (argument, changed) = due.map(|due| (format!("'{due}'"), format!(", {due}"))).unwrap_or_default();
    format!(
        "CREATE TRIGGER {table}_rank BEFORE INSERT OR UPDATE OF priority{changed} ON {table}
           FOR EACH ROW EXECUTE FUNCTION app.rank_it({argument});\n"
    )
}

/// A life for each row: a deadline at the time in a column, for which a long-lived workflow waits. The procedure is that of the version
/// with which the row began. The row's `traceparent`, if it has one, is the trace of all that is done then.
pub fn life(table: &str, namespace: &str, verb: &str, column: &str, version: &str) -> String {
    format!(
        "CREATE TRIGGER {table}_life AFTER INSERT OR UPDATE OF {column} ON {table}
           FOR EACH ROW EXECUTE FUNCTION app.keep_life('{namespace}', '{verb}', '{column}', '{version}');
         INSERT INTO deadline (organization_id, procedure, id, at)
           SELECT organization_id, format('{namespace}/v%s/{verb}', {version}), id, {column} FROM {table} WHERE {column} IS NOT NULL;\n"
    )
}
