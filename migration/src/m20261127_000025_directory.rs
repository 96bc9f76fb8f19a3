//! Whom to choose: desks are found by the directory that they opt into, people by their e-mail address. And a desk is told what it
//! may do for whom.

use crate::class;

crate::sql_migration!("m20261127_000025_directory", {
    let mut sql = [ACTED_FOR, DESKS, PEOPLE].concat();
    for signature in ["app.acted_for(uuid[])", "app.principal_by_email(text)", "app.desk_by_handle(text)"] {
        sql.push_str(&class::definer_function(signature));
    }
    sql.push_str(&class::identity("desk_handle"));
    sql.push_str(&class::definer("desk_handle", "SELECT, INSERT"));
    sql.push_str(
        "ALTER FUNCTION app.keep_handle() OWNER TO hestami_definer; REVOKE ALL ON FUNCTION app.keep_handle() FROM PUBLIC;",
    );
    sql.push_str(&class::across());
    sql
});

const ACTED_FOR: &str = r"
-- Of these organizations those for which the acting one may act, by some grant that counts.
CREATE FUNCTION app.acted_for(ids uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT DISTINCT g.organization_id FROM access_grant g
  WHERE g.organization_id = ANY (ids) AND g.grantee_organization_id = app.acting() AND 'act' = ANY (g.scopes)
    AND g.revoked_at IS NULL AND g.starts_at <= app.clock() AND (g.ends_at IS NULL OR g.ends_at > app.clock())
$$;
";

const DESKS: &str = r#"
ALTER TABLE organization ADD COLUMN handle text, ADD COLUMN about text, ADD COLUMN area text;
ALTER TABLE organization ADD CONSTRAINT organization_listed CHECK (
  handle IS NULL OR (type = 'CONCIERGE_OPERATOR' AND handle ~ '^[a-z0-9]([a-z0-9-]{1,38})[a-z0-9]$'));
CREATE UNIQUE INDEX organization_handle ON organization (handle) WHERE handle IS NOT NULL;
-- A handle stays with the desk that had it first: whoever let it in by a handle must never let in another.
CREATE TABLE desk_handle (
  handle text PRIMARY KEY,
  desk uuid NOT NULL REFERENCES organization (id)
);
CREATE FUNCTION app.keep_handle() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  INSERT INTO desk_handle (handle, desk) VALUES (NEW.handle, NEW.id) ON CONFLICT (handle) DO NOTHING;
  IF NOT EXISTS (SELECT FROM desk_handle h WHERE h.handle = NEW.handle AND h.desk = NEW.id) THEN
    RAISE EXCEPTION 'another desk had this handle' USING ERRCODE = 'unique_violation', CONSTRAINT = 'organization_handle';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER organization_keep_handle AFTER UPDATE OF handle ON organization
  FOR EACH ROW WHEN (NEW.handle IS NOT NULL AND NEW.handle IS DISTINCT FROM OLD.handle) EXECUTE FUNCTION app.keep_handle();
CREATE INDEX organization_listed_name ON organization (name, id) WHERE handle IS NOT NULL;
GRANT UPDATE (handle, about, area) ON organization TO hestami_app;

-- The desks that want to be found, for everyone who is signed in for an organization.
CREATE VIEW app.desk WITH (security_barrier) AS
SELECT o.id, o.handle, o.name, o.about, o.area, 'LISTED' AS relation,
  lower(concat_ws(' ', o.name, o.handle, o.area, o.about) COLLATE "und-x-icu") AS search
FROM public.organization o WHERE o.handle IS NOT NULL;
ALTER VIEW app.desk OWNER TO hestami_definer;
GRANT SELECT ON app.desk TO hestami_app, hestami_across;

CREATE FUNCTION app.desk_by_handle(the_handle text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT o.id FROM organization o WHERE o.handle = the_handle $$;
"#;

const PEOPLE: &str = r#"
CREATE INDEX principal_email ON principal (lower(email COLLATE "C")) WHERE email IS NOT NULL AND kind = 'HUMAN';

-- The person with an e-mail address. Null: nobody has it, or more than one.
CREATE FUNCTION app.principal_by_email(the_email text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT CASE WHEN count(*) = 1 THEN (array_agg(p.id))[1] END FROM principal p
  WHERE p.kind = 'HUMAN' AND p.email IS NOT NULL AND lower(p.email COLLATE "C") = lower(the_email COLLATE "C")
$$;

CREATE INDEX membership_role ON membership (organization_id, role, id);
CREATE INDEX membership_starts ON membership (organization_id, starts_at, id);
"#;
