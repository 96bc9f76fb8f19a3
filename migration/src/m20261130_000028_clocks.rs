//! Outcomes are forgotten by the database's own clock as well: a gateway whose clock is wrong forgets none too early.

use super::sql_migration;

sql_migration!("m20261130_000028_clocks", FORGET.to_owned());

const FORGET: &str = r"
CREATE OR REPLACE FUNCTION app.operations_forget(at timestamptz) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  WITH old AS (
    SELECT organization_id, id FROM operation
    WHERE expires_at <= least(at, now()) AND outcome IS NOT NULL ORDER BY expires_at LIMIT 1000
  ), gone AS (
    DELETE FROM operation o USING old WHERE o.organization_id = old.organization_id AND o.id = old.id RETURNING 1
  )
  SELECT count(*) FROM gone
$$;
";
