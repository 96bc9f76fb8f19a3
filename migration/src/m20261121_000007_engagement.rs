//! Engagements: an owner lets a concierge organization in. The grantee sees the grants that it was
//! given, works through one of them, and lists the properties of all who gave one.

use crate::class::{self, Writes};

crate::sql_migration!("m20261121_000007_engagement", {
    let mut sql = String::from(GRANTS);
    sql.push_str(PROJECTION);
    sql.push_str(&class::owned("engaged_property", &Writes { insert: false, update: &[] }));
    sql.push_str(&class::definer("engaged_property", "SELECT, INSERT, UPDATE, DELETE"));
    sql.push_str(&class::definer("property", "SELECT"));
    sql.push_str(FUNCTIONS);
    for signature in
        ["app.through(uuid, uuid, timestamptz)", "app.through_locked(uuid, uuid, timestamptz)", "app.concierge(uuid)"]
    {
        sql.push_str(&class::definer_function(signature));
    }
    for trigger in ["app.project_property()", "app.project_grant()"] {
        sql.push_str(&format!(
            "ALTER FUNCTION {trigger} OWNER TO hestami_definer; REVOKE ALL ON FUNCTION {trigger} FROM PUBLIC;\n"
        ));
    }
    sql.push_str(BACKFILL);
    sql
});

const GRANTS: &str = r"
ALTER TABLE access_grant ADD COLUMN revoke_reason text;
GRANT UPDATE (revoke_reason) ON access_grant TO hestami_app;
CREATE INDEX access_grant_grantee ON access_grant (grantee_organization_id, id);

-- Its two sides see it, whatever else lets one into the grantor's organization; only the grantor writes it.
DROP POLICY access_grant_read ON access_grant;
CREATE POLICY access_grant_read ON access_grant FOR SELECT TO hestami_app USING (organization_id = (SELECT app.acting()));
CREATE POLICY access_grant_grantee ON access_grant FOR SELECT TO hestami_app
  USING (grantee_organization_id = (SELECT app.acting()));

-- The functions say themselves whose grants they look at.
DROP POLICY access_grant_definer ON access_grant;
CREATE POLICY access_grant_definer ON access_grant FOR SELECT TO hestami_definer USING (true);
";

const PROJECTION: &str = r#"
-- What a concierge lists: a row for each property of each owner who let it in. Written by triggers, in
-- the transaction that changes the property or the grant.
CREATE TABLE engaged_property (
  organization_id uuid NOT NULL REFERENCES organization (id),
  owner_organization_id uuid NOT NULL,
  property_id uuid NOT NULL,
  kind text NOT NULL,
  status text NOT NULL,
  line1 text COLLATE "C" NOT NULL,
  locality text COLLATE "C" NOT NULL,
  region text COLLATE "C",
  country text COLLATE "C" NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, property_id, owner_organization_id)
);
CREATE INDEX engaged_property_owner ON engaged_property (organization_id, owner_organization_id, property_id);
CREATE INDEX engaged_property_updated ON engaged_property (organization_id, updated_at, property_id);
CREATE INDEX engaged_property_address ON engaged_property (organization_id, line1, property_id);
"#;

const FUNCTIONS: &str = r"
-- A grant to an organization, if it counts now.
CREATE FUNCTION app.through(org uuid, the_grant uuid, at timestamptz)
RETURNS TABLE (owner uuid, acts boolean, epoch bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT g.organization_id, 'act' = ANY (g.scopes), coalesce(e.epoch, 0)
  FROM access_grant g
  LEFT JOIN authority_epoch e ON e.organization_id = g.organization_id AND e.holder_id = g.grantee_organization_id
  WHERE g.grantee_organization_id = org AND g.id = the_grant
    AND g.revoked_at IS NULL AND g.starts_at <= at AND (g.ends_at IS NULL OR g.ends_at > at)
$$;

-- The same, and it stays so until the transaction ends: whoever takes the grant back waits.
CREATE FUNCTION app.through_locked(org uuid, the_grant uuid, at timestamptz)
RETURNS TABLE (owner uuid, acts boolean, epoch bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM FROM authority_epoch e
  WHERE e.holder_id = org
    AND e.organization_id = (SELECT g.organization_id FROM access_grant g WHERE g.grantee_organization_id = org AND g.id = the_grant)
  FOR SHARE;
  RETURN QUERY SELECT * FROM app.through(org, the_grant, at);
END $$;

-- Whether this is a concierge's organization, which anyone may engage.
CREATE FUNCTION app.concierge(org uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT EXISTS (SELECT FROM organization o WHERE o.id = org AND o.type = 'CONCIERGE_OPERATOR') $$;

-- Changes of properties go side by side; a grant waits for them, and they for it. So neither misses
-- what the other writes.
CREATE FUNCTION app.project_property() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(NEW.organization_id::text, 7));
  INSERT INTO engaged_property AS e
    (organization_id, owner_organization_id, property_id, kind, status, line1, locality, region, country, updated_at)
  SELECT DISTINCT g.grantee_organization_id, NEW.organization_id, NEW.id, NEW.kind, NEW.status, NEW.line1, NEW.locality, NEW.region,
    NEW.country, NEW.updated_at
  FROM access_grant g WHERE g.organization_id = NEW.organization_id AND g.revoked_at IS NULL
  ON CONFLICT (organization_id, property_id, owner_organization_id) DO UPDATE
    SET kind = excluded.kind, status = excluded.status, line1 = excluded.line1, locality = excluded.locality, region = excluded.region,
        country = excluded.country, updated_at = excluded.updated_at;
  RETURN NULL;
END $$;
CREATE TRIGGER property_projection AFTER INSERT OR UPDATE ON property FOR EACH ROW EXECUTE FUNCTION app.project_property();

CREATE FUNCTION app.project_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.revoked_at IS NULL) = (OLD.revoked_at IS NULL) THEN
    RETURN NULL;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(NEW.organization_id::text, 7));
  IF NEW.revoked_at IS NULL THEN
    INSERT INTO engaged_property
      (organization_id, owner_organization_id, property_id, kind, status, line1, locality, region, country, updated_at)
    SELECT NEW.grantee_organization_id, p.organization_id, p.id, p.kind, p.status, p.line1, p.locality, p.region, p.country, p.updated_at
    FROM property p WHERE p.organization_id = NEW.organization_id
    ON CONFLICT (organization_id, property_id, owner_organization_id) DO NOTHING;
  ELSIF NOT EXISTS (
    SELECT FROM access_grant g WHERE g.organization_id = NEW.organization_id
      AND g.grantee_organization_id = NEW.grantee_organization_id AND g.revoked_at IS NULL)
  THEN
    DELETE FROM engaged_property e
    WHERE e.organization_id = NEW.grantee_organization_id AND e.owner_organization_id = NEW.organization_id;
  END IF;
  RETURN NULL;
END $$;
-- After access_grant_epoch, by its name: whoever works through the grant is waited for there.
CREATE TRIGGER access_grant_projection AFTER INSERT OR UPDATE ON access_grant FOR EACH ROW EXECUTE FUNCTION app.project_grant();
";

const BACKFILL: &str = r"
INSERT INTO engaged_property (organization_id, owner_organization_id, property_id, kind, status, line1, locality, region, country, updated_at)
SELECT DISTINCT g.grantee_organization_id, p.organization_id, p.id, p.kind, p.status, p.line1, p.locality, p.region, p.country, p.updated_at
FROM access_grant g JOIN property p ON p.organization_id = g.organization_id WHERE g.revoked_at IS NULL;
";
