//! Mostly a transaction is about one organization. `organization_id = ANY (…)` told the planner nothing of that: beside a
//! statement's own `organization_id = $1` it expected next to no rows, and read a whole organization for each row of a join.

use crate::class;

super::sql_migration!("m20261121_000013_across", [ROLE, &class::across()].concat());

const ROLE: &str = r"
DO $$
BEGIN
  -- Roles belong to the cluster: another database of it may have made them, even just now.
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hestami_across') THEN
    BEGIN
      CREATE ROLE hestami_across NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END IF;
  -- To become, never to be: policies of one must not hold for the other.
  IF NOT pg_has_role('hestami_app', 'hestami_across', 'MEMBER') THEN
    IF current_setting('server_version_num')::int >= 160000 THEN
      EXECUTE 'GRANT hestami_across TO hestami_app WITH INHERIT FALSE, SET TRUE';
    ELSE
      ALTER ROLE hestami_app NOINHERIT;
      GRANT hestami_across TO hestami_app;
    END IF;
  END IF;
END $$;
";
