//! Deadlines in one table, which triggers keep and one timer reads; and the roles that stand for an owner, said once.

use super::{class, sql_migration};

sql_migration!("m20261125_000017_deadline", {
    let mut sql = String::from(STANDING);
    sql.push_str(TABLE);
    sql.push_str(&class::identity("deadline"));
    sql.push_str(&class::definer("deadline", "SELECT, INSERT, UPDATE, DELETE"));
    sql.push_str(FUNCTIONS);
    sql.push_str(&class::definer_function("app.deadlines_take(timestamptz, text[], int)"));
    sql.push_str(&class::deadline("membership", "membership/v1/expire", "ends_at", &["INVITED", "ACTIVE"]));
    sql.push_str(&class::deadline("delegation", "delegation/v1/expire", "ends_at", &["ACTIVE"]));
    sql.push_str(BEFORE);
    sql.push_str(&class::across());
    sql
});

/// In line, wherever a query asks it: the planner sees the list.
const STANDING: &str = r"
CREATE FUNCTION app.stands_for_owner(role text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT role IN ('OWNER', 'CO_OWNER', 'TRUSTEE', 'ADMINISTRATOR') $$;
REVOKE ALL ON FUNCTION app.stands_for_owner(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.stands_for_owner(text) TO hestami_app, hestami_definer;

CREATE OR REPLACE VIEW delegation_now WITH (security_invoker = true) AS
  SELECT d.* FROM delegation d
  WHERE d.state = 'ACTIVE' AND d.starts_at <= app.clock() AND (d.ends_at IS NULL OR d.ends_at > app.clock())
    AND EXISTS (
      SELECT FROM membership m WHERE m.organization_id = d.organization_id AND m.principal_id = d.root_id AND m.state = 'ACTIVE'
        AND app.stands_for_owner(m.role)
        AND m.starts_at <= app.clock() AND (m.ends_at IS NULL OR m.ends_at > app.clock()));

CREATE OR REPLACE FUNCTION app.actor(who uuid, org uuid, at timestamptz)
RETURNS TABLE (kind text, organization_type text, roles text[], epoch bigint, delegated boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT p.kind, o.type, m.roles, coalesce(e.epoch, 0), d.delegated
  FROM principal p
  JOIN organization o ON o.id = org
  CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT m.role ORDER BY m.role) AS roles FROM membership m
    WHERE m.organization_id = org AND m.principal_id = who AND m.state = 'ACTIVE'
      AND m.starts_at <= at AND (m.ends_at IS NULL OR m.ends_at > at)) m
  CROSS JOIN LATERAL (
    SELECT EXISTS (
      SELECT FROM delegation d
      JOIN membership r ON r.organization_id = d.organization_id AND r.principal_id = d.root_id AND r.state = 'ACTIVE'
        AND app.stands_for_owner(r.role) AND r.starts_at <= at AND (r.ends_at IS NULL OR r.ends_at > at)
      WHERE d.organization_id = org AND d.holder_id = who AND d.state = 'ACTIVE'
        AND d.starts_at <= at AND (d.ends_at IS NULL OR d.ends_at > at)) AS delegated) d
  LEFT JOIN authority_epoch e ON e.organization_id = org AND e.holder_id = who
  WHERE p.id = who AND (m.roles IS NOT NULL OR d.delegated OR p.kind = 'SYSTEM')
$$;

CREATE OR REPLACE FUNCTION app.viewer_delegations(at timestamptz)
RETURNS TABLE (delegation_id uuid, organization_id uuid, organization_name text, organization_type text, actions text[], may_delegate boolean,
               starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT d.id, o.id, o.name, o.type, d.actions, d.may_delegate, d.starts_at, d.ends_at
  FROM delegation d JOIN organization o ON o.id = d.organization_id
  WHERE d.holder_id = app.acting() AND d.state = 'ACTIVE' AND d.starts_at <= at AND (d.ends_at IS NULL OR d.ends_at > at)
    AND EXISTS (
      SELECT FROM membership r WHERE r.organization_id = d.organization_id AND r.principal_id = d.root_id AND r.state = 'ACTIVE'
        AND app.stands_for_owner(r.role) AND r.starts_at <= at AND (r.ends_at IS NULL OR r.ends_at > at))
  ORDER BY o.name, d.id
$$;
";

const TABLE: &str = r"
CREATE TABLE deadline (
  organization_id uuid NOT NULL,
  -- Called with the id when the time has come.
  procedure text NOT NULL,
  id uuid NOT NULL,
  at timestamptz NOT NULL,
  -- How often the timer took it.
  turns int NOT NULL DEFAULT 0,
  PRIMARY KEY (organization_id, procedure, id)
);
-- The timer looks across organizations.
CREATE INDEX deadline_at ON deadline (at);
";

const FUNCTIONS: &str = r"
-- Keeps the deadline of a row. Its arguments: the procedure, the column with the time, and the states in which it is awaited.
CREATE FUNCTION app.keep_deadline() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
DECLARE
  kept jsonb;
  due timestamptz;
BEGIN
  IF TG_OP = 'DELETE' THEN
    kept := to_jsonb(OLD);
  ELSE
    kept := to_jsonb(NEW);
    IF TG_NARGS = 2 OR kept ->> 'state' = ANY (TG_ARGV[2:]) THEN
      due := kept ->> TG_ARGV[1];
    END IF;
  END IF;
  IF due IS NULL THEN
    DELETE FROM deadline d
    WHERE d.organization_id = (kept ->> 'organization_id')::uuid AND d.procedure = TG_ARGV[0] AND d.id = (kept ->> 'id')::uuid;
  ELSE
    INSERT INTO deadline AS d (organization_id, procedure, id, at)
    VALUES ((kept ->> 'organization_id')::uuid, TG_ARGV[0], (kept ->> 'id')::uuid, due)
    ON CONFLICT (organization_id, procedure, id) DO UPDATE SET at = excluded.at, turns = 0 WHERE d.at <> excluded.at;
  END IF;
  RETURN NULL;
END $$;
ALTER FUNCTION app.keep_deadline() OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.keep_deadline() FROM PUBLIC;

-- Some of what is due: one of each organization in turn, and of its own first those that were taken least often. One that a
-- transaction changes right now waits for the next round.
CREATE FUNCTION app.deadlines_take(now timestamptz, procedures text[], most int)
RETURNS TABLE (organization_id uuid, procedure text, id uuid, at timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  WITH due AS (
    SELECT d.organization_id, d.procedure, d.id, d.at, d.turns,
      row_number() OVER (PARTITION BY d.organization_id ORDER BY d.turns, d.at, d.id) AS place
    FROM deadline d WHERE d.at <= deadlines_take.now AND d.procedure = ANY (procedures)
  ), next AS (
    SELECT due.organization_id, due.procedure, due.id FROM due ORDER BY due.place, due.turns, due.at, due.id LIMIT most
  ), free AS (
    SELECT d.organization_id, d.procedure, d.id FROM deadline d JOIN next USING (organization_id, procedure, id)
    FOR UPDATE OF d SKIP LOCKED
  )
  UPDATE deadline d SET turns = d.turns + 1 FROM free
  WHERE d.organization_id = free.organization_id AND d.procedure = free.procedure AND d.id = free.id
  RETURNING d.organization_id, d.procedure, d.id, d.at
$$;
";

const BEFORE: &str = r"
DROP FUNCTION app.memberships_due(timestamptz, int);
DROP FUNCTION app.delegations_due(timestamptz, int);
DROP INDEX membership_due;
DROP INDEX delegation_due;
";
