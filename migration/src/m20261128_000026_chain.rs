//! Delegations that rest on others count as far as those still reach. So one short write at the top of a chain ends, or narrows, all
//! that rests on it; their own rows are brought in line afterwards, some at a time.

use super::{class, class::Writes, sql_migration};

sql_migration!("m20261128_000026_chain", {
    let mut sql = String::from(PRESENT);
    sql.push_str(TABLES);
    let read = Writes { insert: false, update: &[] };
    for table in ["delegation_line", "delegator"] {
        sql.push_str(&class::owned(table, &read));
        sql.push_str(&class::definer(table, "SELECT, INSERT, UPDATE"));
    }
    sql.push_str(COUNTS);
    sql.push_str(ACTORS);
    sql.push_str(CUTS);
    sql.push_str(BEFORE);
    for trigger in ["app.draw_line()", "app.bump_delegates()"] {
        sql.push_str(&format!(
            "ALTER FUNCTION {trigger} OWNER TO hestami_definer; REVOKE ALL ON FUNCTION {trigger} FROM PUBLIC;\n"
        ));
    }
    for signature in [
        "app.actor(uuid, uuid, timestamptz)",
        "app.actor_locked(uuid, uuid, timestamptz, boolean)",
        "app.actor_until(uuid, uuid, uuid, timestamptz)",
        "app.viewer_delegations(timestamptz)",
        "app.delegations_hold()",
        "app.delegation_cut(uuid, boolean, timestamptz)",
        "app.delegator_cut(uuid, uuid, timestamptz)",
        "app.delegation_settled(uuid, uuid, timestamptz)",
        "app.delegator_settled(uuid, int, timestamptz, boolean)",
    ] {
        sql.push_str(&class::definer_function(signature));
    }
    sql.push_str(&class::deadline("delegation_line", "delegation/v1/settle", "settles_at", &[]));
    sql.push_str(&class::deadline("delegator", "membership/v1/settle", "settles_at", &[]));
    sql.push_str(&class::across());
    sql
});

/// A statement for whom nobody waits any more ends.
const PRESENT: &str = r"
ALTER ROLE hestami_app SET client_connection_check_interval = '500ms';
";

const TABLES: &str = r"
-- The place of a delegation in its chain.
CREATE TABLE delegation_line (
  organization_id uuid NOT NULL,
  id uuid NOT NULL,
  -- Those that it rests on, from the first one down, each with its turn when this one was passed on.
  ancestors uuid[] NOT NULL,
  turns int[] NOT NULL,
  -- The turn of the member at the beginning of the chain.
  root_turn int NOT NULL,
  -- How often all that rested on it was ended.
  turn int NOT NULL DEFAULT 0,
  -- Those that rest on it are to be brought in line with it; the ones up to this id are.
  settles_at timestamptz,
  settled_to uuid,
  -- The last time for which it was asked: no two are the same.
  asked_at timestamptz,
  PRIMARY KEY (organization_id, id),
  CHECK (cardinality(ancestors) = cardinality(turns)),
  CONSTRAINT delegation_line_of FOREIGN KEY (organization_id, id) REFERENCES delegation (organization_id, id)
);

-- A member who delegated, and stood for the owner no more at some time.
CREATE TABLE delegator (
  organization_id uuid NOT NULL,
  principal_id uuid NOT NULL REFERENCES principal (id),
  -- The membership by whose end that was first so.
  id uuid NOT NULL,
  -- How often all that rested on the member was ended.
  turn int NOT NULL DEFAULT 1,
  settles_at timestamptz,
  asked_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, principal_id)
);
CREATE UNIQUE INDEX delegator_membership ON delegator (organization_id, id);

WITH RECURSIVE line AS (
  SELECT d.organization_id, d.id, ARRAY[]::uuid[] AS ancestors FROM delegation d WHERE d.parent_id IS NULL
  UNION ALL
  SELECT d.organization_id, d.id, line.ancestors || line.id FROM delegation d
  JOIN line ON line.organization_id = d.organization_id AND line.id = d.parent_id
)
INSERT INTO delegation_line (organization_id, id, ancestors, turns, root_turn)
SELECT organization_id, id, ancestors, array_fill(0, ARRAY[cardinality(ancestors)]), 0 FROM line;
INSERT INTO authority_epoch (organization_id, holder_id, epoch)
SELECT DISTINCT organization_id, organization_id, 0 FROM delegation;

DROP INDEX delegation_children;
CREATE INDEX delegation_children ON delegation (organization_id, parent_id, id) WHERE parent_id IS NOT NULL AND state = 'ACTIVE';
CREATE INDEX delegation_given ON delegation (organization_id, grantor_id) WHERE state = 'ACTIVE';
DROP INDEX delegation_root;
CREATE INDEX delegation_root ON delegation (organization_id, root_id, id) WHERE state = 'ACTIVE' AND parent_id IS NULL;
";

const COUNTS: &str = r"
-- Whether all that a delegation rests on counts at a time: the delegations above it, and the member at the beginning.
CREATE FUNCTION app.rests(org uuid, the_id uuid, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT EXISTS (
    SELECT FROM delegation d JOIN delegation_line l ON l.organization_id = d.organization_id AND l.id = d.id
    WHERE d.organization_id = org AND d.id = the_id
      AND NOT EXISTS (
        SELECT FROM delegator r
        WHERE r.organization_id = org AND r.principal_id = d.root_id AND r.turn > l.root_turn)
      AND NOT EXISTS (
        SELECT FROM unnest(l.ancestors, l.turns) AS above(id, turn)
        WHERE NOT EXISTS (
          SELECT FROM delegation p JOIN delegation_line pl ON pl.organization_id = p.organization_id AND pl.id = p.id
          WHERE p.organization_id = org AND p.id = above.id AND pl.turn = above.turn AND p.state = 'ACTIVE'
            AND p.starts_at <= at AND (p.ends_at IS NULL OR p.ends_at > at))))
$$;

-- Whether all that a delegation rests on goes as far as one of its actions over one of its items.
CREATE FUNCTION app.passed_on(org uuid, the_id uuid, action text, property uuid, portfolio uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT NOT EXISTS (
    SELECT FROM delegation_line l CROSS JOIN unnest(l.ancestors) AS above(id)
    WHERE l.organization_id = org AND l.id = the_id
      AND NOT EXISTS (
        SELECT FROM delegation p JOIN delegation_item i ON i.organization_id = p.organization_id AND i.delegation_id = p.id
        WHERE p.organization_id = org AND p.id = above.id AND action = ANY (p.actions) AND i.removed_at IS NULL
          AND (i.property_id IS NOT DISTINCT FROM property AND i.portfolio_id IS NOT DISTINCT FROM portfolio
            OR property IS NOT NULL AND portfolio IS NOT NULL
              AND (i.property_id IS NULL AND i.portfolio_id = portfolio OR i.portfolio_id IS NULL AND i.property_id = property))))
$$;

-- A delegation counts in its term, and as long as the member at the beginning of its chain could still give it, and all that it
-- rests on counts.
CREATE OR REPLACE VIEW delegation_now WITH (security_invoker = true) AS
  SELECT d.* FROM delegation d
  WHERE d.state = 'ACTIVE' AND d.starts_at <= app.clock() AND (d.ends_at IS NULL OR d.ends_at > app.clock())
    AND EXISTS (
      SELECT FROM membership m WHERE m.organization_id = d.organization_id AND m.principal_id = d.root_id AND m.state = 'ACTIVE'
        AND app.stands_for_owner(m.role)
        AND m.starts_at <= app.clock() AND (m.ends_at IS NULL OR m.ends_at > app.clock()))
    AND app.rests(d.organization_id, d.id, app.clock());

CREATE OR REPLACE VIEW delegated_property WITH (security_invoker = true) AS
  SELECT i.organization_id, i.property_id, d.holder_id, a.action, d.id AS delegation_id
  FROM delegation_item i JOIN delegation_now d ON d.organization_id = i.organization_id AND d.id = i.delegation_id
  CROSS JOIN LATERAL unnest(d.actions) AS a(action)
  WHERE i.removed_at IS NULL AND i.property_id IS NOT NULL
    AND (i.portfolio_id IS NULL OR EXISTS (
      SELECT FROM portfolio_property m WHERE m.organization_id = i.organization_id AND m.portfolio_id = i.portfolio_id
        AND m.property_id = i.property_id AND m.removed_at IS NULL))
    AND (d.parent_id IS NULL OR app.passed_on(d.organization_id, d.id, a.action, i.property_id, i.portfolio_id))
  UNION ALL
  SELECT i.organization_id, m.property_id, d.holder_id, a.action, d.id AS delegation_id
  FROM portfolio_property m
  JOIN delegation_item i ON i.organization_id = m.organization_id AND i.portfolio_id = m.portfolio_id
  JOIN delegation_now d ON d.organization_id = i.organization_id AND d.id = i.delegation_id
  CROSS JOIN LATERAL unnest(d.actions) AS a(action)
  WHERE i.removed_at IS NULL AND i.property_id IS NULL AND m.removed_at IS NULL
    AND (d.parent_id IS NULL OR app.passed_on(d.organization_id, d.id, a.action, NULL, i.portfolio_id));

CREATE OR REPLACE VIEW delegated_portfolio WITH (security_invoker = true) AS
  SELECT i.organization_id, i.portfolio_id, d.holder_id, a.action, d.id AS delegation_id
  FROM delegation_item i JOIN delegation_now d ON d.organization_id = i.organization_id AND d.id = i.delegation_id
  CROSS JOIN LATERAL unnest(d.actions) AS a(action)
  WHERE i.removed_at IS NULL AND i.property_id IS NULL
    AND (d.parent_id IS NULL OR app.passed_on(d.organization_id, d.id, a.action, NULL, i.portfolio_id));

REVOKE ALL ON FUNCTION app.rests(uuid, uuid, timestamptz), app.passed_on(uuid, uuid, text, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.rests(uuid, uuid, timestamptz), app.passed_on(uuid, uuid, text, uuid, uuid) TO hestami_app, hestami_definer;
GRANT SELECT ON delegation_item TO hestami_definer;
CREATE POLICY delegation_item_definer ON delegation_item TO hestami_definer USING (true) WITH CHECK (true);
";

const ACTORS: &str = r"
-- What a principal is in an organization. No row: nothing, or there is no such organization. The epoch counts each change of its own
-- standing, and each cut of a delegation on which others rest.
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
  WHERE p.id = who AND (m.roles IS NOT NULL OR d.delegated OR p.kind = 'SYSTEM')
$$;

-- The lock of an organization's rights. Those who act by a delegation share it, and whoever changes rights has it alone. Whoever waits
-- for it is not overtaken, as one who waits for a row would be.
CREATE FUNCTION app.rights_lock(org uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE AS
$$ SELECT hashtextextended('rights ' || org, 0) $$;

-- The same, and it stays so until the transaction ends: whoever takes a right away waits. The lock goes first in every transaction,
-- then the epochs of holders.
CREATE OR REPLACE FUNCTION app.actor_locked(who uuid, org uuid, at timestamptz, turns boolean)
RETURNS TABLE (kind text, organization_type text, roles text[], epoch bigint, delegated boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF turns THEN
    PERFORM pg_advisory_xact_lock(app.rights_lock(org));
  ELSIF EXISTS (SELECT FROM delegation d WHERE d.organization_id = org AND d.holder_id = who AND d.state = 'ACTIVE') THEN
    PERFORM pg_advisory_xact_lock_shared(app.rights_lock(org));
  END IF;
  IF turns THEN
    PERFORM FROM authority_epoch e WHERE e.organization_id = org AND e.holder_id = who FOR NO KEY UPDATE;
  ELSE
    PERFORM FROM authority_epoch e WHERE e.organization_id = org AND e.holder_id = who FOR SHARE;
  END IF;
  RETURN QUERY SELECT * FROM app.actor(who, org, at);
END $$;

CREATE OR REPLACE FUNCTION app.actor_until(who uuid, org uuid, the_grant uuid, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  WITH held AS (
    SELECT d.starts_at, d.ends_at, d.root_id, l.ancestors FROM delegation d
    JOIN delegation_line l ON l.organization_id = d.organization_id AND l.id = d.id
    WHERE d.organization_id = org AND d.holder_id = who AND d.state = 'ACTIVE'
  ), terms AS (
    SELECT m.starts_at, m.ends_at FROM membership m
    WHERE m.organization_id = org AND m.state = 'ACTIVE' AND (m.principal_id = who OR m.principal_id IN (SELECT root_id FROM held))
    UNION ALL SELECT starts_at, ends_at FROM held
    UNION ALL
    SELECT p.starts_at, p.ends_at FROM held CROSS JOIN unnest(held.ancestors) AS above(id)
    JOIN delegation p ON p.organization_id = org AND p.id = above.id AND p.state = 'ACTIVE'
    UNION ALL SELECT g.starts_at, g.ends_at FROM access_grant g WHERE g.id = the_grant AND g.grantee_organization_id = org
  )
  SELECT least(min(starts_at) FILTER (WHERE starts_at > at), min(ends_at) FILTER (WHERE ends_at > at)) FROM terms
$$;

CREATE OR REPLACE FUNCTION app.viewer_delegations(at timestamptz)
RETURNS TABLE (delegation_id uuid, organization_id uuid, organization_name text, organization_type text, actions text[], may_delegate boolean,
               starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT d.id, o.id, o.name, o.type,
    ARRAY(
      SELECT a.action FROM unnest(d.actions) WITH ORDINALITY AS a(action, place)
      WHERE NOT EXISTS (
        SELECT FROM unnest(l.ancestors) AS above(id) JOIN delegation p ON p.organization_id = d.organization_id AND p.id = above.id
        WHERE a.action <> ALL (p.actions))
      ORDER BY a.place),
    d.may_delegate, d.starts_at, d.ends_at
  FROM delegation d JOIN organization o ON o.id = d.organization_id
  JOIN delegation_line l ON l.organization_id = d.organization_id AND l.id = d.id
  WHERE d.holder_id = app.acting() AND d.state = 'ACTIVE' AND d.starts_at <= at AND (d.ends_at IS NULL OR d.ends_at > at)
    AND EXISTS (
      SELECT FROM membership r WHERE r.organization_id = d.organization_id AND r.principal_id = d.root_id AND r.state = 'ACTIVE'
        AND app.stands_for_owner(r.role) AND r.starts_at <= at AND (r.ends_at IS NULL OR r.ends_at > at))
    AND app.rests(d.organization_id, d.id, at)
  ORDER BY o.name, d.id
$$;
";

const CUTS: &str = r"
-- A new delegation takes its place below its parent, which stays as it is until the transaction ends.
CREATE FUNCTION app.draw_line() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
DECLARE
  above delegation_line;
BEGIN
  INSERT INTO authority_epoch (organization_id, holder_id, epoch) VALUES (NEW.organization_id, NEW.organization_id, 0) ON CONFLICT DO NOTHING;
  IF NEW.parent_id IS NOT NULL THEN
    SELECT * INTO STRICT above FROM delegation_line l WHERE l.organization_id = NEW.organization_id AND l.id = NEW.parent_id FOR SHARE;
    above.ancestors := above.ancestors || above.id;
    above.turns := above.turns || above.turn;
  END IF;
  INSERT INTO delegation_line (organization_id, id, ancestors, turns, root_turn)
  SELECT NEW.organization_id, NEW.id, coalesce(above.ancestors, ARRAY[]::uuid[]), coalesce(above.turns, ARRAY[]::int[]),
    -- A chain has one turn of its root, whenever its parts are passed on.
    coalesce(above.root_turn, (SELECT r.turn FROM delegator r WHERE r.organization_id = NEW.organization_id AND r.principal_id = NEW.root_id), 0);
  RETURN NULL;
END $$;
CREATE TRIGGER delegation_line_drawn AFTER INSERT ON delegation FOR EACH ROW EXECUTE FUNCTION app.draw_line();

-- Whoever acts by a delegation of the acting organization, and has not begun yet, is judged anew. Those who have begun were waited
-- for: this transaction has the lock of the organization's rights.
CREATE FUNCTION app.delegations_hold() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE authority_epoch e SET epoch = e.epoch + 1 WHERE e.organization_id = app.acting() AND e.holder_id = app.acting()
$$;

-- Notes that a delegation was reduced, and all that rests on it with it. Cut: nothing that rests on it counts any more.
CREATE FUNCTION app.delegation_cut(the_id uuid, cut boolean, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE delegation_line l SET turn = l.turn + cut::int, settled_to = NULL,
    asked_at = greatest(at, l.asked_at + interval '1 microsecond'),
    settles_at = CASE
      WHEN EXISTS (SELECT FROM delegation d WHERE d.organization_id = l.organization_id AND d.parent_id = l.id AND d.state = 'ACTIVE')
      THEN greatest(at, l.asked_at + interval '1 microsecond')
    END
  WHERE l.organization_id = app.acting() AND l.id = the_id
$$;

-- Notes that a member stands for the owner no more: nothing that rests on them counts any more, and it does not come back with them.
CREATE FUNCTION app.delegator_cut(who uuid, the_membership uuid, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  INSERT INTO delegator AS r (organization_id, principal_id, id, settles_at, asked_at)
  SELECT app.acting(), who, the_membership, at, at
  WHERE EXISTS (
    SELECT FROM delegation d WHERE d.organization_id = app.acting() AND d.root_id = who AND d.state = 'ACTIVE' AND d.parent_id IS NULL)
  ON CONFLICT (organization_id, principal_id)
  DO UPDATE SET turn = r.turn + 1, settles_at = greatest(excluded.asked_at, r.asked_at + interval '1 microsecond'),
    asked_at = greatest(excluded.asked_at, r.asked_at + interval '1 microsecond')
$$;

-- Notes how far those that rest on a delegation are in line with it. No id: all of them are.
CREATE FUNCTION app.delegation_settled(the_id uuid, up_to uuid, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE delegation_line l SET settled_to = up_to, asked_at = greatest(at, l.asked_at + interval '1 microsecond'),
    settles_at = CASE WHEN up_to IS NOT NULL THEN greatest(at, l.asked_at + interval '1 microsecond') END
  WHERE l.organization_id = app.acting() AND l.id = the_id
$$;

-- The same of a member's delegations, as of the turn that was looked at: another one has work of its own.
CREATE FUNCTION app.delegator_settled(who uuid, as_of int, at timestamptz, done boolean) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE delegator r SET asked_at = greatest(at, r.asked_at + interval '1 microsecond'),
    settles_at = CASE WHEN NOT done THEN greatest(at, r.asked_at + interval '1 microsecond') END
  WHERE r.organization_id = app.acting() AND r.principal_id = who AND r.turn = as_of
$$;

-- What a member may do decides what those may do who have it from them.
CREATE OR REPLACE FUNCTION app.bump_delegates() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF EXISTS (
    SELECT FROM delegation d
    WHERE d.organization_id = NEW.organization_id AND d.root_id = NEW.principal_id AND d.state = 'ACTIVE' AND d.parent_id IS NULL)
  THEN
    UPDATE authority_epoch e SET epoch = e.epoch + 1 WHERE e.organization_id = NEW.organization_id AND e.holder_id = NEW.organization_id;
  END IF;
  RETURN NULL;
END $$;
";

/// The triggers of a table run in the order of their names: the organization's epoch goes before the holder's.
const BEFORE: &str = r"
ALTER TRIGGER membership_epoch_delegates ON membership RENAME TO membership_a_epoch_delegates;
";
