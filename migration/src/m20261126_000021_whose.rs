//! Things of all who engaged an organization are found by their ids alone, and people and organizations have names for those who
//! have to do with them.

use crate::class;

crate::sql_migration!("m20261126_000021_whose", {
    let mut sql = [WHOSE, &class::definer_function("app.whose(uuid[])"), NAMES].concat();
    sql.push_str(&class::across());
    sql
});

/// The index led by the thing's id still serves everyone who knows both: a history, and the log's own checks.
const WHOSE: &str = r"
DROP INDEX event_resource;
CREATE INDEX event_resource ON event (resource_id, organization_id, seq);

-- The kinds and owners of things that events name: the acting organization's, and those of everyone whose grant to it counts.
-- Row security and the policies judge the rows themselves afterwards.
CREATE FUNCTION app.whose(ids uuid[]) RETURNS TABLE (kind text, id uuid, organization_id uuid)
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
          AND g.revoked_at IS NULL AND g.starts_at <= moment AND (g.ends_at IS NULL OR g.ends_at > moment)))
    LIMIT 1
  ) AS e;
END $$;
";

const NAMES: &str = r"
-- Names are asked of past members as well.
DROP INDEX membership_of_principal;
CREATE INDEX membership_of_principal ON membership (principal_id, organization_id) WHERE principal_id IS NOT NULL;

-- The organizations that the acting one has to do with: itself, desks that it let in at any time, and those whose grant to it
-- counts.
CREATE VIEW app.organization_card WITH (security_barrier) AS
SELECT o.id, o.type, o.name, known.relation
FROM public.organization o
CROSS JOIN LATERAL (
  SELECT CASE
    WHEN o.id = (SELECT app.acting()) THEN 'OWN'
    WHEN EXISTS (SELECT FROM public.access_grant g
      WHERE g.organization_id = (SELECT app.acting()) AND g.grantee_organization_id = o.id) THEN 'DESK'
    WHEN EXISTS (SELECT FROM public.access_grant g
      WHERE g.organization_id = o.id AND g.grantee_organization_id = (SELECT app.acting())
        AND g.revoked_at IS NULL AND g.starts_at <= app.clock() AND (g.ends_at IS NULL OR g.ends_at > app.clock())) THEN 'ENGAGER'
  END AS relation
) AS known
WHERE known.relation IS NOT NULL;

-- The people, agents and services that the acting organization has to do with: those who ever accepted a membership, and delegates who acted, the staff
-- of desks that it let in, and the members of those whose grant to it counts; and the gateway itself. Each with the organization
-- through which they are known.
CREATE VIEW app.person WITH (security_barrier) AS
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
    WHERE p.kind = 'SYSTEM' OR (
      -- Nobody is asked before something is delegated to them: they are known once they have acted on it.
      EXISTS (SELECT FROM public.delegation d WHERE d.organization_id = (SELECT app.acting()) AND d.holder_id = p.id)
      AND EXISTS (SELECT FROM public.event e WHERE e.organization_id = (SELECT app.acting()) AND e.actor = p.id))
    UNION ALL
    SELECT 'STAFF', g.grantee_organization_id, 3
    FROM public.membership m JOIN public.access_grant g ON g.grantee_organization_id = m.organization_id
    WHERE m.principal_id = p.id AND m.accepted_at IS NOT NULL AND g.organization_id = (SELECT app.acting())
      AND m.accepted_at <= coalesce(g.revoked_at, g.ends_at, 'infinity')
    UNION ALL
    SELECT 'ENGAGER', g.organization_id, 4
    FROM public.membership m JOIN public.access_grant g ON g.organization_id = m.organization_id
    WHERE m.principal_id = p.id AND m.accepted_at IS NOT NULL AND g.grantee_organization_id = (SELECT app.acting())
      AND g.revoked_at IS NULL AND g.starts_at <= app.clock() AND (g.ends_at IS NULL OR g.ends_at > app.clock())
  ) AS ways
  ORDER BY rank LIMIT 1
) AS known
LEFT JOIN public.organization o ON o.id = known.organization_id;

ALTER VIEW app.organization_card OWNER TO hestami_definer;
ALTER VIEW app.person OWNER TO hestami_definer;
GRANT SELECT ON app.organization_card, app.person TO hestami_app, hestami_across;
";
