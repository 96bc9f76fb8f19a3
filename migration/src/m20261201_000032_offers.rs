//! Rights that one did not ask for are offers: they count once they are accepted, can be declined, and end by themselves if nobody
//! answers. And every change of rights is a part of an operation, whoever writes it.

use super::{class, sql_migration};

sql_migration!("m20261201_000032_offers", {
    let mut sql = [TABLES, DUE, CUTS, ANSWERS, ANSWERED, KNOWN, VIEWER, PROJECTION, SOUND].concat();
    for signature in [
        "app.delegation_offer(uuid)",
        "app.delegation_answer(uuid, boolean, timestamptz)",
        "app.access_grant_offer(uuid)",
        "app.access_grant_answer(uuid, boolean, uuid, text, timestamptz)",
        "app.addressed(uuid, text)",
        "app.invitation(uuid)",
        "app.membership_accept(uuid, timestamptz)",
        "app.membership_decline(uuid, timestamptz)",
        "app.viewer_memberships(timestamptz, int)",
        "app.viewer_invitations(timestamptz, int)",
        "app.viewer_delegations(timestamptz, text, int)",
    ] {
        sql.push_str(&class::definer_function(signature));
    }
    for trigger in ["app.right_sound()", "app.keep_deadline()"] {
        sql.push_str(&format!(
            "ALTER FUNCTION {trigger} OWNER TO hestami_definer; REVOKE ALL ON FUNCTION {trigger} FROM PUBLIC;\n"
        ));
    }
    sql.push_str(&class::across());
    sql
});

const TABLES: &str = r"
-- Until when an open offer can be answered. Whatever was answered has none.
ALTER TABLE membership ADD COLUMN answer_by timestamptz;
UPDATE membership SET answer_by = now() + interval '30 days' WHERE state = 'INVITED';

ALTER TABLE delegation ADD COLUMN answer_by timestamptz, ADD COLUMN accepted_at timestamptz;
ALTER TABLE delegation DROP CONSTRAINT delegation_state_check;
ALTER TABLE delegation ADD CONSTRAINT delegation_state_check CHECK (state IN ('OFFERED', 'ACTIVE', 'REVOKED', 'EXPIRED', 'DECLINED'));
CREATE INDEX delegation_offered ON delegation (holder_id, id);
CREATE INDEX membership_by_id ON membership (id);
DROP INDEX delegation_children;
CREATE INDEX delegation_children ON delegation (organization_id, parent_id, id) WHERE parent_id IS NOT NULL AND state IN ('OFFERED', 'ACTIVE');
DROP INDEX delegation_given;
CREATE INDEX delegation_given ON delegation (organization_id, grantor_id) WHERE state IN ('OFFERED', 'ACTIVE');
DROP INDEX delegation_root;
CREATE INDEX delegation_root ON delegation (organization_id, root_id, id) WHERE state IN ('OFFERED', 'ACTIVE') AND parent_id IS NULL;

-- From when it was to count, and from when it does. It counts for nobody as long as the latter is null: it is an offer.
ALTER TABLE access_grant ADD COLUMN asked_from timestamptz, ADD COLUMN answer_by timestamptz, ADD COLUMN accepted_at timestamptz,
  ADD COLUMN accepted_by uuid;
UPDATE access_grant SET asked_from = starts_at, accepted_at = created_at;
ALTER TABLE access_grant ALTER COLUMN asked_from SET NOT NULL, ALTER COLUMN starts_at DROP NOT NULL,
  ADD CONSTRAINT access_grant_accepted CHECK ((starts_at IS NULL) = (accepted_at IS NULL)),
  ADD CONSTRAINT access_grant_term CHECK (ends_at > asked_from);
";

const DUE: &str = r"
-- Of several columns the first time counts.
CREATE OR REPLACE FUNCTION app.keep_deadline() RETURNS trigger
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
      due := (SELECT min((kept ->> name)::timestamptz) FROM unnest(string_to_array(TG_ARGV[1], ' ')) AS columns(name));
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
DROP TRIGGER membership_ends_at_deadline ON membership;
CREATE TRIGGER membership_ends_at_deadline AFTER INSERT OR DELETE OR UPDATE OF ends_at, answer_by, state ON membership
  FOR EACH ROW EXECUTE FUNCTION app.keep_deadline('membership/v1/expire', 'ends_at answer_by', 'INVITED', 'ACTIVE');
DROP TRIGGER delegation_ends_at_deadline ON delegation;
CREATE TRIGGER delegation_ends_at_deadline AFTER INSERT OR DELETE OR UPDATE OF ends_at, answer_by, state ON delegation
  FOR EACH ROW EXECUTE FUNCTION app.keep_deadline('delegation/v1/expire', 'ends_at answer_by', 'OFFERED', 'ACTIVE');
INSERT INTO deadline AS d (organization_id, procedure, id, at)
  SELECT m.organization_id, 'membership/v1/expire', m.id, m.answer_by FROM membership m WHERE m.state = 'INVITED'
  ON CONFLICT (organization_id, procedure, id) DO UPDATE SET at = least(d.at, excluded.at), turns = 0;
";

const CUTS: &str = r"
-- Notes that a delegation was reduced, and all that rests on it with it. Cut: nothing that rests on it counts any more.
CREATE OR REPLACE FUNCTION app.delegation_cut(the_id uuid, cut boolean, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE delegation_line l SET turn = l.turn + cut::int, settled_to = NULL,
    asked_at = greatest(at, l.asked_at + interval '1 microsecond'),
    settles_at = CASE
      WHEN EXISTS (
        SELECT FROM delegation d WHERE d.organization_id = l.organization_id AND d.parent_id = l.id AND d.state IN ('OFFERED', 'ACTIVE'))
      THEN greatest(at, l.asked_at + interval '1 microsecond')
    END
  WHERE l.organization_id = app.acting() AND l.id = the_id
$$;

CREATE OR REPLACE FUNCTION app.delegator_cut(who uuid, the_membership uuid, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  INSERT INTO delegator AS r (organization_id, principal_id, id, settles_at, asked_at)
  SELECT app.acting(), who, the_membership, at, at
  WHERE EXISTS (
    SELECT FROM delegation d
    WHERE d.organization_id = app.acting() AND d.root_id = who AND d.state IN ('OFFERED', 'ACTIVE') AND d.parent_id IS NULL)
  ON CONFLICT (organization_id, principal_id)
  DO UPDATE SET turn = r.turn + 1, settles_at = greatest(excluded.asked_at, r.asked_at + interval '1 microsecond'),
    asked_at = greatest(excluded.asked_at, r.asked_at + interval '1 microsecond')
$$;
";

const ANSWERS: &str = r#"
-- Whether an invitation is for the principal in whose scope this runs: by id, or by the address that their token proves.
CREATE FUNCTION app.addressed(invited uuid, the_email text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT invited = app.acting() OR (invited IS NULL AND EXISTS (
    SELECT FROM principal p WHERE p.id = app.acting() AND lower(p.claimed_email COLLATE "C") = lower(the_email COLLATE "C")))
$$;

CREATE OR REPLACE FUNCTION app.invitation(membership uuid) RETURNS SETOF membership
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT m.* FROM membership m WHERE m.id = invitation.membership AND app.addressed(m.principal_id, m.email) $$;

CREATE OR REPLACE FUNCTION app.membership_accept(membership uuid, at timestamptz) RETURNS SETOF membership
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE membership m
  SET principal_id = app.acting(), state = 'ACTIVE', accepted_at = at, answer_by = NULL, starts_at = greatest(m.starts_at, at),
    version = m.version + 1, updated_at = at
  WHERE m.id = membership_accept.membership AND m.state = 'INVITED' AND (m.ends_at IS NULL OR m.ends_at > at)
    AND (m.answer_by IS NULL OR m.answer_by > at) AND app.addressed(m.principal_id, m.email)
  RETURNING m.*
$$;

CREATE OR REPLACE FUNCTION app.membership_decline(membership uuid, at timestamptz) RETURNS SETOF membership
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE membership m
  SET state = 'DECLINED', ended_at = at, answer_by = NULL, version = m.version + 1, updated_at = at
  WHERE m.id = membership_decline.membership AND m.state = 'INVITED' AND app.addressed(m.principal_id, m.email)
  RETURNING m.*
$$;

-- A delegation that is, or was, offered to the principal in whose scope this runs.
CREATE FUNCTION app.delegation_offer(the_id uuid) RETURNS SETOF delegation
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT d.* FROM delegation d WHERE d.id = the_id AND d.holder_id = app.acting() $$;

CREATE FUNCTION app.delegation_answer(the_id uuid, accepts boolean, at timestamptz) RETURNS SETOF delegation
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE delegation d
  SET state = CASE WHEN accepts THEN 'ACTIVE' ELSE 'DECLINED' END, answer_by = NULL,
    accepted_at = CASE WHEN accepts THEN at END, ended_at = CASE WHEN NOT accepts THEN at END,
    ended_by = CASE WHEN NOT accepts THEN app.acting() END, version = d.version + 1, updated_at = at
  WHERE d.id = the_id AND d.holder_id = app.acting() AND d.state = 'OFFERED'
    AND (NOT accepts OR ((d.answer_by IS NULL OR d.answer_by > at) AND (d.ends_at IS NULL OR d.ends_at > at)))
  RETURNING d.*
$$;

-- A grant to the acting organization, which has no right to lock it.
CREATE FUNCTION app.access_grant_offer(the_id uuid) RETURNS SETOF access_grant
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT g.* FROM access_grant g WHERE g.id = the_id AND g.grantee_organization_id = app.acting() $$;

-- A grant to the acting organization is accepted, declined or given back.
CREATE FUNCTION app.access_grant_answer(the_id uuid, accepts boolean, who uuid, why text, at timestamptz) RETURNS SETOF access_grant
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE access_grant g
  SET starts_at = CASE WHEN accepts THEN greatest(g.asked_from, at) ELSE g.starts_at END,
    accepted_at = CASE WHEN accepts THEN at ELSE g.accepted_at END, accepted_by = CASE WHEN accepts THEN who ELSE g.accepted_by END,
    revoked_at = CASE WHEN NOT accepts THEN at END, revoked_by = CASE WHEN NOT accepts THEN who END,
    revoke_reason = CASE WHEN NOT accepts THEN why END,
    answer_by = NULL, version = g.version + 1, updated_at = at
  WHERE g.id = the_id AND g.grantee_organization_id = app.acting() AND g.revoked_at IS NULL
    AND (NOT accepts OR (g.accepted_at IS NULL AND (g.answer_by IS NULL OR g.answer_by > at) AND (g.ends_at IS NULL OR g.ends_at > at)))
  RETURNING g.*
$$;
GRANT UPDATE ON delegation, access_grant TO hestami_definer;
DROP POLICY access_grant_definer ON access_grant;
CREATE POLICY access_grant_definer ON access_grant TO hestami_definer USING (true) WITH CHECK (true);
"#;

const ANSWERED: &str = r"
-- A grant is found by its id from its other side, too, whether it counts or not.
CREATE OR REPLACE FUNCTION app.whose(ids uuid[]) RETURNS TABLE (kind text, id uuid, organization_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
DECLARE
  acting constant uuid := app.acting();
  moment constant timestamptz := app.clock();
BEGIN
  RETURN QUERY SELECT e.resource_kind, asked.id, e.organization_id
  FROM unnest(ids) AS asked(id)
  CROSS JOIN LATERAL (
    SELECT event.resource_kind, event.organization_id FROM event
    WHERE event.resource_id = asked.id
      AND (event.organization_id = acting OR EXISTS (
        SELECT FROM access_grant g
        WHERE g.organization_id = event.organization_id AND g.grantee_organization_id = acting
          AND (g.id = asked.id
            OR g.revoked_at IS NULL AND g.starts_at <= moment AND (g.ends_at IS NULL OR g.ends_at > moment))))
    LIMIT 1
  ) AS e;
END $$;

-- The answer to an offer is written into the log of the organization that made it.
CREATE POLICY event_answer ON event FOR INSERT TO hestami_app WITH CHECK (
  organization_id = (SELECT app.acting()) AND resource_kind = 'access_grant' AND EXISTS (
    SELECT FROM access_grant g
    WHERE g.organization_id = event.organization_id AND g.id = event.resource_id AND g.grantee_organization_id = event.actor_organization_id));
";

const KNOWN: &str = r"
-- Who offers something to the acting organization is known to it by name as long as the offer is open.
CREATE OR REPLACE VIEW app.organization_card WITH (security_barrier) AS
SELECT o.id, o.type, o.name, known.relation
FROM public.organization o
CROSS JOIN LATERAL (
  SELECT CASE
    WHEN o.id = (SELECT app.acting()) THEN 'OWN'
    WHEN EXISTS (SELECT FROM public.access_grant g
      WHERE g.organization_id = (SELECT app.acting()) AND g.grantee_organization_id = o.id) THEN 'DESK'
    WHEN EXISTS (SELECT FROM public.access_grant g
      WHERE g.organization_id = o.id AND g.grantee_organization_id = (SELECT app.acting()) AND g.revoked_at IS NULL
        AND (g.starts_at <= app.clock() OR (g.starts_at IS NULL AND g.answer_by > app.clock()))
        AND (g.ends_at IS NULL OR g.ends_at > app.clock())) THEN 'ENGAGER'
  END AS relation
) AS known
WHERE known.relation IS NOT NULL;

-- The people, agents and services that the acting organization has to do with: those who ever accepted a membership, and delegates who
-- accepted; the staff of desks that accepted its grant, and the members of those whose grant to it counts; and the gateway itself. Each
-- with the organization through which they are known.
CREATE OR REPLACE VIEW app.person WITH (security_barrier) AS
SELECT p.id, p.kind, p.display_name, known.relation, known.organization_id, o.type AS organization_type, o.name AS organization_name
FROM public.principal p
CROSS JOIN LATERAL (
  SELECT * FROM (
    SELECT 'OWN' AS relation, app.acting() AS organization_id, 1 AS rank
    WHERE EXISTS (
      SELECT FROM public.membership m
      WHERE m.organization_id = (SELECT app.acting()) AND m.principal_id = p.id AND m.accepted_at IS NOT NULL)
    UNION ALL
    SELECT 'OWN', NULL, 2
    WHERE p.kind = 'SYSTEM' OR EXISTS (
      SELECT FROM public.delegation d
      WHERE d.organization_id = (SELECT app.acting()) AND d.holder_id = p.id
        -- Nobody accepted those of before the offers: whoever acted on one is known.
        AND (d.accepted_at IS NOT NULL OR EXISTS (SELECT FROM public.event e WHERE e.organization_id = (SELECT app.acting()) AND e.actor = p.id)))
    UNION ALL
    SELECT 'STAFF', g.grantee_organization_id, 3
    FROM public.membership m JOIN public.access_grant g ON g.grantee_organization_id = m.organization_id
    WHERE m.principal_id = p.id AND m.accepted_at IS NOT NULL AND g.organization_id = (SELECT app.acting())
      AND g.accepted_at IS NOT NULL AND m.accepted_at <= coalesce(g.revoked_at, g.ends_at, 'infinity')
    UNION ALL
    SELECT 'ENGAGER', g.organization_id, 4
    FROM public.membership m JOIN public.access_grant g ON g.organization_id = m.organization_id
    WHERE m.principal_id = p.id AND m.accepted_at IS NOT NULL AND g.grantee_organization_id = (SELECT app.acting())
      AND g.revoked_at IS NULL AND g.starts_at <= app.clock() AND (g.ends_at IS NULL OR g.ends_at > app.clock())
  ) AS ways
  ORDER BY rank LIMIT 1
) AS known
LEFT JOIN public.organization o ON o.id = known.organization_id;
";

const VIEWER: &str = r#"
DROP FUNCTION app.viewer_memberships(timestamptz);
CREATE FUNCTION app.viewer_memberships(at timestamptz, most int)
RETURNS TABLE (membership_id uuid, organization_id uuid, organization_name text, organization_type text, role text, starts_at timestamptz,
               ends_at timestamptz, answer_by timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT m.id, o.id, o.name, o.type, m.role, m.starts_at, m.ends_at, m.answer_by
  FROM membership m JOIN organization o ON o.id = m.organization_id
  WHERE m.principal_id = app.acting() AND m.state = 'ACTIVE' AND m.starts_at <= at AND (m.ends_at IS NULL OR m.ends_at > at)
  ORDER BY o.name, m.id LIMIT most
$$;

-- The open invitations to the principal in whose scope this runs, the newest first.
CREATE FUNCTION app.viewer_invitations(at timestamptz, most int)
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
  ORDER BY m.id DESC LIMIT most
$$;

DROP FUNCTION app.viewer_delegations(timestamptz);
-- The delegations to the principal in whose scope this runs: those that count now, by the organization's name; or the open offers, the
-- newest first.
CREATE FUNCTION app.viewer_delegations(at timestamptz, the_state text, most int)
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
    AND app.rests(d.organization_id, d.id, at)
  ORDER BY CASE WHEN the_state = 'ACTIVE' THEN o.name END, CASE WHEN the_state = 'ACTIVE' THEN d.id END, d.id DESC LIMIT most
$$;
"#;

const PROJECTION: &str = r"
CREATE OR REPLACE FUNCTION app.project_property() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(NEW.organization_id::text, 7));
  INSERT INTO engaged_property AS e
    (organization_id, owner_organization_id, property_id, kind, status, line1, locality, region, country, updated_at, search)
  SELECT DISTINCT g.grantee_organization_id, NEW.organization_id, NEW.id, NEW.kind, NEW.status, NEW.line1, NEW.locality, NEW.region,
    NEW.country, NEW.updated_at, NEW.search
  FROM access_grant g WHERE g.organization_id = NEW.organization_id AND g.revoked_at IS NULL AND g.accepted_at IS NOT NULL
  ON CONFLICT (organization_id, property_id, owner_organization_id) DO UPDATE
    SET kind = excluded.kind, status = excluded.status, line1 = excluded.line1, locality = excluded.locality, region = excluded.region,
        country = excluded.country, updated_at = excluded.updated_at, search = excluded.search;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION app.project_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.revoked_at IS NULL AND NEW.accepted_at IS NOT NULL) = (OLD.revoked_at IS NULL AND OLD.accepted_at IS NOT NULL)
  THEN
    RETURN NULL;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(NEW.organization_id::text, 7));
  IF NEW.revoked_at IS NULL AND NEW.accepted_at IS NOT NULL THEN
    INSERT INTO engaged_property
      (organization_id, owner_organization_id, property_id, kind, status, line1, locality, region, country, updated_at, search)
    SELECT NEW.grantee_organization_id, p.organization_id, p.id, p.kind, p.status, p.line1, p.locality, p.region, p.country,
      p.updated_at, p.search
    FROM property p WHERE p.organization_id = NEW.organization_id
    ON CONFLICT (organization_id, property_id, owner_organization_id) DO NOTHING;
  ELSIF NOT EXISTS (
    SELECT FROM access_grant g WHERE g.organization_id = NEW.organization_id
      AND g.grantee_organization_id = NEW.grantee_organization_id AND g.revoked_at IS NULL AND g.accepted_at IS NOT NULL)
  THEN
    DELETE FROM engaged_property e
    WHERE e.organization_id = NEW.grantee_organization_id AND e.owner_organization_id = NEW.organization_id;
  END IF;
  RETURN NULL;
END $$;
";

const SOUND: &str = r"
-- The transaction says which operation it carries out.
CREATE OR REPLACE FUNCTION app.operation_claim(org uuid, the_id uuid, who uuid, at timestamptz, turns boolean)
RETURNS TABLE (claimed operation, standing jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  SELECT o.* INTO claimed FROM operation o WHERE o.organization_id = org AND o.id = the_id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM set_config('app.operation_id', org || ' ' || the_id, true);
  -- Another statement, so that it sees what was committed while this one waited.
  IF who IS NOT NULL AND claimed.outcome IS NULL THEN
    SELECT to_jsonb(a) INTO standing FROM app.actor_locked(who, org, at, turns) a;
  END IF;
  RETURN NEXT;
END $$;

-- A right is given and taken by an open operation of one of these domains: the organization's own, or, by an answer or a founding, the
-- principal's.
CREATE FUNCTION app.right_sound() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
DECLARE
  said text[] := string_to_array(current_setting('app.operation_id', true), ' ');
BEGIN
  PERFORM FROM operation o
  WHERE o.organization_id = said[1]::uuid AND o.id = said[2]::uuid AND o.outcome IS NULL AND split_part(o.procedure, '/', 1) = ANY (TG_ARGV)
    AND (o.organization_id = NEW.organization_id OR o.organization_id = o.initiator OR o.organization_id = (to_jsonb(NEW) ->> 'grantee_organization_id')::uuid);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no open operation gives this right' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER a_sound BEFORE INSERT OR UPDATE ON membership
  FOR EACH ROW WHEN (session_user = 'hestami_app') EXECUTE FUNCTION app.right_sound('membership', 'organization', 'principal');
CREATE TRIGGER a_sound BEFORE INSERT OR UPDATE ON delegation
  FOR EACH ROW WHEN (session_user = 'hestami_app') EXECUTE FUNCTION app.right_sound('delegation', 'membership');
CREATE TRIGGER a_sound BEFORE INSERT OR UPDATE ON delegation_item
  FOR EACH ROW WHEN (session_user = 'hestami_app') EXECUTE FUNCTION app.right_sound('delegation', 'membership');
CREATE TRIGGER a_sound BEFORE INSERT OR UPDATE ON access_grant
  FOR EACH ROW WHEN (session_user = 'hestami_app') EXECUTE FUNCTION app.right_sound('accessGrant');
";
