//! Somebody can be blocked in one organization: they are nobody there until it is lifted, and nothing that rests on them counts.

use super::{
    class::{self, Writes},
    sql_migration,
};

sql_migration!("m20261201_000033_block", {
    let mut sql = String::from(TABLE);
    let update = &["ended_at", "ended_by", "end_reason", "version", "updated_at"];
    sql.push_str(&class::authority("block", &Writes { insert: true, update }));
    sql.push_str(&class::definer("block", "SELECT"));
    sql.push_str(FUNCTIONS);
    sql.push_str(OFFERED);
    for signature in [
        "app.actor(uuid, uuid, timestamptz)",
        "app.blocked(uuid, uuid)",
        "app.block_standing(uuid)",
        "app.block_leaves_owner(uuid, timestamptz)",
        "app.viewer_memberships(timestamptz, int)",
    ] {
        sql.push_str(&class::definer_function(signature));
    }
    sql.push_str(
        "ALTER FUNCTION app.bump_blocked() OWNER TO hestami_definer; REVOKE ALL ON FUNCTION app.bump_blocked() FROM PUBLIC;\n",
    );
    sql.push_str(&class::across());
    sql
});

const TABLE: &str = r"
CREATE TABLE block (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  principal_id uuid NOT NULL REFERENCES principal (id),
  blocked_by uuid NOT NULL REFERENCES principal (id),
  reason text,
  of_owner boolean NOT NULL,
  ended_at timestamptz,
  ended_by uuid REFERENCES principal (id),
  end_reason text,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX block_open ON block (organization_id, principal_id) WHERE ended_at IS NULL;
";

/// What somebody who is blocked offered counts no more than what they gave, and they govern nothing.
const OFFERED: &str = r#"
-- The open invitations to the principal in whose scope this runs, the newest first.
CREATE OR REPLACE FUNCTION app.viewer_invitations(at timestamptz, most int)
RETURNS TABLE (membership_id uuid, organization_id uuid, organization_name text, organization_type text, role text, starts_at timestamptz,
               ends_at timestamptz, answer_by timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT m.id, o.id, o.name, o.type, m.role, m.starts_at, m.ends_at, m.answer_by
  FROM principal p
  JOIN membership m ON m.state = 'INVITED' AND (m.principal_id = p.id
    OR (m.principal_id IS NULL AND lower(m.email COLLATE "C") = lower(p.claimed_email COLLATE "C")))
  JOIN organization o ON o.id = m.organization_id
  WHERE p.id = app.acting() AND (m.ends_at IS NULL OR m.ends_at > at) AND (m.answer_by IS NULL OR m.answer_by > at)
    AND NOT app.blocked(m.organization_id, m.invited_by)
  ORDER BY m.id DESC LIMIT most
$$;

CREATE OR REPLACE FUNCTION app.membership_accept(membership uuid, at timestamptz) RETURNS SETOF membership
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE membership m
  SET principal_id = app.acting(), state = 'ACTIVE', accepted_at = at, answer_by = NULL, starts_at = greatest(m.starts_at, at),
    version = m.version + 1, updated_at = at
  WHERE m.id = membership_accept.membership AND m.state = 'INVITED' AND (m.ends_at IS NULL OR m.ends_at > at)
    AND (m.answer_by IS NULL OR m.answer_by > at) AND app.addressed(m.principal_id, m.email)
    AND NOT app.blocked(m.organization_id, m.invited_by)
  RETURNING m.*
$$;

-- A grant to the acting organization is accepted, declined or given back.
CREATE OR REPLACE FUNCTION app.access_grant_answer(the_id uuid, accepts boolean, who uuid, why text, at timestamptz) RETURNS SETOF access_grant
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE access_grant g
  SET starts_at = CASE WHEN accepts THEN greatest(g.asked_from, at) ELSE g.starts_at END,
    accepted_at = CASE WHEN accepts THEN at ELSE g.accepted_at END, accepted_by = CASE WHEN accepts THEN who ELSE g.accepted_by END,
    revoked_at = CASE WHEN NOT accepts THEN at END, revoked_by = CASE WHEN NOT accepts THEN who END,
    revoke_reason = CASE WHEN NOT accepts THEN why END,
    answer_by = NULL, version = g.version + 1, updated_at = at
  WHERE g.id = the_id AND g.grantee_organization_id = app.acting() AND g.revoked_at IS NULL
    AND (NOT accepts OR (g.accepted_at IS NULL AND (g.answer_by IS NULL OR g.answer_by > at) AND (g.ends_at IS NULL OR g.ends_at > at)
      AND NOT app.blocked(g.organization_id, g.granted_by)))
  RETURNING g.*
$$;

-- The delegations to the principal in whose scope this runs: those that count now, by the organization's name; or the open offers, the
-- newest first.
CREATE OR REPLACE FUNCTION app.viewer_delegations(at timestamptz, the_state text, most int)
RETURNS TABLE (delegation_id uuid, organization_id uuid, organization_name text, organization_type text, actions text[], may_delegate boolean,
               starts_at timestamptz, ends_at timestamptz, reason text, answer_by timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT d.id, o.id, o.name, o.type,
    ARRAY(
      SELECT a.action FROM unnest(d.actions) WITH ORDINALITY AS a(action, place)
      WHERE NOT EXISTS (
        SELECT FROM unnest(l.ancestors) AS above(id) JOIN delegation p ON p.organization_id = d.organization_id AND p.id = above.id
        WHERE a.action <> ALL (p.actions))
      ORDER BY a.place),
    d.may_delegate, d.starts_at, d.ends_at, d.reason, d.answer_by
  FROM delegation d JOIN organization o ON o.id = d.organization_id
  JOIN delegation_line l ON l.organization_id = d.organization_id AND l.id = d.id
  WHERE d.holder_id = app.acting() AND d.state = the_state AND (the_state = 'OFFERED' OR d.starts_at <= at)
    AND (d.ends_at IS NULL OR d.ends_at > at) AND (d.answer_by IS NULL OR d.answer_by > at)
    AND EXISTS (
      SELECT FROM membership r WHERE r.organization_id = d.organization_id AND r.principal_id = d.root_id AND r.state = 'ACTIVE'
        AND app.stands_for_owner(r.role) AND r.starts_at <= at AND (r.ends_at IS NULL OR r.ends_at > at))
    AND app.rests(d.organization_id, d.id, at) AND NOT app.blocked(d.organization_id, d.holder_id)
  ORDER BY CASE WHEN the_state = 'ACTIVE' THEN o.name END, CASE WHEN the_state = 'ACTIVE' THEN d.id END, d.id DESC LIMIT most
$$;

CREATE OR REPLACE FUNCTION app.other_governors(but uuid, at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT count(*) FROM membership m JOIN principal p ON p.id = m.principal_id JOIN organization o ON o.id = m.organization_id
  WHERE m.organization_id = app.acting() AND m.id <> but AND p.kind = 'HUMAN' AND m.state = 'ACTIVE'
    AND (m.role = 'OWNER' OR (m.role = 'ADMINISTRATOR'
      AND (o.type NOT IN ('INDIVIDUAL_PROPERTY_OWNER', 'TRUST_OR_LLC')
        OR NOT EXISTS (SELECT FROM membership leaving WHERE leaving.organization_id = m.organization_id AND leaving.id = but AND leaving.role = 'OWNER'))))
    AND m.starts_at <= at AND m.ends_at IS NULL AND NOT app.blocked(m.organization_id, m.principal_id)
$$;

-- Whether the organization keeps an owner without end who is not blocked, if this one is.
CREATE FUNCTION app.block_leaves_owner(who uuid, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT EXISTS (
    SELECT FROM membership m JOIN principal p ON p.id = m.principal_id
    WHERE m.organization_id = app.acting() AND m.principal_id <> who AND p.kind = 'HUMAN' AND m.state = 'ACTIVE' AND m.role = 'OWNER'
      AND m.starts_at <= at AND m.ends_at IS NULL AND NOT app.blocked(m.organization_id, m.principal_id))
$$;
"#;

const FUNCTIONS: &str = r"
CREATE FUNCTION app.blocked(org uuid, who uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT EXISTS (SELECT FROM block b WHERE b.organization_id = org AND b.principal_id = who AND b.ended_at IS NULL) $$;

-- Null: the acting organization has nothing to do with the principal. Else whether they are one of its owners.
CREATE FUNCTION app.block_standing(who uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT CASE
    WHEN EXISTS (
      SELECT FROM membership m
      WHERE m.organization_id = app.acting() AND m.principal_id = who AND m.state IN ('INVITED', 'ACTIVE') AND m.role = 'OWNER') THEN true
    WHEN EXISTS (
      SELECT FROM membership m WHERE m.organization_id = app.acting() AND m.principal_id = who AND m.state IN ('INVITED', 'ACTIVE'))
      OR EXISTS (
      SELECT FROM delegation d WHERE d.organization_id = app.acting() AND d.holder_id = who AND d.state IN ('OFFERED', 'ACTIVE')) THEN false
  END
$$;

CREATE FUNCTION app.bump_blocked() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  -- The organization's epoch goes before the holder's: those who have something from them are judged anew, too.
  UPDATE authority_epoch e SET epoch = e.epoch + 1 WHERE e.organization_id = NEW.organization_id AND e.holder_id = NEW.organization_id;
  INSERT INTO authority_epoch AS e (organization_id, holder_id, epoch) VALUES (NEW.organization_id, NEW.principal_id, 1)
  ON CONFLICT (organization_id, holder_id) DO UPDATE SET epoch = e.epoch + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER block_epoch AFTER INSERT OR UPDATE ON block FOR EACH ROW EXECUTE FUNCTION app.bump_blocked();
CREATE TRIGGER a_sound BEFORE INSERT OR UPDATE ON block
  FOR EACH ROW WHEN (session_user = 'hestami_app') EXECUTE FUNCTION app.right_sound('block');

CREATE OR REPLACE FUNCTION app.rests(org uuid, the_id uuid, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT EXISTS (
    SELECT FROM delegation d JOIN delegation_line l ON l.organization_id = d.organization_id AND l.id = d.id
    WHERE d.organization_id = org AND d.id = the_id AND NOT app.blocked(org, d.root_id)
      AND NOT EXISTS (
        SELECT FROM delegator r
        WHERE r.organization_id = org AND r.principal_id = d.root_id AND r.turn > l.root_turn)
      AND NOT EXISTS (
        SELECT FROM unnest(l.ancestors, l.turns) AS above(id, turn)
        WHERE NOT EXISTS (
          SELECT FROM delegation p JOIN delegation_line pl ON pl.organization_id = p.organization_id AND pl.id = p.id
          WHERE p.organization_id = org AND p.id = above.id AND pl.turn = above.turn AND p.state = 'ACTIVE'
            AND p.starts_at <= at AND (p.ends_at IS NULL OR p.ends_at > at) AND NOT app.blocked(org, p.holder_id))))
$$;

CREATE OR REPLACE FUNCTION app.actor(who uuid, org uuid, at timestamptz)
RETURNS TABLE (kind text, organization_type text, roles text[], epoch bigint, delegated boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT p.kind, o.type, m.roles, coalesce(e.epoch, 0) + coalesce(below.epoch, 0), d.delegated
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
        AND d.starts_at <= at AND (d.ends_at IS NULL OR d.ends_at > at) AND app.rests(org, d.id, at)) AS delegated) d
  LEFT JOIN authority_epoch e ON e.organization_id = org AND e.holder_id = who
  LEFT JOIN authority_epoch below ON below.organization_id = org AND below.holder_id = org
  WHERE p.id = who AND (m.roles IS NOT NULL OR d.delegated OR p.kind = 'SYSTEM') AND NOT app.blocked(org, who)
$$;

CREATE OR REPLACE FUNCTION app.viewer_memberships(at timestamptz, most int)
RETURNS TABLE (membership_id uuid, organization_id uuid, organization_name text, organization_type text, role text, starts_at timestamptz,
               ends_at timestamptz, answer_by timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT m.id, o.id, o.name, o.type, m.role, m.starts_at, m.ends_at, m.answer_by
  FROM membership m JOIN organization o ON o.id = m.organization_id
  WHERE m.principal_id = app.acting() AND m.state = 'ACTIVE' AND m.starts_at <= at AND (m.ends_at IS NULL OR m.ends_at > at)
    AND NOT app.blocked(m.organization_id, m.principal_id)
  ORDER BY o.name, m.id LIMIT most
$$;
";
