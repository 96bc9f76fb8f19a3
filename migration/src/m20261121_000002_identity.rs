//! Who there is: principals, organizations, memberships, and the epoch of what anyone may do.

use crate::class::{self, Writes};

crate::sql_migration!("m20261121_000002_identity", {
    let mut sql = String::from(TABLES);
    sql.push_str(&class::identity("principal"));
    sql.push_str(&class::definer("principal", "SELECT, INSERT, UPDATE"));
    sql.push_str(&class::keyed(
        "organization",
        "id",
        "organization",
        &Writes { insert: false, update: &["name", "version", "updated_at"] },
    ));
    sql.push_str(&class::definer("organization", "SELECT, INSERT"));
    sql.push_str(&class::authority(
        "membership",
        &Writes { insert: true, update: &["state", "ends_at", "ended_at", "ended_by", "end_reason", "version", "updated_at"] },
    ));
    sql.push_str(&class::definer("membership", "SELECT, INSERT, UPDATE"));
    sql.push_str(&class::identity("authority_epoch"));
    sql.push_str(&class::definer("authority_epoch", "SELECT, INSERT, UPDATE"));
    sql.push_str(&class::owned("org_head", &Writes { insert: false, update: &["event_seq", "ledger_seq", "ledger_hash"] }));
    sql.push_str(&class::definer("org_head", "INSERT"));
    sql.push_str(FUNCTIONS);
    for signature in [
        "app.sign_in(text, text, text, text, uuid, timestamptz)",
        "app.registered(text, text)",
        "app.other_governors(uuid, timestamptz)",
        "app.actor(uuid, uuid, timestamptz)",
        "app.actor_locked(uuid, uuid, timestamptz)",
        "app.viewer()",
        "app.viewer_memberships(timestamptz)",
        "app.invitation(uuid)",
        "app.membership_accept(uuid, timestamptz)",
        "app.memberships_due(timestamptz, int)",
        "app.organization_create(uuid, text, text, text, uuid, timestamptz)",
        "app.principal_register(uuid, text, text, text, text, timestamptz)",
    ] {
        sql.push_str(&class::definer_function(signature));
    }
    sql.push_str("ALTER FUNCTION app.bump_membership() OWNER TO hestami_definer; ALTER FUNCTION app.bump_grant() OWNER TO hestami_definer;");
    sql
});

const TABLES: &str = r#"
CREATE TABLE principal (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('HUMAN', 'AGENT', 'SERVICE', 'SYSTEM')),
  issuer text NOT NULL,
  subject text NOT NULL,
  email text,
  display_name text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CONSTRAINT principal_issuer_subject UNIQUE (issuer, subject)
);
-- The gateway itself: what timers act as.
INSERT INTO principal (id, kind, issuer, subject, display_name, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-000000000001', 'SYSTEM', 'hestami', 'system', 'Hestami', now(), now());

CREATE TABLE organization (
  id uuid PRIMARY KEY,
  type text NOT NULL CHECK (type IN ('INDIVIDUAL_PROPERTY_OWNER', 'TRUST_OR_LLC', 'COMMUNITY_ASSOCIATION', 'SERVICE_PROVIDER', 'CONCIERGE_OPERATOR')),
  name text NOT NULL,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE membership (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  principal_id uuid REFERENCES principal (id),
  email text,
  role text NOT NULL CHECK (role IN ('OWNER', 'CO_OWNER', 'TRUSTEE', 'CONCIERGE_STAFF', 'ADMINISTRATOR')),
  state text NOT NULL CHECK (state IN ('INVITED', 'ACTIVE', 'REVOKED', 'EXPIRED')),
  starts_at timestamptz NOT NULL,
  ends_at timestamptz CHECK (ends_at > starts_at),
  invited_by uuid NOT NULL REFERENCES principal (id),
  reason text,
  accepted_at timestamptz,
  ended_at timestamptz,
  ended_by uuid REFERENCES principal (id),
  end_reason text,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  CHECK (principal_id IS NOT NULL OR (email IS NOT NULL AND state IN ('INVITED', 'REVOKED', 'EXPIRED')))
);
CREATE UNIQUE INDEX membership_principal_role ON membership (organization_id, principal_id, role)
  WHERE principal_id IS NOT NULL AND state IN ('INVITED', 'ACTIVE');
CREATE UNIQUE INDEX membership_email_role ON membership (organization_id, lower(email COLLATE "C"), role)
  WHERE principal_id IS NULL AND state = 'INVITED';

CREATE TABLE authority_epoch (
  organization_id uuid NOT NULL,
  holder_id uuid NOT NULL,
  epoch bigint NOT NULL,
  PRIMARY KEY (organization_id, holder_id)
);

CREATE TABLE org_head (
  organization_id uuid PRIMARY KEY REFERENCES organization (id),
  event_seq bigint NOT NULL DEFAULT 0,
  ledger_seq bigint NOT NULL DEFAULT 0,
  ledger_hash bytea
);

-- Definer routes look these up from the principal's side, across organizations.
CREATE INDEX membership_of_principal ON membership (principal_id) WHERE principal_id IS NOT NULL AND state IN ('INVITED', 'ACTIVE');
CREATE INDEX membership_invited_email ON membership (lower(email COLLATE "C")) WHERE state = 'INVITED';
CREATE INDEX membership_due ON membership (ends_at) WHERE ends_at IS NOT NULL AND state IN ('INVITED', 'ACTIVE');
"#;

const FUNCTIONS: &str = r#"
CREATE FUNCTION app.bump_membership() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF NEW.principal_id IS NOT NULL THEN
    INSERT INTO authority_epoch AS e (organization_id, holder_id, epoch) VALUES (NEW.organization_id, NEW.principal_id, 1)
    ON CONFLICT (organization_id, holder_id) DO UPDATE SET epoch = e.epoch + 1;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER membership_epoch AFTER INSERT OR UPDATE ON membership FOR EACH ROW EXECUTE FUNCTION app.bump_membership();

CREATE FUNCTION app.bump_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  INSERT INTO authority_epoch AS e (organization_id, holder_id, epoch) VALUES (NEW.organization_id, NEW.grantee_organization_id, 1)
  ON CONFLICT (organization_id, holder_id) DO UPDATE SET epoch = e.epoch + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER access_grant_epoch AFTER INSERT OR UPDATE ON access_grant FOR EACH ROW EXECUTE FUNCTION app.bump_grant();

-- A valid token's principal. Only a first sign-in, or a changed name or address, writes.
CREATE FUNCTION app.sign_in(the_issuer text, the_subject text, the_email text, the_name text, fresh uuid, at timestamptz)
RETURNS TABLE (id uuid, kind text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  RETURN QUERY SELECT p.id, p.kind FROM principal p
    WHERE p.issuer = the_issuer AND p.subject = the_subject
      AND p.email IS NOT DISTINCT FROM coalesce(the_email, p.email)
      AND p.display_name IS NOT DISTINCT FROM coalesce(the_name, p.display_name);
  IF NOT FOUND THEN
    RETURN QUERY
      INSERT INTO principal AS p (id, kind, issuer, subject, email, display_name, created_at, updated_at)
      VALUES (fresh, 'HUMAN', the_issuer, the_subject, the_email, the_name, at, at)
      ON CONFLICT (issuer, subject) DO UPDATE
        SET email = coalesce(excluded.email, p.email), display_name = coalesce(excluded.display_name, p.display_name), updated_at = at
      RETURNING p.id, p.kind;
  END IF;
END $$;

CREATE FUNCTION app.registered(the_issuer text, the_subject text) RETURNS TABLE (id uuid, kind text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT p.id, p.kind FROM principal p WHERE p.issuer = the_issuer AND p.subject = the_subject AND p.kind IN ('AGENT', 'SERVICE') $$;

-- How many people, besides this membership's holder, can let others in without end.
CREATE FUNCTION app.other_governors(but uuid, at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT count(*) FROM membership m JOIN principal p ON p.id = m.principal_id
  WHERE m.organization_id = app.acting() AND m.id <> but AND p.kind = 'HUMAN' AND m.state = 'ACTIVE'
    AND m.role IN ('OWNER', 'ADMINISTRATOR') AND m.starts_at <= at AND m.ends_at IS NULL
$$;

-- What a principal is in an organization. No row: nothing, or there is no such organization.
CREATE FUNCTION app.actor(who uuid, org uuid, at timestamptz)
RETURNS TABLE (kind text, organization_type text, roles text[], epoch bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT p.kind, o.type, m.roles, coalesce(e.epoch, 0)
  FROM principal p
  JOIN organization o ON o.id = org
  CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT m.role ORDER BY m.role) AS roles FROM membership m
    WHERE m.organization_id = org AND m.principal_id = who AND m.state = 'ACTIVE'
      AND m.starts_at <= at AND (m.ends_at IS NULL OR m.ends_at > at)) m
  LEFT JOIN authority_epoch e ON e.organization_id = org AND e.holder_id = who
  WHERE p.id = who AND (m.roles IS NOT NULL OR p.kind = 'SYSTEM')
$$;

-- The same, and it stays so until the transaction ends: whoever takes a right away waits.
CREATE FUNCTION app.actor_locked(who uuid, org uuid, at timestamptz)
RETURNS TABLE (kind text, organization_type text, roles text[], epoch bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM FROM authority_epoch e WHERE e.organization_id = org AND e.holder_id = who FOR SHARE;
  RETURN QUERY SELECT * FROM app.actor(who, org, at);
END $$;

-- In the principal's own scope, app.acting() is the principal.
CREATE FUNCTION app.viewer()
RETURNS TABLE (id uuid, kind text, email text, display_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT p.id, p.kind, p.email, p.display_name FROM principal p WHERE p.id = app.acting() $$;

CREATE FUNCTION app.viewer_memberships(at timestamptz)
RETURNS TABLE (membership_id uuid, organization_id uuid, organization_name text, organization_type text, role text,
               state text, starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT m.id, o.id, o.name, o.type, m.role, m.state, m.starts_at, m.ends_at
  FROM principal p
  JOIN membership m ON m.principal_id = p.id
    OR (m.principal_id IS NULL AND m.state = 'INVITED' AND lower(m.email COLLATE "C") = lower(p.email COLLATE "C"))
  JOIN organization o ON o.id = m.organization_id
  WHERE p.id = app.acting() AND (m.state = 'INVITED' OR (m.state = 'ACTIVE' AND m.starts_at <= at)) AND (m.ends_at IS NULL OR m.ends_at > at)
  ORDER BY o.name, m.id
$$;

-- An invitation, for the one whom it is addressed to.
CREATE FUNCTION app.invitation(membership uuid) RETURNS SETOF membership
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT m.* FROM membership m JOIN principal p ON p.id = app.acting()
  WHERE m.id = invitation.membership
    AND (m.principal_id = p.id OR (m.principal_id IS NULL AND lower(m.email COLLATE "C") = lower(p.email COLLATE "C")))
$$;

CREATE FUNCTION app.membership_accept(membership uuid, at timestamptz) RETURNS SETOF membership
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE membership m
  SET principal_id = p.id, state = 'ACTIVE', accepted_at = at, starts_at = greatest(m.starts_at, at), version = m.version + 1, updated_at = at
  FROM principal p
  WHERE p.id = app.acting() AND m.id = membership_accept.membership AND m.state = 'INVITED'
    AND (m.ends_at IS NULL OR m.ends_at > at)
    AND (m.principal_id = p.id OR (m.principal_id IS NULL AND lower(m.email COLLATE "C") = lower(p.email COLLATE "C")))
  RETURNING m.*
$$;

CREATE FUNCTION app.memberships_due(at timestamptz, most int)
RETURNS TABLE (organization_id uuid, id uuid, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT m.organization_id, m.id, m.ends_at FROM membership m
  WHERE m.ends_at IS NOT NULL AND m.state IN ('INVITED', 'ACTIVE') AND m.ends_at <= at
  ORDER BY m.ends_at LIMIT most
$$;

-- An organization begins with one member, its founder, who is the principal in whose scope this runs.
CREATE FUNCTION app.organization_create(org uuid, the_type text, the_name text, founder_role text, founder_membership uuid, at timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  INSERT INTO organization (id, type, name, created_at, updated_at) VALUES (org, the_type, the_name, at, at);
  INSERT INTO org_head (organization_id) VALUES (org);
  INSERT INTO membership (organization_id, id, principal_id, role, state, starts_at, invited_by, reason, accepted_at, created_at, updated_at)
  VALUES (org, founder_membership, app.acting(), founder_role, 'ACTIVE', at, app.acting(), 'Founded the organization', at, at, at);
END $$;

-- Agents and services are made by an administrator, never by signing in. No row: it is taken.
CREATE FUNCTION app.principal_register(fresh uuid, the_kind text, the_issuer text, the_subject text, the_name text, at timestamptz)
RETURNS TABLE (id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  INSERT INTO principal AS p (id, kind, issuer, subject, display_name, created_at, updated_at)
  SELECT fresh, the_kind, the_issuer, the_subject, the_name, at, at WHERE the_kind IN ('AGENT', 'SERVICE')
  ON CONFLICT (issuer, subject) DO NOTHING
  RETURNING p.id
$$;
"#;
