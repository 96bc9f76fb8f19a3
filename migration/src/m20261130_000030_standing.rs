//! People and machines are who their tokens say they are now. An address has one holder at a time, and only a token that proves it
//! today accepts an invitation to it; who founds an organization has one. A machine belongs to the organization that registered it,
//! with its issuer and subject: no other organization can take its name. Owners keep an owner.

use super::{class, sql_migration};

sql_migration!("m20261130_000030_standing", {
    let mut sql = String::from(TABLES);
    sql.push_str(FUNCTIONS);
    for signature in [
        "app.known(text, text, text, text)",
        "app.sign_in(text, text, text, text, uuid, timestamptz)",
        "app.registered(text, text, uuid)",
        "app.principal_register(uuid, text, text, text, text, timestamptz)",
        "app.other_governors(uuid, timestamptz)",
        "app.founder_counts(int)",
        "app.invitations_open(text, uuid, uuid, int)",
        "app.machines(int)",
    ] {
        sql.push_str(&class::definer_function(signature));
    }
    sql.push_str(&class::across());
    sql
});

const TABLES: &str = r#"
-- The address that the principal's latest token proves. `email` is the one by which they are found, until somebody else proves it.
ALTER TABLE principal ADD COLUMN claimed_email text;
UPDATE principal SET claimed_email = email;
UPDATE principal p SET email = NULL
WHERE EXISTS (
  SELECT FROM principal o
  WHERE lower(o.email COLLATE "C") = lower(p.email COLLATE "C") AND (o.updated_at, o.id) > (p.updated_at, p.id));
DROP INDEX principal_email;
CREATE UNIQUE INDEX principal_email ON principal (lower(email COLLATE "C"));

-- The organization that registered a machine.
ALTER TABLE principal ADD COLUMN registered_by uuid REFERENCES organization (id);
UPDATE principal p SET registered_by = (
  SELECT m.organization_id FROM membership m WHERE m.principal_id = p.id ORDER BY m.created_at, m.id LIMIT 1)
WHERE p.kind IN ('AGENT', 'SERVICE');
ALTER TABLE principal DROP CONSTRAINT principal_issuer_subject;
CREATE UNIQUE INDEX principal_person ON principal (issuer, subject) WHERE registered_by IS NULL;
CREATE INDEX principal_registered ON principal (registered_by) WHERE registered_by IS NOT NULL;
CREATE UNIQUE INDEX principal_machine ON principal (issuer, subject, registered_by) WHERE registered_by IS NOT NULL;
"#;

const FUNCTIONS: &str = r#"
CREATE OR REPLACE FUNCTION app.known(the_issuer text, the_subject text, the_email text, the_name text)
RETURNS TABLE (id uuid, kind text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT p.id, p.kind FROM principal p
  WHERE p.issuer = the_issuer AND p.subject = the_subject AND p.registered_by IS NULL
    AND p.claimed_email IS NOT DISTINCT FROM the_email
    AND (the_email IS NULL OR p.email IS NOT DISTINCT FROM the_email)
    AND p.display_name IS NOT DISTINCT FROM coalesce(the_name, p.display_name)
$$;

CREATE OR REPLACE FUNCTION app.sign_in(the_issuer text, the_subject text, the_email text, the_name text, fresh uuid, at timestamptz)
RETURNS TABLE (id uuid, kind text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  RETURN QUERY SELECT * FROM app.known(the_issuer, the_subject, the_email, the_name);
  IF FOUND THEN
    RETURN;
  END IF;
  LOOP
    BEGIN
      -- An address goes to whoever proved it last.
      UPDATE principal p SET email = NULL, updated_at = at
      WHERE lower(p.email COLLATE "C") = lower(the_email COLLATE "C")
        AND NOT (p.issuer = the_issuer AND p.subject = the_subject AND p.registered_by IS NULL);
      RETURN QUERY
        INSERT INTO principal AS p (id, kind, issuer, subject, email, claimed_email, display_name, created_at, updated_at)
        VALUES (fresh, 'HUMAN', the_issuer, the_subject, the_email, the_email, the_name, at, at)
        ON CONFLICT (issuer, subject) WHERE registered_by IS NULL DO UPDATE
          SET email = coalesce(excluded.email, p.email), claimed_email = excluded.claimed_email,
              display_name = coalesce(excluded.display_name, p.display_name), updated_at = at
        RETURNING p.id, p.kind;
      RETURN;
    EXCEPTION WHEN unique_violation THEN
      -- Somebody proved the same address at the same time: whoever comes second has it.
    END;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION app.viewer()
RETURNS TABLE (id uuid, kind text, email text, display_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT p.id, p.kind, p.claimed_email, p.display_name FROM principal p WHERE p.id = app.acting() $$;

CREATE OR REPLACE FUNCTION app.viewer_memberships(at timestamptz)
RETURNS TABLE (membership_id uuid, organization_id uuid, organization_name text, organization_type text, role text,
               state text, starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT m.id, o.id, o.name, o.type, m.role, m.state, m.starts_at, m.ends_at
  FROM principal p
  JOIN membership m ON m.principal_id = p.id
    OR (m.principal_id IS NULL AND m.state = 'INVITED' AND lower(m.email COLLATE "C") = lower(p.claimed_email COLLATE "C"))
  JOIN organization o ON o.id = m.organization_id
  WHERE p.id = app.acting() AND (m.state = 'INVITED' OR (m.state = 'ACTIVE' AND m.starts_at <= at)) AND (m.ends_at IS NULL OR m.ends_at > at)
  ORDER BY o.name, m.id
$$;

CREATE OR REPLACE FUNCTION app.invitation(membership uuid) RETURNS SETOF membership
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT m.* FROM membership m JOIN principal p ON p.id = app.acting()
  WHERE m.id = invitation.membership
    AND (m.principal_id = p.id OR (m.principal_id IS NULL AND lower(m.email COLLATE "C") = lower(p.claimed_email COLLATE "C")))
$$;

CREATE OR REPLACE FUNCTION app.membership_accept(membership uuid, at timestamptz) RETURNS SETOF membership
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE membership m
  SET principal_id = p.id, state = 'ACTIVE', accepted_at = at, starts_at = greatest(m.starts_at, at), version = m.version + 1, updated_at = at
  FROM principal p
  WHERE p.id = app.acting() AND m.id = membership_accept.membership AND m.state = 'INVITED'
    AND (m.ends_at IS NULL OR m.ends_at > at)
    AND (m.principal_id = p.id OR (m.principal_id IS NULL AND lower(m.email COLLATE "C") = lower(p.claimed_email COLLATE "C")))
  RETURNING m.*
$$;

CREATE OR REPLACE FUNCTION app.membership_decline(membership uuid, at timestamptz) RETURNS SETOF membership
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE membership m
  SET state = 'DECLINED', ended_at = at, version = m.version + 1, updated_at = at
  FROM principal p
  WHERE p.id = app.acting() AND m.id = membership_decline.membership AND m.state = 'INVITED'
    AND (m.principal_id = p.id OR (m.principal_id IS NULL AND lower(m.email COLLATE "C") = lower(p.claimed_email COLLATE "C")))
  RETURNING m.*
$$;

-- A machine, as the organization registered it for which it asks; or one that is a member there; or the first one of that name.
CREATE FUNCTION app.registered(the_issuer text, the_subject text, org uuid) RETURNS TABLE (id uuid, kind text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT p.id, p.kind FROM principal p
  WHERE p.issuer = the_issuer AND p.subject = the_subject AND p.kind IN ('AGENT', 'SERVICE')
  ORDER BY (p.registered_by = org) DESC NULLS LAST,
    EXISTS (SELECT FROM membership m WHERE m.organization_id = org AND m.principal_id = p.id AND m.state = 'ACTIVE') DESC,
    p.created_at, p.id
  LIMIT 1
$$;

-- No row: the acting organization has registered it before.
CREATE OR REPLACE FUNCTION app.principal_register(fresh uuid, the_kind text, the_issuer text, the_subject text, the_name text, at timestamptz)
RETURNS TABLE (id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  INSERT INTO principal AS p (id, kind, issuer, subject, display_name, registered_by, created_at, updated_at)
  SELECT fresh, the_kind, the_issuer, the_subject, the_name, app.acting(), at, at WHERE the_kind IN ('AGENT', 'SERVICE')
  ON CONFLICT (issuer, subject, registered_by) WHERE registered_by IS NOT NULL DO NOTHING
  RETURNING p.id
$$;

-- How many people, besides this membership's holder, can let others in without end. Where somebody owns the organization, only
-- owners can let in owners: without one it would be without an owner for good.
CREATE OR REPLACE FUNCTION app.other_governors(but uuid, at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT count(*) FROM membership m JOIN principal p ON p.id = m.principal_id JOIN organization o ON o.id = m.organization_id
  WHERE m.organization_id = app.acting() AND m.id <> but AND p.kind = 'HUMAN' AND m.state = 'ACTIVE'
    AND (m.role = 'OWNER' OR (m.role = 'ADMINISTRATOR'
      AND (o.type NOT IN ('INDIVIDUAL_PROPERTY_OWNER', 'TRUST_OR_LLC')
        OR NOT EXISTS (SELECT FROM membership leaving WHERE leaving.organization_id = m.organization_id AND leaving.id = but AND leaving.role = 'OWNER'))))
    AND m.starts_at <= at AND m.ends_at IS NULL
$$;

-- Whether the principal in whose scope this runs proves an address today, and how many organizations it has founded, as far as it is
-- counted.
CREATE FUNCTION app.founder_counts(most int) RETURNS TABLE (proven boolean, founded bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT p.claimed_email IS NOT NULL,
    (SELECT count(*) FROM (
      SELECT DISTINCT m.organization_id FROM membership m WHERE m.principal_id = p.id AND m.invited_by = p.id LIMIT most) AS own)
  FROM principal p WHERE p.id = app.acting()
$$;

-- The machines that the acting organization has registered, as far as they are counted.
CREATE FUNCTION app.machines(most int) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT count(*) FROM (SELECT FROM principal p WHERE p.registered_by = app.acting() LIMIT most) AS own $$;

-- The open invitations to an address, or to a principal, by one who invites, as far as they are counted. Nobody uses up what others may
-- invite to.
CREATE FUNCTION app.invitations_open(the_email text, who uuid, inviter uuid, most int) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT count(*) FROM (
    SELECT FROM membership m
    WHERE m.state = 'INVITED' AND m.invited_by = inviter AND (m.principal_id = who OR (m.principal_id IS NULL AND lower(m.email COLLATE "C") = lower(the_email COLLATE "C")))
    LIMIT most) AS open
$$;
"#;
