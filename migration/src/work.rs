//! The queue of a desk: an item for each row of an owner's that waits for somebody, once for each desk that the owner let act.

/// How the rows of an owners' table become items. All but the table are SQL over a row that is called `r`.
pub struct Item<'a> {
    pub source: &'a str,
    /// The sort of item, as clients read it.
    pub kind: &'a str,
    /// Joined to the row, such as what it hangs on.
    pub with: &'a str,
    /// Whether the row waits for somebody.
    pub waits: &'a str,
    /// The desk that holds it; NULL: every desk that the owner let act.
    pub desk: &'a str,
    /// Each column of an item besides its key, with its value.
    pub columns: &'a [(&'a str, &'a str)],
    /// The columns of the row whose change may change the item.
    pub changed: &'a str,
}

/// The columns of an item that each sort gives.
pub const COLUMNS: &[&str] = &[
    "case_id",
    "intent_id",
    "question_id",
    "property_id",
    "number",
    "title",
    "state",
    "priority",
    "due_at",
    "assignee_id",
    "waiting_for",
    "late",
    "created_at",
    "updated_at",
    "version",
    "search",
];

/// The SQL that keeps the items of a table.
pub fn items(item: &Item) -> String {
    let Item { source, kind, with, waits, desk, columns, changed } = item;
    let value = |name: &str| columns.iter().find(|(column, _)| *column == name).map_or("NULL", |(_, value)| value);
    let values: Vec<String> = COLUMNS.iter().map(|name| format!("{} AS {name}", value(name))).collect();
    let values = values.join(", ");
    let set: Vec<String> = COLUMNS.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let set = set.join(", ");
    format!(
        "
-- The items of a row: one for each desk that the owner let act, or for the one that holds it.
CREATE FUNCTION app.items_of_{source}(r {source}, only_for uuid) RETURNS SETOF work_item
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT i.* FROM (
    SELECT d.desk AS organization_id, md5(d.desk::text || r.organization_id::text || r.id::text)::uuid AS id,
      r.organization_id AS owner_organization_id, '{kind}' AS kind,
      r.id AS item_id, {values}
    FROM app.desks_at_work(r.organization_id, {desk}, only_for) d {with}
    WHERE {waits}) AS x,
    LATERAL (SELECT (jsonb_populate_record(NULL::work_item, to_jsonb(x) || jsonb_build_object(
      'priority_rank', app.priority_rank(x.priority), 'due_sort', coalesce(x.due_at, '9999-12-31T00:00:00Z')))).*) AS i
$$;
ALTER FUNCTION app.items_of_{source}({source}, uuid) OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.items_of_{source}({source}, uuid) FROM PUBLIC;

CREATE FUNCTION app.keep_items_of_{source}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(NEW.organization_id::text, 8));
  IF TG_OP = 'UPDATE' THEN
    DELETE FROM work_item w USING (SELECT OLD.id AS the_id, OLD.organization_id AS owner) o
    WHERE w.owner_organization_id = o.owner AND w.item_id = o.the_id
      AND NOT EXISTS (SELECT FROM app.items_of_{source}(NEW, NULL) n WHERE n.organization_id = w.organization_id);
  END IF;
  INSERT INTO work_item SELECT * FROM app.items_of_{source}(NEW, NULL)
  ON CONFLICT (organization_id, id) DO UPDATE SET {set}, priority_rank = excluded.priority_rank, due_sort = excluded.due_sort;
  RETURN NULL;
END $$;
ALTER FUNCTION app.keep_items_of_{source}() OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.keep_items_of_{source}() FROM PUBLIC;
CREATE TRIGGER {source}_items AFTER INSERT OR UPDATE OF {changed} ON {source}
  FOR EACH ROW EXECUTE FUNCTION app.keep_items_of_{source}();
GRANT SELECT ON {source} TO hestami_definer;
CREATE POLICY {source}_items ON {source} FOR SELECT TO hestami_definer USING (true);
"
    )
}
