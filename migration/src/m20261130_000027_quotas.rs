//! Quotas of organizations that have others than the default; and the counts that replicas tell one another, to keep to rates.

use super::{class, class::Writes, sql_migration};

sql_migration!("m20261130_000027_quotas", {
    let mut sql = String::from(TABLE);
    sql.push_str(&class::owned("quota", &Writes { insert: false, update: &[] }));
    sql.push_str(&class::identity("rate_paid"));
    sql.push_str(&class::definer("rate_paid", "SELECT, INSERT, UPDATE, DELETE"));
    sql.push_str(&class::definer_function("app.rates_settle(text, uuid[], bigint[], bigint[])"));
    sql.push_str(&class::definer_function("app.rates_forget()"));
    sql.push_str(&class::across());
    sql
});

const TABLE: &str = r"
CREATE TABLE quota (
  organization_id uuid NOT NULL REFERENCES organization (id),
  -- As `details.quota` has it.
  name text NOT NULL,
  most int NOT NULL CHECK (most >= 0),
  PRIMARY KEY (organization_id, name)
);

-- Lost with a crash: every bucket is full then.
CREATE UNLOGGED TABLE rate_paid (
  key uuid NOT NULL,
  replica text NOT NULL,
  -- Since the bucket was last full there, and the amount by which it is not full.
  paid bigint NOT NULL,
  missing bigint NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (key, replica)
);

CREATE INDEX rate_paid_at ON rate_paid (at);

-- Tells the others the counts of a replica, and answers with theirs of the same buckets. What is missing fills up: an old count of
-- it says nothing.
CREATE FUNCTION app.rates_settle(the_replica text, keys uuid[], counts bigint[], gaps bigint[])
RETURNS TABLE (key uuid, paid bigint, missing bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  INSERT INTO rate_paid AS r (key, replica, paid, missing, at)
  SELECT told.key, the_replica, told.paid, told.missing, now() FROM unnest(keys, counts, gaps) AS told (key, paid, missing)
  ON CONFLICT (key, replica) DO UPDATE SET paid = excluded.paid, missing = excluded.missing, at = excluded.at;
  SELECT r.key, sum(r.paid)::bigint, coalesce(max(r.missing) FILTER (WHERE r.at > now() - interval '3 seconds'), 0)
  FROM rate_paid r WHERE r.key = ANY (keys) AND r.replica <> the_replica GROUP BY r.key
$$;

-- Deletes counts that nobody renewed for a while: their buckets are full again, or their replica is gone.
CREATE FUNCTION app.rates_forget() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  DELETE FROM rate_paid WHERE (key, replica) IN (
    SELECT r.key, r.replica FROM rate_paid r WHERE r.at < now() - interval '10 minutes' ORDER BY r.at LIMIT 5000)
$$;
";
