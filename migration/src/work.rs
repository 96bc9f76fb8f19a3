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

/// The columns of an item that each sort gives, with their types, in the order in which they stand in the table.
pub const COLUMNS: &[(&str, &str)] = &[
    ("case_id", "uuid"),
    ("intent_id", "uuid"),
    ("question_id", "uuid"),
    ("property_id", "uuid"),
    ("number", "text"),
    ("title", "text"),
    ("state", "text"),
    ("priority", "text"),
    ("due_at", "timestamptz"),
    ("assignee_id", "uuid"),
    ("waiting_for", "text"),
    ("late", "boolean"),
    ("version", "int"),
    ("created_at", "timestamptz"),
    ("updated_at", "timestamptz"),
    ("search", "text"),
];

/// The SQL that keeps the items of a table.
pub fn items(item: &Item) -> String {
    let Item { source, kind, with, waits, desk, columns, changed } = item;
    let value = |name: &str| columns.iter().find(|(column, _)| *column == name).map_or("NULL", |(_, value)| value);
    let values: Vec<String> = COLUMNS
        .iter()
        .map(|(name, of)| {
            let value = value(name);
            match *name {
                "priority" => format!("({value})::{of}, app.priority_rank({value})"),
                "due_at" => format!("({value})::{of}, coalesce(({value})::{of}, '9999-12-31T00:00:00Z')"),
                _ => format!("({value})::{of}"),
            }
        })
        .collect();
    let values = values.join(", ");
    let set: Vec<String> = COLUMNS.iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect();
    let set = set.join(", ");
    format!(
        "
-- The items of a row: one for each desk that the owner let act, or for the one that holds it. It becomes a part of whatever statement asks
-- for it, which is planned once.
CREATE FUNCTION app.items_of_{source}(r {source}, only_for uuid) RETURNS SETOF work_item
LANGUAGE sql STABLE AS
$$
  SELECT d.desk, md5(d.desk::text || r.organization_id::text || r.id::text)::uuid, r.organization_id, r.id, '{kind}'::text, {values}
  FROM app.desks_at_work(r.organization_id, {desk}, only_for) d {with}
  WHERE {waits}
$$;
ALTER FUNCTION app.items_of_{source}({source}, uuid) OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.items_of_{source}({source}, uuid) FROM PUBLIC;

CREATE FUNCTION app.keep_items_of_{source}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(NEW.organization_id::text, 8));
  IF TG_OP = 'INSERT' THEN
    INSERT INTO work_item SELECT * FROM app.items_of_{source}(NEW, NULL);
  ELSE
    DELETE FROM work_item w USING (SELECT OLD.id AS the_id, OLD.organization_id AS owner) o
    WHERE w.owner_organization_id = o.owner AND w.item_id = o.the_id
      AND NOT EXISTS (SELECT FROM app.items_of_{source}(NEW, NULL) n WHERE n.organization_id = w.organization_id);
    INSERT INTO work_item SELECT * FROM app.items_of_{source}(NEW, NULL)
    ON CONFLICT (organization_id, id) DO UPDATE SET {set}, priority_rank = excluded.priority_rank, due_sort = excluded.due_sort;
  END IF;
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
