//! Roles, the scope of a transaction, and the grants that let it reach across organizations.

use crate::class;

crate::sql_migration!("m20261121_000001_scope", {
    let mut sql = String::from(ROLES);
    sql.push_str(SCOPE);
    sql.push_str(ACCESS_GRANT);
    sql.push_str(IN_SCOPE);
    sql.push_str(&class::authority(
        "access_grant",
        &class::Writes { insert: true, update: &["scopes", "ends_at", "revoked_at", "revoked_by", "version", "updated_at"] },
    ));
    sql
});

const ROLES: &str = r"
DO $$
DECLARE name text;
BEGIN
  -- Roles belong to the cluster: another database of it may have made them, even just now.
  FOREACH name IN ARRAY ARRAY['hestami_app', 'hestami_workflow', 'hestami_relay'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', name);
    END IF;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hestami_definer') THEN
    CREATE ROLE hestami_definer NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  END IF;
  IF NOT pg_has_role(current_user, 'hestami_definer', 'USAGE') THEN
    EXECUTE format('GRANT hestami_definer TO %I', current_user);
  END IF;
END $$;

DO $$
BEGIN
  -- A stopped replica's open claim frees itself by these.
  ALTER ROLE hestami_app SET idle_in_transaction_session_timeout = '2s';
  ALTER ROLE hestami_app SET lock_timeout = '500ms';
  ALTER ROLE hestami_app SET statement_timeout = '5s';
  IF current_setting('server_version_num')::int >= 170000 THEN
    EXECUTE 'ALTER ROLE hestami_app SET transaction_timeout = ''10s''';
  END IF;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO hestami_app, hestami_relay, hestami_definer;
GRANT SELECT ON seaql_migrations TO hestami_app;
CREATE SCHEMA app;
REVOKE ALL ON SCHEMA app FROM PUBLIC;
GRANT USAGE ON SCHEMA app TO hestami_app, hestami_relay, hestami_definer;
GRANT CREATE ON SCHEMA app TO hestami_definer;
";

const SCOPE: &str = r"
-- Settings read as '' after a transaction that set them.
CREATE FUNCTION app.acting() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('app.organization_id', true), '')::uuid $$;

CREATE FUNCTION app.clock() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT coalesce(nullif(current_setting('app.now', true), '')::timestamptz, now()) $$;
";

const ACCESS_GRANT: &str = r"
CREATE TABLE access_grant (
  organization_id uuid NOT NULL,
  id uuid NOT NULL,
  grantee_organization_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('ENGAGEMENT')),
  scopes text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'act']),
  starts_at timestamptz NOT NULL,
  ends_at timestamptz CHECK (ends_at > starts_at),
  revoked_at timestamptz,
  revoked_by uuid,
  granted_by uuid NOT NULL,
  reason text,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  CHECK (organization_id <> grantee_organization_id)
);
-- For the grantee's side, which only in_scope() looks up.
CREATE INDEX access_grant_organization_grantee ON access_grant (organization_id, grantee_organization_id);
";

const IN_SCOPE: &str = r"
GRANT SELECT ON access_grant TO hestami_definer;
CREATE POLICY access_grant_definer ON access_grant FOR SELECT TO hestami_definer
  USING (grantee_organization_id = (SELECT app.acting()));

-- The organizations that this transaction may touch: its own, and of those in app.scope what an
-- active grant covers with that need. Whoever may act may read. No acting organization: none.
CREATE FUNCTION app.in_scope(need text) RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT CASE
    WHEN acting IS NULL THEN '{}'::uuid[]
    WHEN scope IS NULL THEN ARRAY[acting]
    ELSE ARRAY(
      SELECT asked.id FROM unnest(scope) AS asked(id)
      WHERE asked.id = acting OR EXISTS (
        SELECT FROM access_grant g
        WHERE g.organization_id = asked.id AND g.grantee_organization_id = acting
          AND g.revoked_at IS NULL AND g.starts_at <= app.clock() AND (g.ends_at IS NULL OR g.ends_at > app.clock())
          AND (need = ANY (g.scopes) OR (need = 'read' AND 'act' = ANY (g.scopes)))))
  END
  FROM (SELECT app.acting() AS acting, nullif(current_setting('app.scope', true), '')::uuid[] AS scope) AS settings
$$;
ALTER FUNCTION app.in_scope(text) OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.in_scope(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.in_scope(text) TO hestami_app, hestami_relay;
";
