//! Delegations: who may do what with which properties until when, by whose leave. What counts now is a
//! view, so that no policy has to know the time or the way from a portfolio to its properties.

use crate::class::{self, Writes};

crate::sql_migration!("m20261121_000009_delegation", {
    let mut sql = String::from(TABLES);
    sql.push_str(&class::authority(
        "delegation",
        &Writes {
            insert: true,
            update: &[
                "actions",
                "may_delegate",
                "ends_at",
                "state",
                "ended_at",
                "ended_by",
                "end_reason",
                "version",
                "updated_at",
            ],
        },
    ));
    sql.push_str(&class::definer("delegation", "SELECT"));
    sql.push_str(&class::authority("delegation_item", &Writes { insert: true, update: &["removed_at"] }));
    sql.push_str(VIEWS);
    sql.push_str(FUNCTIONS);
    for signature in [
        "app.actor(uuid, uuid, timestamptz)",
        "app.actor_locked(uuid, uuid, timestamptz, boolean)",
        "app.viewer_delegations(timestamptz)",
        "app.delegations_due(timestamptz, int)",
    ] {
        sql.push_str(&class::definer_function(signature));
    }
    for trigger in ["app.bump_delegation()", "app.bump_delegates()"] {
        sql.push_str(&format!(
            "ALTER FUNCTION {trigger} OWNER TO hestami_definer; REVOKE ALL ON FUNCTION {trigger} FROM PUBLIC;\n"
        ));
    }
    sql
});

const TABLES: &str = r"
CREATE TABLE delegation (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  holder_id uuid NOT NULL,
  grantor_id uuid NOT NULL REFERENCES principal (id),
  -- The delegation that it rests on, and the member at the beginning of the chain.
  parent_id uuid,
  root_id uuid NOT NULL REFERENCES principal (id),
  actions text[] NOT NULL CHECK (cardinality(actions) > 0 AND actions <@ ARRAY['READ', 'UPDATE', 'ARCHIVE', 'READ_FINANCES', 'RECORD_FINANCES']),
  may_delegate boolean NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz CHECK (ends_at > starts_at),
  state text NOT NULL CHECK (state IN ('ACTIVE', 'REVOKED', 'EXPIRED')),
  reason text,
  ended_at timestamptz,
  ended_by uuid REFERENCES principal (id),
  end_reason text,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT delegation_holder FOREIGN KEY (holder_id) REFERENCES principal (id),
  CONSTRAINT delegation_parent FOREIGN KEY (organization_id, parent_id) REFERENCES delegation (organization_id, id)
);
CREATE INDEX delegation_held ON delegation (organization_id, holder_id, id);
CREATE INDEX delegation_children ON delegation (organization_id, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX delegation_root ON delegation (organization_id, root_id) WHERE state = 'ACTIVE';
-- Definer routes look these up across organizations.
CREATE INDEX delegation_of_principal ON delegation (holder_id) WHERE state = 'ACTIVE';
CREATE INDEX delegation_due ON delegation (ends_at) WHERE ends_at IS NOT NULL AND state = 'ACTIVE';

-- A property; a portfolio, with what is in it at the time; or a property as long as it is in that portfolio.
CREATE TABLE delegation_item (
  organization_id uuid NOT NULL,
  id uuid NOT NULL,
  delegation_id uuid NOT NULL,
  property_id uuid,
  portfolio_id uuid,
  removed_at timestamptz,
  PRIMARY KEY (organization_id, id),
  CHECK (property_id IS NOT NULL OR portfolio_id IS NOT NULL),
  CONSTRAINT delegation_item_delegation FOREIGN KEY (organization_id, delegation_id) REFERENCES delegation (organization_id, id),
  CONSTRAINT delegation_item_property FOREIGN KEY (organization_id, property_id) REFERENCES property (organization_id, id),
  CONSTRAINT delegation_item_portfolio FOREIGN KEY (organization_id, portfolio_id) REFERENCES portfolio (organization_id, id)
);
CREATE INDEX delegation_item_of ON delegation_item (organization_id, delegation_id, id) WHERE removed_at IS NULL;
CREATE INDEX delegation_item_on_property ON delegation_item (organization_id, property_id) WHERE removed_at IS NULL;
CREATE INDEX delegation_item_on_portfolio ON delegation_item (organization_id, portfolio_id) WHERE removed_at IS NULL;
";

const VIEWS: &str = r"
-- A delegation counts in its term, and as long as the member at the beginning of its chain could still give it.
CREATE VIEW delegation_now WITH (security_invoker = true) AS
  SELECT d.* FROM delegation d
  WHERE d.state = 'ACTIVE' AND d.starts_at <= app.clock() AND (d.ends_at IS NULL OR d.ends_at > app.clock())
    AND EXISTS (
      SELECT FROM membership m WHERE m.organization_id = d.organization_id AND m.principal_id = d.root_id AND m.state = 'ACTIVE'
        AND m.role IN ('OWNER', 'CO_OWNER', 'TRUSTEE', 'ADMINISTRATOR')
        AND m.starts_at <= app.clock() AND (m.ends_at IS NULL OR m.ends_at > app.clock()));

CREATE VIEW delegated_property WITH (security_invoker = true) AS
  SELECT i.organization_id, i.property_id, d.holder_id, a.action, d.id AS delegation_id
  FROM delegation_item i JOIN delegation_now d ON d.organization_id = i.organization_id AND d.id = i.delegation_id
  CROSS JOIN LATERAL unnest(d.actions) AS a(action)
  WHERE i.removed_at IS NULL AND i.property_id IS NOT NULL
    AND (i.portfolio_id IS NULL OR EXISTS (
      SELECT FROM portfolio_property m WHERE m.organization_id = i.organization_id AND m.portfolio_id = i.portfolio_id
        AND m.property_id = i.property_id AND m.removed_at IS NULL))
  UNION ALL
  SELECT i.organization_id, m.property_id, d.holder_id, a.action, d.id AS delegation_id
  FROM portfolio_property m
  JOIN delegation_item i ON i.organization_id = m.organization_id AND i.portfolio_id = m.portfolio_id
  JOIN delegation_now d ON d.organization_id = i.organization_id AND d.id = i.delegation_id
  CROSS JOIN LATERAL unnest(d.actions) AS a(action)
  WHERE i.removed_at IS NULL AND i.property_id IS NULL AND m.removed_at IS NULL;

CREATE VIEW delegated_portfolio WITH (security_invoker = true) AS
  SELECT i.organization_id, i.portfolio_id, d.holder_id, a.action, d.id AS delegation_id
  FROM delegation_item i JOIN delegation_now d ON d.organization_id = i.organization_id AND d.id = i.delegation_id
  CROSS JOIN LATERAL unnest(d.actions) AS a(action)
  WHERE i.removed_at IS NULL AND i.property_id IS NULL;

GRANT SELECT ON delegation_now, delegated_property, delegated_portfolio TO hestami_app;
";

const FUNCTIONS: &str = r"
CREATE FUNCTION app.bump_delegation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  INSERT INTO authority_epoch AS e (organization_id, holder_id, epoch) VALUES (NEW.organization_id, NEW.holder_id, 1)
  ON CONFLICT (organization_id, holder_id) DO UPDATE SET epoch = e.epoch + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER delegation_epoch AFTER INSERT OR UPDATE ON delegation FOR EACH ROW EXECUTE FUNCTION app.bump_delegation();

-- What a member may do decides what those may do who have it from them.
CREATE FUNCTION app.bump_delegates() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  INSERT INTO authority_epoch AS e (organization_id, holder_id, epoch)
  SELECT DISTINCT d.organization_id, d.holder_id, 1 FROM delegation d
  WHERE d.organization_id = NEW.organization_id AND d.root_id = NEW.principal_id AND d.state = 'ACTIVE'
  ORDER BY d.holder_id
  ON CONFLICT (organization_id, holder_id) DO UPDATE SET epoch = e.epoch + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER membership_epoch_delegates AFTER UPDATE ON membership FOR EACH ROW EXECUTE FUNCTION app.bump_delegates();

DROP FUNCTION app.actor_locked(uuid, uuid, timestamptz);
DROP FUNCTION app.actor(uuid, uuid, timestamptz);

-- What a principal is in an organization. No row: nothing, or there is no such organization.
CREATE FUNCTION app.actor(who uuid, org uuid, at timestamptz)
RETURNS TABLE (kind text, organization_type text, roles text[], epoch bigint, delegated boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT p.kind, o.type, m.roles, coalesce(e.epoch, 0), d.delegated
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
        AND r.role IN ('OWNER', 'CO_OWNER', 'TRUSTEE', 'ADMINISTRATOR') AND r.starts_at <= at AND (r.ends_at IS NULL OR r.ends_at > at)
      WHERE d.organization_id = org AND d.holder_id = who AND d.state = 'ACTIVE'
        AND d.starts_at <= at AND (d.ends_at IS NULL OR d.ends_at > at)) AS delegated) d
  LEFT JOIN authority_epoch e ON e.organization_id = org AND e.holder_id = who
  WHERE p.id = who AND (m.roles IS NOT NULL OR d.delegated OR p.kind = 'SYSTEM')
$$;

-- The same, and it stays so until the transaction ends: whoever takes a right away waits.
-- With turns, what follows may bump that very epoch: two that share it would wait for each other.
CREATE FUNCTION app.actor_locked(who uuid, org uuid, at timestamptz, turns boolean)
RETURNS TABLE (kind text, organization_type text, roles text[], epoch bigint, delegated boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF turns THEN
    PERFORM FROM authority_epoch e WHERE e.organization_id = org AND e.holder_id = who FOR NO KEY UPDATE;
  ELSE
    PERFORM FROM authority_epoch e WHERE e.organization_id = org AND e.holder_id = who FOR SHARE;
  END IF;
  RETURN QUERY SELECT * FROM app.actor(who, org, at);
END $$;

-- In the principal's own scope, app.acting() is the principal.
CREATE FUNCTION app.viewer_delegations(at timestamptz)
RETURNS TABLE (delegation_id uuid, organization_id uuid, organization_name text, organization_type text, actions text[], may_delegate boolean,
               starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT d.id, o.id, o.name, o.type, d.actions, d.may_delegate, d.starts_at, d.ends_at
  FROM delegation d JOIN organization o ON o.id = d.organization_id
  WHERE d.holder_id = app.acting() AND d.state = 'ACTIVE' AND d.starts_at <= at AND (d.ends_at IS NULL OR d.ends_at > at)
    AND EXISTS (
      SELECT FROM membership r WHERE r.organization_id = d.organization_id AND r.principal_id = d.root_id AND r.state = 'ACTIVE'
        AND r.role IN ('OWNER', 'CO_OWNER', 'TRUSTEE', 'ADMINISTRATOR') AND r.starts_at <= at AND (r.ends_at IS NULL OR r.ends_at > at))
  ORDER BY o.name, d.id
$$;

CREATE FUNCTION app.delegations_due(at timestamptz, most int)
RETURNS TABLE (organization_id uuid, id uuid, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT d.organization_id, d.id, d.ends_at FROM delegation d
  WHERE d.ends_at IS NOT NULL AND d.state = 'ACTIVE' AND d.ends_at <= at
  ORDER BY d.ends_at LIMIT most
$$;
";
