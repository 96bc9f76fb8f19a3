//! What carries an operation out begins with one question: the row, locked, and what its initiator is.

use super::{class, sql_migration};

sql_migration!("m20261121_000015_claim", [CLAIM, &class::across()].concat());

/// As who calls, under row security. Nobody's standing is asked for where it does not matter.
const CLAIM: &str = r"
CREATE FUNCTION app.operation_claim(org uuid, the_id uuid, who uuid, at timestamptz, turns boolean)
RETURNS TABLE (claimed operation, standing jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  SELECT o.* INTO claimed FROM operation o WHERE o.organization_id = org AND o.id = the_id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  -- Another statement, so that it sees what was committed while this one waited.
  IF who IS NOT NULL AND claimed.outcome IS NULL THEN
    SELECT to_jsonb(a) INTO standing FROM app.actor_locked(who, org, at, turns) a;
  END IF;
  RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION app.operation_claim(uuid, uuid, uuid, timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.operation_claim(uuid, uuid, uuid, timestamptz, boolean) TO hestami_app;
";
