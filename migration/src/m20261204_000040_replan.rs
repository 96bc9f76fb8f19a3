//! When a desk's new service level begins, its open cases are planned anew, one after the other.

use crate::class;

crate::sql_migration!("m20261204_000040_replan", {
    let mut sql = String::from(LEVEL);
    sql.push_str(&class::deadline("service_level", "serviceLevel/v1/begin", "begins_at", &[]));
    sql.push_str(&FUNCTIONS.replace("{acts}", &class::acts("app.clock()")));
    sql.push_str(&class::definer_function("app.replan_later(uuid, timestamptz)"));
    sql.push_str(&class::definer_function("app.replanned(uuid, uuid)"));
    sql.push_str(&class::across());
    sql
});

const LEVEL: &str = r"
-- When the open cases of the desk are yet to be planned by it.
ALTER TABLE service_level ADD COLUMN begins_at timestamptz;
GRANT UPDATE (begins_at) ON service_level TO hestami_app;
-- A level's beginning looks across all owners for the cases that its desk holds.
CREATE INDEX case_of_desk ON concierge_case (desk_id) WHERE state NOT IN ('RESOLVED', 'CLOSED', 'CANCELLED');
";

const FUNCTIONS: &str = r"
-- Lets each open case of the acting desk that is older than its level be planned anew.
CREATE FUNCTION app.replan_later(desk uuid, starts timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  INSERT INTO deadline AS d (organization_id, procedure, id, at)
  SELECT c.organization_id, 'case/v1/replan', c.id, starts FROM concierge_case c
  WHERE c.desk_id = desk AND desk = app.acting() AND c.created_at < starts AND c.state NOT IN ('RESOLVED', 'CLOSED', 'CANCELLED')
    AND EXISTS (
      SELECT FROM access_grant g WHERE g.organization_id = c.organization_id AND g.grantee_organization_id = desk
        AND {acts})
  ON CONFLICT (organization_id, procedure, id) DO UPDATE SET at = excluded.at, turns = 0
$$;

-- Notes that a case in scope was planned anew.
CREATE FUNCTION app.replanned(owner uuid, the_id uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  DELETE FROM deadline d WHERE d.organization_id = owner AND owner = ANY ((SELECT app.in_scope('act'))::uuid[])
    AND d.procedure = 'case/v1/replan' AND d.id = the_id
$$;
";
