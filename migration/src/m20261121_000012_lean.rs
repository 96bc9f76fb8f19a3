//! What every statement asks is answered without a query of its own, and what an operation begins with is one message.

use super::sql_migration;

sql_migration!("m20261121_000012_lean", [IN_SCOPE, OPERATIONS].concat());

/// The same answer as before. Mostly only the acting organization is asked for, and a function in this language knows its
/// own queries from one statement to the next.
const IN_SCOPE: &str = r"
CREATE OR REPLACE FUNCTION app.in_scope(need text) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
DECLARE
  acting constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
  scope constant uuid[] := nullif(current_setting('app.scope', true), '')::uuid[];
BEGIN
  IF acting IS NULL THEN
    RETURN '{}';
  END IF;
  IF scope IS NULL THEN
    RETURN ARRAY[acting];
  END IF;
  RETURN ARRAY(
    SELECT asked.id FROM unnest(scope) AS asked(id)
    WHERE asked.id = acting OR EXISTS (
      SELECT FROM access_grant g
      WHERE g.organization_id = asked.id AND g.grantee_organization_id = acting
        AND g.revoked_at IS NULL AND g.starts_at <= app.clock() AND (g.ends_at IS NULL OR g.ends_at > app.clock())
        AND (need = ANY (g.scopes) OR (need = 'read' AND 'act' = ANY (g.scopes)))));
END $$;
";

/// As who calls, under row security: each sets the acting organization for its own statement.
const OPERATIONS: &str = r"
CREATE FUNCTION app.operation_find(org uuid, the_procedure text, the_key uuid) RETURNS SETOF operation
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM set_config('app.organization_id', org::text, true);
  RETURN QUERY SELECT * FROM operation o WHERE o.organization_id = org AND o.procedure = the_procedure AND o.key = the_key;
END $$;

-- False if the key is taken. Whoever wants what took it asks again: only another statement sees what the other one committed.
CREATE FUNCTION app.operation_record(org uuid, fresh jsonb) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM set_config('app.organization_id', org::text, true);
  INSERT INTO operation SELECT * FROM jsonb_populate_record(NULL::operation, fresh)
  ON CONFLICT (organization_id, procedure, key) DO NOTHING;
  RETURN FOUND;
END $$;
REVOKE ALL ON FUNCTION app.operation_find(uuid, text, uuid), app.operation_record(uuid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.operation_find(uuid, text, uuid), app.operation_record(uuid, jsonb) TO hestami_app;
";
