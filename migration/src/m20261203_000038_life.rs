//! Deadlines that a long-lived workflow waits for. The deadline is the truth; the workflow only has to be there when it comes.

use crate::class;

crate::sql_migration!("m20261203_000038_life", {
    let mut sql = String::from(TABLE);
    sql.push_str(&class::identity("life"));
    sql.push_str(&class::definer("life", "SELECT, INSERT, UPDATE"));
    sql.push_str(FUNCTIONS);
    for function in [
        "app.lives_take(timestamptz, interval, text[], int)",
        "app.life_due(uuid, text, uuid)",
        "app.life_planned(uuid, text, uuid, int, timestamptz)",
    ] {
        sql.push_str(&class::definer_function(function));
    }
    sql.push_str("DROP TRIGGER concierge_case_next_at_deadline ON concierge_case; DELETE FROM deadline WHERE procedure = 'case/v1/advance';\n");
    sql.push_str(&class::life("concierge_case", "case", "advance", "next_at", "lifecycle"));
    sql.push_str(&class::across());
    sql
});

const TABLE: &str = r"
-- The trace that the work on a row belongs to, and whether its life waits for this very time.
ALTER TABLE deadline ADD COLUMN traceparent text, ADD COLUMN planned boolean NOT NULL DEFAULT false;
CREATE INDEX deadline_unplanned ON deadline (procedure, at) WHERE NOT planned;

-- The number of the workflow in which a row's life goes on. Rows stay, so that no number is used twice.
CREATE TABLE life (
  organization_id uuid NOT NULL,
  procedure text NOT NULL,
  id uuid NOT NULL,
  epoch int NOT NULL,
  -- What was due and was not done is looked at again after this time of the database.
  again_at timestamptz,
  tries int NOT NULL DEFAULT 0,
  PRIMARY KEY (organization_id, procedure, id)
);
";

const FUNCTIONS: &str = r"
-- Keeps the deadline of a row that has a life. Its arguments: the namespace and the verb of the procedure, the column with the time, and
-- the column with the version that the row began with.
CREATE FUNCTION app.keep_life() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
DECLARE
  kept jsonb := to_jsonb(NEW);
  called text := format('%s/v%s/%s', TG_ARGV[0], kept ->> TG_ARGV[3], TG_ARGV[1]);
  due timestamptz := kept ->> TG_ARGV[2];
BEGIN
  IF due IS NULL THEN
    DELETE FROM deadline d WHERE d.organization_id = NEW.organization_id AND d.procedure = called AND d.id = NEW.id;
  ELSE
    INSERT INTO deadline AS d (organization_id, procedure, id, at, traceparent)
    VALUES (NEW.organization_id, called, NEW.id, due, kept ->> 'traceparent')
    ON CONFLICT (organization_id, procedure, id) DO UPDATE SET at = excluded.at, turns = 0, planned = false WHERE d.at <> excluded.at;
  END IF;
  RETURN NULL;
END $$;
ALTER FUNCTION app.keep_life() OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.keep_life() FROM PUBLIC;

-- Lives that need to be looked at: those whose time is new, and those whose time came a while ago and nothing happened. The latter are
-- looked at less and less often.
CREATE FUNCTION app.lives_take(now timestamptz, grace interval, procedures text[], most int)
RETURNS TABLE (organization_id uuid, procedure text, id uuid, at timestamptz, epoch int, late boolean)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  WITH fresh AS (
    SELECT d.organization_id, d.procedure, d.id, d.at, false AS late FROM deadline d
    WHERE NOT d.planned AND d.procedure = ANY (procedures) ORDER BY d.at LIMIT most
  ), late AS (
    SELECT d.organization_id, d.procedure, d.id, d.at, true AS late
    FROM deadline d LEFT JOIN life l USING (organization_id, procedure, id)
    WHERE d.planned AND d.procedure = ANY (procedures) AND d.at <= lives_take.now - grace AND (l.again_at IS NULL OR l.again_at <= now())
    ORDER BY d.at LIMIT most
  ), both_ AS (SELECT * FROM fresh UNION ALL SELECT * FROM late), kept AS (
    INSERT INTO life AS l (organization_id, procedure, id, epoch)
    SELECT b.organization_id, b.procedure, b.id, 0 FROM both_ b
    ON CONFLICT (organization_id, procedure, id) DO UPDATE SET
      tries = CASE WHEN EXISTS (SELECT FROM late WHERE (late.organization_id, late.procedure, late.id) = (l.organization_id, l.procedure, l.id)) THEN l.tries + 1 ELSE 0 END,
      again_at = CASE WHEN EXISTS (SELECT FROM late WHERE (late.organization_id, late.procedure, late.id) = (l.organization_id, l.procedure, l.id))
        THEN now() + least(power(2, least(l.tries, 10)), 600) * interval '1 second' END
    RETURNING l.organization_id, l.procedure, l.id, l.epoch
  )
  SELECT b.organization_id, b.procedure, b.id, b.at, k.epoch, b.late
  FROM both_ b JOIN kept k USING (organization_id, procedure, id) ORDER BY b.at
$$;

-- The time that a life waits for, its trace, and the number of its workflow. No row: it waits for nothing.
CREATE FUNCTION app.life_due(org uuid, called text, the_id uuid) RETURNS TABLE (at timestamptz, traceparent text, epoch int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT d.at, d.traceparent, coalesce(l.epoch, 0) FROM deadline d LEFT JOIN life l USING (organization_id, procedure, id)
  WHERE d.organization_id = org AND d.procedure = called AND d.id = the_id
$$;

-- Notes the workflow that waits for a time. A time that has moved meanwhile stays to be planned.
CREATE FUNCTION app.life_planned(org uuid, called text, the_id uuid, number int, until timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  INSERT INTO life AS l (organization_id, procedure, id, epoch) VALUES (org, called, the_id, number)
  ON CONFLICT (organization_id, procedure, id) DO UPDATE SET epoch = greatest(l.epoch, excluded.epoch);
  UPDATE deadline d SET planned = true WHERE d.organization_id = org AND d.procedure = called AND d.id = the_id AND d.at = until;
$$;
";
