//! Tallies: the numbers of a desk's rows by several measures, kept in the transaction of the rows, so that nobody counts hundreds of
//! thousands of them. Each change adds its differences and touches nothing that another owner's change touches, so that nobody waits
//! for anybody; whoever keeps time adds them up.

use crate::class;

/// How the rows of a projection are counted. All but the table are SQL over a row `r` of it.
pub struct Tally<'a> {
    /// The projection: each row belongs to a desk, `organization_id`, and is about an owner's, `owner_organization_id`.
    pub table: &'a str,
    /// Each measure with a row's value, a text. A row whose value is NULL is left out.
    pub measures: &'a [(&'a str, &'a str)],
    /// The measure of the hour in which a row is due, with the column that says when.
    pub due: (&'a str, &'a str),
}

/// The hour of a time, as tallies name it: such texts have the order of their hours.
fn hour(time: &str) -> String {
    format!("to_char({time} AT TIME ZONE 'UTC', 'YYYYMMDDHH24')")
}

impl Tally<'_> {
    /// The tables, the triggers that keep them, and the functions by which a desk reads them.
    pub fn sql(&self) -> String {
        let Tally { table, measures, due: (due, due_at) } = self;
        let due_hour = hour(due_at);
        let owner = ("OWNER", "r.owner_organization_id::text");
        let all = measures.iter().copied().chain([owner, (*due, due_hour.as_str())]);
        let values: Vec<String> = all.map(|(name, value)| format!("('{name}', {value})")).collect();
        let (values, before) = (values.join(", "), hour("before"));
        let acts = class::lets_act("g");
        let mut sql = format!(
            "
-- The owners of a desk's rows, with the times at which the desk may see them.
CREATE TABLE {table}_owner (
  organization_id uuid NOT NULL,
  owner_organization_id uuid NOT NULL,
  seen tstzmultirange NOT NULL,
  PRIMARY KEY (organization_id, owner_organization_id)
);
-- Those whom the desk may see no more, for whoever takes their rows away.
CREATE INDEX {table}_owner_ended ON {table}_owner (upper(seen));

CREATE TABLE {table}_tally (
  organization_id uuid NOT NULL,
  measure text NOT NULL,
  value text NOT NULL,
  n int NOT NULL,
  PRIMARY KEY (organization_id, measure, value)
) WITH (fillfactor = 70);
CREATE INDEX {table}_tally_most ON {table}_tally (organization_id, measure, n DESC, value);

-- What is yet to be added up.
CREATE TABLE {table}_delta (
  organization_id uuid NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  measure text NOT NULL,
  value text NOT NULL,
  d int NOT NULL,
  PRIMARY KEY (organization_id, id)
);
CREATE INDEX {table}_delta_of ON {table}_delta (organization_id, measure);

-- The times at which a desk may see an owner's rows, by the grants that it has.
CREATE FUNCTION app.{table}_seen(desk uuid, owner uuid) RETURNS tstzmultirange
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT coalesce(range_agg(tstzrange(g.starts_at, g.ends_at)), '{{}}') FROM access_grant g
  WHERE g.organization_id = owner AND g.grantee_organization_id = desk AND {acts}
$$;
ALTER FUNCTION app.{table}_seen(uuid, uuid) OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.{table}_seen(uuid, uuid) FROM PUBLIC;

-- Adds up what is new. One at a time does so.
CREATE FUNCTION app.{table}_add_up(most int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF EXISTS (SELECT FROM {table}_delta) AND pg_try_advisory_xact_lock(hashtextextended('{table}_tally', 9)) THEN
    WITH new AS (
      DELETE FROM {table}_delta d
      WHERE (d.organization_id, d.id) IN (SELECT f.organization_id, f.id FROM {table}_delta f ORDER BY f.organization_id, f.id LIMIT most)
      RETURNING d.organization_id, d.measure, d.value, d.d)
    INSERT INTO {table}_tally AS t (organization_id, measure, value, n)
    SELECT organization_id, measure, value, sum(d) FROM new GROUP BY 1, 2, 3 HAVING sum(d) <> 0
    ON CONFLICT (organization_id, measure, value) DO UPDATE SET n = t.n + excluded.n;
    DELETE FROM {table}_tally t WHERE t.n = 0;
  END IF;
END $$;
ALTER FUNCTION app.{table}_add_up(int) OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.{table}_add_up(int) FROM PUBLIC;
CREATE INDEX {table}_tally_none ON {table}_tally (organization_id) WHERE n = 0;
"
        );
        let came = "SELECT 1 AS d, * FROM came";
        let went = "SELECT -1 AS d, * FROM went";
        for (event, referencing, changed) in [
            ("insert", "NEW TABLE AS came", came.to_owned()),
            ("update", "OLD TABLE AS went NEW TABLE AS came", format!("{came} UNION ALL {went}")),
            ("delete", "OLD TABLE AS went", went.to_owned()),
        ] {
            // An owner is there with their first row.
            let owners = if event == "insert" {
                format!(
                    "INSERT INTO {table}_owner (organization_id, owner_organization_id, seen)
  SELECT r.organization_id, r.owner_organization_id, app.{table}_seen(r.organization_id, r.owner_organization_id)
  FROM (SELECT DISTINCT c.organization_id, c.owner_organization_id FROM came c) r
  WHERE NOT EXISTS (SELECT FROM {table}_owner o WHERE (o.organization_id, o.owner_organization_id) = (r.organization_id, r.owner_organization_id))
  ORDER BY 1, 2 ON CONFLICT DO NOTHING;"
                )
            } else {
                String::new()
            };
            sql.push_str(&format!(
                "
CREATE FUNCTION app.{table}_tally_{event}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  INSERT INTO {table}_delta (organization_id, measure, value, d)
  SELECT r.organization_id, m.measure, m.value, sum(r.d)
  FROM ({changed}) r, LATERAL (VALUES {values}) AS m(measure, value)
  WHERE m.value IS NOT NULL GROUP BY 1, 2, 3 HAVING sum(r.d) <> 0;
  {owners}
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
  WITH me AS MATERIALIZED (SELECT app.acting() AS id WHERE app.acting() = ANY (app.in_scope('read'))),
  hidden AS MATERIALIZED (
    SELECT o.organization_id, o.owner_organization_id FROM {table}_owner o
    WHERE o.organization_id = (SELECT id FROM me) AND NOT o.seen @> (SELECT app.clock()))
  SELECT c.measure, c.value, sum(c.n) FROM (
    SELECT t.measure, t.value, t.n FROM {table}_tally t
    WHERE t.organization_id = (SELECT id FROM me) AND t.measure = ANY (array_remove(measures, '{due}'))
    UNION ALL
    SELECT t.measure, t.value, t.n FROM {table}_tally t
    WHERE '{due}' = ANY (measures) AND t.organization_id = (SELECT id FROM me) AND t.measure = '{due}' AND t.value < {before}
    UNION ALL
    SELECT t.measure, t.value, t.d FROM {table}_delta t
    WHERE t.organization_id = (SELECT id FROM me) AND t.measure = ANY (measures) AND (t.measure <> '{due}' OR t.value < {before})
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
  WITH me AS MATERIALIZED (SELECT app.acting() AS id WHERE app.acting() = ANY (app.in_scope('read'))),
  fresh AS MATERIALIZED (
    SELECT d.value, sum(d.d) AS n FROM {table}_delta d WHERE d.organization_id = (SELECT id FROM me) AND d.measure = 'OWNER' GROUP BY 1),
  hidden AS MATERIALIZED (
    SELECT o.owner_organization_id::text AS value FROM {table}_owner o WHERE o.organization_id = (SELECT id FROM me) AND NOT o.seen @> (SELECT app.clock())),
  -- Whatever is hidden or new may change the order of so many.
  first AS (
    SELECT t.value FROM {table}_tally t WHERE t.organization_id = (SELECT id FROM me) AND t.measure = 'OWNER'
    ORDER BY t.n DESC, t.value LIMIT most + (SELECT count(*) FROM fresh) + (SELECT count(*) FROM hidden))
  SELECT c.value::uuid, c.n FROM (
    SELECT v.value, coalesce((SELECT t.n FROM {table}_tally t WHERE t.organization_id = (SELECT id FROM me) AND t.measure = 'OWNER' AND t.value = v.value), 0)
      + coalesce((SELECT f.n FROM fresh f WHERE f.value = v.value), 0) AS n
    FROM (SELECT value FROM first UNION SELECT value FROM fresh) v
    WHERE NOT EXISTS (SELECT FROM hidden h WHERE h.value = v.value)) c
  WHERE c.n > 0 ORDER BY c.n DESC, c.value LIMIT most
$$;
"
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

    /// To be called where none of an owner's rows is left.
    pub fn gone(&self, desk: &str, owner: &str) -> String {
        let table = self.table;
        format!("DELETE FROM {table}_owner o WHERE o.organization_id = {desk} AND o.owner_organization_id = {owner};")
    }

    /// Adds up what is new.
    pub fn add_up(&self) -> String {
        format!("PERFORM app.{}_add_up(50000);", self.table)
    }
}
