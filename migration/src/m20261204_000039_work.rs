//! The queue of a desk: all that waits for somebody, over all owners who let it act.

use crate::{
    class,
    tally::Tally,
    work::{Item, items},
};

crate::sql_migration!("m20261204_000039_work", {
    let mut sql = String::from(TABLES);
    sql.push_str(&class::owned("work_item", &class::Writes { insert: false, update: &[] }));
    sql.push_str(&SIGHT.replace("{acts}", &class::acts("(SELECT app.clock())")));
    sql.push_str(&class::definer("work_item", "SELECT, INSERT, UPDATE, DELETE"));
    sql.push_str(&class::identity("work_due"));
    sql.push_str(&class::definer("work_due", "SELECT, INSERT, UPDATE, DELETE"));
    sql.push_str(&DESKS.replace("{one}", &class::lets_act("g")).replace("{other}", &class::lets_act("h")));
    sql.push_str(&TALLY.sql());
    for table in ["work_item_owner", "work_item_tally", "work_item_delta"] {
        sql.push_str(&class::identity(table));
        sql.push_str(&class::definer(table, "SELECT, INSERT, UPDATE, DELETE"));
    }
    for function in ["app.work_item_tallies(text[], timestamptz)", "app.work_item_owners(int)"] {
        sql.push_str(&class::definer_function(function));
    }
    for item in ITEMS {
        sql.push_str(&items(item));
    }
    sql.push_str(QUESTIONS);
    let tables: Vec<&str> = ITEMS.iter().map(|item| item.source).collect();
    sql.push_str(&grants(&tables));
    sql.push_str(&class::definer_function("app.work_catch_up(int, timestamptz)"));
    sql.push_str(BEFORE);
    sql.push_str(&class::across());
    sql
});

/// A desk's queue is counted by these.
const TALLY: Tally<'static> = Tally {
    table: "work_item",
    measures: &[
        ("KIND", "r.kind"),
        ("STATE", "r.state"),
        ("PRIORITY", "r.priority"),
        ("ASSIGNEE", "coalesce(r.assignee_id::text, '')"),
        ("LATE", "CASE WHEN r.late THEN 'LATE' END"),
    ],
    due: ("DUE", "r.due_sort"),
};

const ITEMS: &[Item<'static>] = &[
    Item {
        source: "concierge_case",
        kind: "CASE",
        with: "",
        waits: "r.state NOT IN ('RESOLVED', 'CLOSED', 'CANCELLED')",
        desk: "r.desk_id",
        columns: &[
            ("case_id", "r.id"),
            ("property_id", "r.property_id"),
            ("number", "'C-' || r.number"),
            ("title", "r.title"),
            ("state", "r.state"),
            ("priority", "r.priority"),
            (
                "due_at",
                "CASE WHEN r.acknowledged_at IS NULL THEN least(r.acknowledge_by, r.resolve_by) ELSE coalesce(r.resolve_by, r.waiting_until) END",
            ),
            // Whoever works on it is of the desk that holds it.
            ("assignee_id", "CASE WHEN d.desk = r.desk_id THEN r.assignee_id END"),
            (
                "waiting_for",
                "CASE r.state WHEN 'WAITING_OWNER' THEN 'OWNER' WHEN 'WAITING_EXTERNAL' THEN 'OTHERS' ELSE 'DESK' END",
            ),
            ("late", "r.escalated_at IS NOT NULL"),
            ("created_at", "r.created_at"),
            ("updated_at", "r.updated_at"),
            ("version", "r.version"),
            ("search", "r.search"),
        ],
        changed: "state, title, priority, property_id, desk_id, assignee_id, acknowledge_by, acknowledged_at, resolve_by, waiting_until, escalated_at, version",
    },
    Item {
        source: "case_question",
        kind: "QUESTION",
        with: "JOIN concierge_case c ON c.organization_id = r.organization_id AND c.id = r.case_id",
        waits: "r.state = 'OPEN'",
        desk: "(SELECT k.desk_id FROM concierge_case k WHERE k.organization_id = r.organization_id AND k.id = r.case_id)",
        columns: &[
            ("case_id", "r.case_id"),
            ("question_id", "r.id"),
            ("property_id", "c.property_id"),
            ("number", "'C-' || c.number"),
            ("title", "left(r.text, 200)"),
            ("state", "r.state"),
            ("priority", "c.priority"),
            ("due_at", "r.due_at"),
            ("assignee_id", "CASE WHEN d.desk = c.desk_id THEN c.assignee_id END"),
            ("waiting_for", "'OWNER'"),
            ("late", "r.escalated_at IS NOT NULL"),
            ("created_at", "r.created_at"),
            ("updated_at", "r.updated_at"),
            ("version", "r.version"),
            ("search", "r.search"),
        ],
        changed: "state, escalated_at, version",
    },
    Item {
        source: "intent",
        kind: "INTENT",
        with: "LEFT JOIN property p ON p.organization_id = r.organization_id AND p.id = r.property_id",
        waits: "r.state IN ('SUBMITTED', 'CLASSIFIED')",
        desk: "NULL",
        columns: &[
            ("intent_id", "r.id"),
            ("property_id", "r.property_id"),
            ("number", "'I-' || r.number"),
            ("title", "coalesce(r.wanted, left(r.text, 200))"),
            ("state", "r.state"),
            ("priority", "coalesce(r.urgency, r.priority)"),
            ("due_at", "(r.not_after + 1)::timestamp AT TIME ZONE coalesce(p.time_zone, 'UTC')"),
            ("waiting_for", "'DESK'"),
            ("late", "false"),
            ("created_at", "r.created_at"),
            ("updated_at", "r.updated_at"),
            ("version", "r.version"),
            ("search", "r.search"),
        ],
        changed: "state, text, wanted, priority, urgency, not_after, version",
    },
];

const TABLES: &str = r"
CREATE TABLE work_item (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  owner_organization_id uuid NOT NULL,
  -- The row of the owner's that waits.
  item_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('CASE', 'QUESTION', 'INTENT')),
  case_id uuid,
  intent_id uuid,
  question_id uuid,
  property_id uuid,
  number text NOT NULL,
  title text NOT NULL,
  state text NOT NULL CHECK (state IN ('SUBMITTED', 'CLASSIFIED', 'NEW', 'TRIAGED', 'IN_PROGRESS', 'WAITING_OWNER', 'WAITING_EXTERNAL', 'OPEN')),
  priority text NOT NULL CHECK (priority IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')),
  priority_rank int NOT NULL,
  due_at timestamptz,
  due_sort timestamptz NOT NULL,
  assignee_id uuid,
  waiting_for text NOT NULL CHECK (waiting_for IN ('DESK', 'OWNER', 'OTHERS')),
  late boolean NOT NULL,
  version int NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  search text,
  PRIMARY KEY (organization_id, id)
);
CREATE INDEX work_item_due ON work_item (organization_id, due_sort, id) INCLUDE (owner_organization_id, state, kind, assignee_id);
CREATE INDEX work_item_priority ON work_item (organization_id, priority_rank, id);
CREATE INDEX work_item_created ON work_item (organization_id, created_at, id);
CREATE INDEX work_item_updated ON work_item (organization_id, updated_at, id);
CREATE INDEX work_item_assignee ON work_item (organization_id, assignee_id, due_sort, id);
CREATE INDEX work_item_of ON work_item (organization_id, owner_organization_id, due_sort, id);
-- Whatever changes an owner's row looks for its items in every desk's queue.
CREATE INDEX work_item_source ON work_item (owner_organization_id, item_id);

-- The owners whose rows are yet to be brought into a desk's queue, or out of it.
CREATE TABLE work_due (
  grantee_organization_id uuid NOT NULL,
  owner_organization_id uuid NOT NULL,
  after uuid NOT NULL,
  PRIMARY KEY (grantee_organization_id, owner_organization_id)
);
";

const SIGHT: &str = r"
-- Whatever is yet to be brought in line, the desk sees the rows of those only who let it act now.
ALTER POLICY work_item_read ON work_item
  USING (organization_id = ANY ((SELECT app.in_scope('read'))::uuid[]) AND owner_organization_id IN (
    SELECT g.organization_id FROM access_grant g WHERE g.grantee_organization_id = (SELECT app.acting())
      AND {acts}));
";

const DESKS: &str = r"
-- The desks that an owner let act, or will; of them the one that holds a thing, as long as it is one of them. Or one of them only.
CREATE FUNCTION app.desks_at_work(owner uuid, holder uuid, only_for uuid) RETURNS TABLE (desk uuid)
LANGUAGE sql STABLE AS
$$
  SELECT DISTINCT g.grantee_organization_id FROM access_grant g
  WHERE g.organization_id = owner AND {one} AND (g.ends_at IS NULL OR g.ends_at > app.clock()) AND (only_for IS NULL OR g.grantee_organization_id = only_for)
    AND (holder IS NULL OR g.grantee_organization_id = holder OR NOT EXISTS (
      SELECT FROM access_grant h WHERE h.organization_id = owner AND h.grantee_organization_id = holder
        AND {other} AND (h.ends_at IS NULL OR h.ends_at > app.clock())))
$$;
ALTER FUNCTION app.desks_at_work(uuid, uuid, uuid) OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.desks_at_work(uuid, uuid, uuid) FROM PUBLIC;
";

/// A question stands in the queue with its case's urgency and assignee, and with the desk that holds it.
const QUESTIONS: &str = r"
CREATE FUNCTION app.keep_items_of_questions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  DELETE FROM work_item w WHERE w.owner_organization_id = NEW.organization_id AND w.kind = 'QUESTION'
    AND w.item_id IN (SELECT q.id FROM case_question q WHERE q.organization_id = NEW.organization_id AND q.case_id = NEW.id)
    AND NEW.desk_id IS NOT NULL AND w.organization_id <> NEW.desk_id;
  INSERT INTO work_item SELECT i.* FROM case_question r, LATERAL app.items_of_case_question(r, NULL) i
    WHERE r.organization_id = NEW.organization_id AND r.case_id = NEW.id AND r.state = 'OPEN'
  ON CONFLICT (organization_id, id) DO UPDATE SET property_id = excluded.property_id, priority = excluded.priority,
    priority_rank = excluded.priority_rank, assignee_id = excluded.assignee_id;
  RETURN NULL;
END $$;
ALTER FUNCTION app.keep_items_of_questions() OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.keep_items_of_questions() FROM PUBLIC;
CREATE TRIGGER concierge_case_questions AFTER UPDATE OF desk_id, assignee_id, priority, property_id ON concierge_case
  FOR EACH ROW WHEN (NEW.open_questions > 0) EXECUTE FUNCTION app.keep_items_of_questions();
";

/// What there is already is brought in by the catching up.
const BEFORE: &str = r"
INSERT INTO work_due (grantee_organization_id, owner_organization_id, after)
  SELECT DISTINCT grantee_organization_id, organization_id, '00000000-0000-0000-0000-000000000000'::uuid
  FROM access_grant WHERE accepted_at IS NOT NULL AND revoked_at IS NULL;
";

/// Brings a desk's queue in line with a grant, some rows at a time.
fn grants(tables: &[&str]) -> String {
    let ids: Vec<String> = tables
        .iter()
        .map(|table| format!("(SELECT id FROM {table} WHERE organization_id = owner AND id > past ORDER BY id LIMIT most)"))
        .collect();
    let each: Vec<String> = tables
        .iter()
        .map(|table| {
            format!(
                "DELETE FROM work_item w USING {table} r
                   WHERE w.organization_id = grantee AND w.owner_organization_id = owner AND w.item_id = r.id
                     AND r.organization_id = owner AND r.id = ANY (few) AND NOT EXISTS (SELECT FROM app.items_of_{table}(r, grantee));
                 INSERT INTO work_item SELECT i.* FROM {table} r, LATERAL app.items_of_{table}(r, grantee) i
                   WHERE r.organization_id = owner AND r.id = ANY (few)
                 ON CONFLICT (organization_id, id) DO UPDATE SET updated_at = excluded.updated_at;"
            )
        })
        .collect();
    format!(
        r"
CREATE FUNCTION app.work_some(grantee uuid, owner uuid, past uuid, most int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
DECLARE
  last uuid;
  few uuid[];
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(owner::text, 8));
  IF EXISTS (SELECT FROM app.desks_at_work(owner, NULL, grantee)) THEN
    few := ARRAY(SELECT id FROM ({ids}) AS all_ ORDER BY id LIMIT most);
    {each}
    last := CASE WHEN cardinality(few) = most THEN few[most] END;
  ELSE
    WITH gone AS (
      DELETE FROM work_item w WHERE (w.organization_id, w.id) IN (
        SELECT s.organization_id, s.id FROM work_item s WHERE s.organization_id = grantee AND s.owner_organization_id = owner LIMIT most)
      RETURNING 1)
    SELECT CASE WHEN count(*) = most THEN '00000000-0000-0000-0000-000000000000'::uuid END INTO last FROM gone;
    IF last IS NULL THEN
      {gone}
    END IF;
  END IF;
  IF last IS NULL THEN
    DELETE FROM work_due d WHERE d.grantee_organization_id = grantee AND d.owner_organization_id = owner;
  ELSE
    INSERT INTO work_due AS d (grantee_organization_id, owner_organization_id, after) VALUES (grantee, owner, last)
    ON CONFLICT (grantee_organization_id, owner_organization_id) DO UPDATE SET after = excluded.after;
  END IF;
END $$;
ALTER FUNCTION app.work_some(uuid, uuid, uuid, int) OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.work_some(uuid, uuid, uuid, int) FROM PUBLIC;

-- Brings some more rows in line, of whichever queue; whether there was one.
CREATE FUNCTION app.work_catch_up(most int, now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
DECLARE
  due work_due;
BEGIN
  PERFORM set_config('app.now', now::text, true);
  {add_up}
  -- A grant that ended by its term: the desk loses the owner's items, and the others get what it held.
  WITH ended AS (
    INSERT INTO work_due (grantee_organization_id, owner_organization_id, after)
    SELECT w.organization_id, w.owner_organization_id, '00000000-0000-0000-0000-000000000000' FROM work_item_owner w
    WHERE upper(w.seen) <= now ORDER BY upper(w.seen) LIMIT 10
    ON CONFLICT (grantee_organization_id, owner_organization_id) DO NOTHING RETURNING owner_organization_id)
  INSERT INTO work_due (grantee_organization_id, owner_organization_id, after)
  SELECT DISTINCT a.desk, e.owner_organization_id, '00000000-0000-0000-0000-000000000000'::uuid
  FROM ended e, LATERAL app.desks_at_work(e.owner_organization_id, NULL, NULL) a
  ON CONFLICT (grantee_organization_id, owner_organization_id) DO NOTHING;
  SELECT d.* INTO due FROM work_due d ORDER BY d.grantee_organization_id, d.owner_organization_id LIMIT 1;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  -- Whatever changes a grant begins anew, and may have done so while this waited.
  PERFORM pg_advisory_xact_lock(hashtextextended(due.owner_organization_id::text, 8));
  SELECT d.* INTO due FROM work_due d
  WHERE d.grantee_organization_id = due.grantee_organization_id AND d.owner_organization_id = due.owner_organization_id;
  IF FOUND THEN
    PERFORM app.work_some(due.grantee_organization_id, due.owner_organization_id, due.after, least(most, 1000));
  END IF;
  RETURN true;
END $$;

CREATE FUNCTION app.work_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.revoked_at, NEW.accepted_at, NEW.scopes, NEW.starts_at, NEW.ends_at)
    IS NOT DISTINCT FROM (OLD.revoked_at, OLD.accepted_at, OLD.scopes, OLD.starts_at, OLD.ends_at)
  THEN
    RETURN NULL;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(NEW.organization_id::text, 8));
  {seen}
  PERFORM app.work_some(NEW.grantee_organization_id, NEW.organization_id, '00000000-0000-0000-0000-000000000000', 500);
  -- Whatever a desk held that may act no more is in the queues of the others.
  INSERT INTO work_due AS d (grantee_organization_id, owner_organization_id, after)
  SELECT o.desk, NEW.organization_id, '00000000-0000-0000-0000-000000000000' FROM app.desks_at_work(NEW.organization_id, NULL, NULL) o
  WHERE o.desk <> NEW.grantee_organization_id
  ON CONFLICT (grantee_organization_id, owner_organization_id) DO UPDATE SET after = excluded.after;
  RETURN NULL;
END $$;
ALTER FUNCTION app.work_grant() OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.work_grant() FROM PUBLIC;
-- After access_grant_epoch, by its name: whoever works through the grant is waited for there.
CREATE TRIGGER access_grant_work AFTER INSERT OR UPDATE ON access_grant FOR EACH ROW EXECUTE FUNCTION app.work_grant();
",
        seen = TALLY.seen("NEW.grantee_organization_id", "NEW.organization_id"),
        gone = TALLY.gone("grantee", "owner"),
        add_up = TALLY.add_up(),
        ids = ids.join(" UNION ALL "),
        each = each.join("\n    "),
    )
}
