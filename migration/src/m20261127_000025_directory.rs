//! Whom to choose: desks are found by the directory that they opt into, people by their e-mail address. And a desk is told what it
//! may do for whom.

use crate::class;

crate::sql_migration!("m20261127_000025_directory", {
    let mut sql = String::from(ACTED_FOR);
    sql.push_str(&class::definer_function("app.acted_for(uuid[])"));
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
