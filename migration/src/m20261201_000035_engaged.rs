//! The list of a concierge is brought in line with a grant some rows at a time: giving and taking a grant is short, however many
//! properties its owner has.

use super::{class, sql_migration};

sql_migration!("m20261201_000035_engaged", {
    let mut sql = String::from(TABLE);
    sql.push_str(&class::identity("engaged_due"));
    sql.push_str(&class::definer("engaged_due", "SELECT, INSERT, UPDATE, DELETE"));
    sql.push_str(FUNCTIONS);
    sql.push_str(&class::definer_function("app.engaged_catch_up(int)"));
    sql.push_str(&class::across());
    sql
});

const TABLE: &str = r"
-- The owners whose properties are yet to be brought into a concierge's list, or out of it.
CREATE TABLE engaged_due (
  grantee_organization_id uuid NOT NULL,
  owner_organization_id uuid NOT NULL,
  -- The last property that is in line.
  after uuid NOT NULL,
  PRIMARY KEY (grantee_organization_id, owner_organization_id)
);
";

const FUNCTIONS: &str = r"
-- Brings the next rows of a concierge's list in line with the grants of an owner. The list itself asks whether a grant counts, so
-- that rows which are yet to go are in nobody's sight.
CREATE FUNCTION app.engage_some(grantee uuid, owner uuid, past uuid, most int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
DECLARE
  last uuid;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(owner::text, 7));
  IF EXISTS (
    SELECT FROM access_grant g WHERE g.organization_id = owner AND g.grantee_organization_id = grantee
      AND g.revoked_at IS NULL AND g.accepted_at IS NOT NULL)
  THEN
    WITH few AS (SELECT p.* FROM property p WHERE p.organization_id = owner AND p.id > past ORDER BY p.id LIMIT most),
    kept AS (
      INSERT INTO engaged_property AS e
        (organization_id, owner_organization_id, property_id, kind, status, line1, locality, region, country, updated_at, search)
      SELECT grantee, owner, p.id, p.kind, p.status, p.line1, p.locality, p.region, p.country, p.updated_at, p.search FROM few p
      ON CONFLICT (organization_id, property_id, owner_organization_id) DO UPDATE
        SET kind = excluded.kind, status = excluded.status, line1 = excluded.line1, locality = excluded.locality,
            region = excluded.region, country = excluded.country, updated_at = excluded.updated_at, search = excluded.search)
    SELECT CASE WHEN count(*) = most THEN (array_agg(p.id ORDER BY p.id DESC))[1] END INTO last FROM few p;
  ELSE
    WITH few AS (
      SELECT e.property_id FROM engaged_property e WHERE e.organization_id = grantee AND e.owner_organization_id = owner
      ORDER BY e.property_id LIMIT most),
    gone AS (
      DELETE FROM engaged_property e USING few
      WHERE e.organization_id = grantee AND e.owner_organization_id = owner AND e.property_id = few.property_id)
    SELECT CASE WHEN count(*) = most THEN '00000000-0000-0000-0000-000000000000'::uuid END INTO last FROM few;
  END IF;
  IF last IS NULL THEN
    DELETE FROM engaged_due d WHERE d.grantee_organization_id = grantee AND d.owner_organization_id = owner;
  ELSE
    INSERT INTO engaged_due AS d (grantee_organization_id, owner_organization_id, after) VALUES (grantee, owner, last)
    ON CONFLICT (grantee_organization_id, owner_organization_id) DO UPDATE SET after = excluded.after;
  END IF;
END $$;
ALTER FUNCTION app.engage_some(uuid, uuid, uuid, int) OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.engage_some(uuid, uuid, uuid, int) FROM PUBLIC;

-- Brings some more rows in line, of whichever list; whether there was one.
CREATE FUNCTION app.engaged_catch_up(most int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
DECLARE
  due engaged_due;
BEGIN
  SELECT d.* INTO due FROM engaged_due d ORDER BY d.grantee_organization_id, d.owner_organization_id LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM app.engage_some(due.grantee_organization_id, due.owner_organization_id, due.after, least(most, 1000));
  RETURN true;
END $$;

CREATE OR REPLACE FUNCTION app.project_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.revoked_at IS NULL AND NEW.accepted_at IS NOT NULL) = (OLD.revoked_at IS NULL AND OLD.accepted_at IS NOT NULL)
  THEN
    RETURN NULL;
  END IF;
  PERFORM app.engage_some(NEW.grantee_organization_id, NEW.organization_id, '00000000-0000-0000-0000-000000000000', 500);
  RETURN NULL;
END $$;
";
