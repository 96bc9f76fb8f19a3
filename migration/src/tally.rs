//! Tallies: the numbers of a desk's rows by several measures, kept in the transaction of the rows, so that nobody counts hundreds of
//! thousands of them. The rows of one owner are counted in one of several shards: owners who are busy at once seldom wait for another.

/// How the rows of a projection are counted. All but the table are SQL over a row of it.
pub struct Tally<'a> {
    /// The projection: each row belongs to a desk, `organization_id`, and is about an owner's, `owner_organization_id`.
    pub table: &'a str,
    /// Each measure with a row's value, a text. A row whose value is NULL is left out.
    pub measures: &'a [(&'a str, &'a str)],
    /// The measure of the hour in which a row is due, with the column that says when.
    pub due: (&'a str, &'a str),
}

/// The shards of a desk.
const SHARDS: u32 = 16;

/// The hour of a time, as tallies name it: such texts have the order of their hours.
fn hour(time: &str) -> String {
    format!("to_char({time} AT TIME ZONE 'UTC', 'YYYYMMDDHH24')")
}

impl Tally<'_> {
    /// The tables and the triggers that keep them, and the function by which a desk reads them.
    pub fn sql(&self) -> String {
        let Tally { table, measures, due: (due, due_at) } = self;
        let measures: Vec<String> = measures
            .iter()
            .map(|(name, value)| format!("('{name}', {value})"))
            .chain([format!("('{due}', {})", hour(due_at))])
            .collect();
        let measures = measures.join(", ");
        let mut sql = format!(
            "
-- The owners of a desk's rows: the number of their rows, and the times at which the desk may see them.
CREATE TABLE {table}_owner (
  organization_id uuid NOT NULL,
  owner_organization_id uuid NOT NULL,
  n int NOT NULL,
  seen tstzmultirange NOT NULL,
  PRIMARY KEY (organization_id, owner_organization_id)
) WITH (fillfactor = 70);
CREATE INDEX {table}_owner_most ON {table}_owner (organization_id, n DESC, owner_organization_id) INCLUDE (seen);

CREATE TABLE {table}_tally (
  organization_id uuid NOT NULL,
  measure text NOT NULL,
  value text NOT NULL,
  shard int NOT NULL,
  n int NOT NULL,
  PRIMARY KEY (organization_id, measure, value, shard)
) WITH (fillfactor = 50);
CREATE INDEX {table}_tally_none ON {table}_tally (organization_id) WHERE n = 0;

-- The times at which a desk may see an owner's rows, by the grants that it has.
CREATE FUNCTION app.{table}_seen(desk uuid, owner uuid) RETURNS tstzmultirange
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT coalesce(range_agg(tstzrange(g.starts_at, g.ends_at)), '{{}}') FROM access_grant g
  WHERE g.organization_id = owner AND g.grantee_organization_id = desk AND 'act' = ANY (g.scopes) AND g.accepted_at IS NOT NULL AND g.revoked_at IS NULL
$$;
ALTER FUNCTION app.{table}_seen(uuid, uuid) OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.{table}_seen(uuid, uuid) FROM PUBLIC;
"
        );
        let came = "SELECT 1 AS d, * FROM came";
        let went = "SELECT -1 AS d, * FROM went";
        for (event, referencing, changed) in [
            ("insert", "NEW TABLE AS came", came.to_owned()),
            ("update", "OLD TABLE AS went NEW TABLE AS came", format!("{came} UNION ALL {went}")),
            ("delete", "OLD TABLE AS went", went.to_owned()),
        ] {
            sql.push_str(&format!(
                "
CREATE FUNCTION app.{table}_tally_{event}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  INSERT INTO {table}_tally AS t (organization_id, measure, value, shard, n)
  SELECT r.organization_id, m.measure, m.value, abs(hashtext(r.owner_organization_id::text) % {SHARDS}), sum(r.d)
  FROM ({changed}) r, LATERAL (VALUES {measures}) AS m(measure, value)
  WHERE m.value IS NOT NULL GROUP BY 1, 2, 3, 4 HAVING sum(r.d) <> 0 ORDER BY 1, 2, 3, 4
  ON CONFLICT (organization_id, measure, value, shard) DO UPDATE SET n = t.n + excluded.n;
  INSERT INTO {table}_owner AS t (organization_id, owner_organization_id, n, seen)
  SELECT r.organization_id, r.owner_organization_id, sum(r.d), app.{table}_seen(r.organization_id, r.owner_organization_id)
  FROM ({changed}) r GROUP BY 1, 2 HAVING sum(r.d) <> 0 ORDER BY 1, 2
  ON CONFLICT (organization_id, owner_organization_id) DO UPDATE SET n = t.n + excluded.n;
  RETURN NULL;
END $$;
ALTER FUNCTION app.{table}_tally_{event}() OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.{table}_tally_{event}() FROM PUBLIC;
CREATE TRIGGER {table}_tally_{event} AFTER {} ON {table} REFERENCING {referencing}
  FOR EACH STATEMENT EXECUTE FUNCTION app.{table}_tally_{event}();
",
                event.to_uppercase()
            ));
        }
        sql.push_str(&format!(
            "
-- The acting desk's numbers by these measures, without the owners whom it may not see now; of the hours, those before one.
CREATE FUNCTION app.{table}_tallies(measures text[], before timestamptz) RETURNS TABLE (measure text, value text, n bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  WITH hidden AS MATERIALIZED (
    SELECT o.organization_id, o.owner_organization_id FROM {table}_owner o
    WHERE o.organization_id = ANY ((SELECT app.in_scope('read'))::uuid[]) AND o.n <> 0 AND NOT o.seen @> (SELECT app.clock()))
  SELECT c.measure, c.value, sum(c.n) FROM (
    SELECT t.measure, t.value, t.n FROM {table}_tally t
    WHERE t.organization_id = ANY ((SELECT app.in_scope('read'))::uuid[]) AND t.measure = ANY (array_remove(measures, '{due}'))
    UNION ALL
    SELECT t.measure, t.value, t.n FROM {table}_tally t
    WHERE '{due}' = ANY (measures) AND t.organization_id = ANY ((SELECT app.in_scope('read'))::uuid[]) AND t.measure = '{due}' AND t.value < {before}
    UNION ALL
    SELECT r.measure, r.value, -1 FROM hidden h, LATERAL (
      -- Few are hidden, if any: each is looked for by itself.
      SELECT m.measure, m.value FROM {table} r, LATERAL (VALUES {values}) AS m(measure, value)
      WHERE r.organization_id = h.organization_id AND r.owner_organization_id = h.owner_organization_id OFFSET 0) r
    WHERE r.value IS NOT NULL AND r.measure = ANY (measures) AND (r.measure <> '{due}' OR r.value < {before})) c
  GROUP BY 1, 2 HAVING sum(c.n) <> 0
$$;

-- The owners with the most of the acting desk's rows.
CREATE FUNCTION app.{table}_owners(most int) RETURNS TABLE (owner uuid, n bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT o.owner_organization_id, o.n::bigint FROM {table}_owner o
  WHERE o.organization_id = app.acting() AND o.organization_id = ANY (app.in_scope('read')) AND o.n > 0 AND o.seen @> app.clock()
  ORDER BY o.n DESC, o.owner_organization_id LIMIT most
$$;
",
            before = hour("before"),
            values = measures,
        ));
        sql
    }

    /// To be called where a grant changed: the desk and the owner.
    pub fn seen(&self, desk: &str, owner: &str) -> String {
        let table = self.table;
        format!(
            "UPDATE {table}_owner o SET seen = app.{table}_seen({desk}, {owner}) WHERE o.organization_id = {desk} AND o.owner_organization_id = {owner};"
        )
    }

    /// Forgets values that nothing has any more.
    pub fn forget(&self) -> String {
        let table = self.table;
        format!("DELETE FROM {table}_tally t WHERE t.n = 0;")
    }
}
