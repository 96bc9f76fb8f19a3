//! Projections: tables from which an organization that many owners let in lists the owners' rows, in one order.

use crate::class::{self, Writes};

/// A table with a row for each row of an owner in another table, once for each organization that the owner let in. Triggers keep
/// the projection, in the transaction that changes the row or the grant.
pub struct Projection<'a> {
    pub table: &'a str,
    /// The owners' table, whose key is (organization_id, id).
    pub source: &'a str,
    /// The projection's column for the source's id.
    pub id: &'a str,
    /// The columns of the source that the projection has, with their types.
    pub columns: &'a [(&'a str, &'a str)],
    /// The columns that the projection is listed in the order of.
    pub orders: &'a [&'a str],
}

/// The SQL that makes a projection and fills it from the grants that there are.
pub fn projected(projection: &Projection) -> String {
    let Projection { table, source, .. } = projection;
    let mut sql = projection.table();
    sql.push_str(&class::owned(table, &Writes { insert: false, update: &[] }));
    sql.push_str(&class::definer(table, "SELECT, INSERT, UPDATE, DELETE"));
    sql.push_str(&format!(
        "GRANT SELECT ON {source} TO hestami_definer;
         CREATE POLICY {source}_{table} ON {source} FOR SELECT TO hestami_definer USING (true);\n"
    ));
    sql.push_str(&projection.functions());
    sql.push_str(&projection.backfill());
    sql
}

impl Projection<'_> {
    fn table(&self) -> String {
        let Projection { table, id, columns, orders, .. } = self;
        let columns: String = columns.iter().map(|(name, r#type)| format!("  {name} {type},\n")).collect();
        let orders: String = orders
            .iter()
            .map(|order| format!("CREATE INDEX {table}_{order} ON {table} (organization_id, {order}, {id});\n"))
            .collect();
        format!(
            "CREATE TABLE {table} (
  organization_id uuid NOT NULL REFERENCES organization (id),
  owner_organization_id uuid NOT NULL,
  {id} uuid NOT NULL,
{columns}  PRIMARY KEY (organization_id, {id}, owner_organization_id)
);
CREATE INDEX {table}_owner ON {table} (organization_id, owner_organization_id, {id});
{orders}"
        )
    }

    /// A list of the columns, each as `make` writes it.
    fn each(&self, make: impl Fn(&str) -> String) -> String {
        self.columns.iter().map(|(name, _)| make(name)).collect::<Vec<_>>().join(", ")
    }

    /// The INSERT of an owner's rows for an organization, up to its FROM clause.
    fn insert(&self, grantee: &str, of: &str) -> String {
        let Projection { table, id, .. } = self;
        let (into, from) = (self.each(str::to_owned), self.each(|name| format!("{of}.{name}")));
        format!(
            "INSERT INTO {table} (organization_id, owner_organization_id, {id}, {into})
  SELECT {grantee}, {of}.organization_id, {of}.id, {from}"
        )
    }

    fn functions(&self) -> String {
        let Projection { table, source, id, .. } = self;
        let (row, grant) =
            (self.insert("DISTINCT g.grantee_organization_id", "NEW"), self.insert("NEW.grantee_organization_id", "s"));
        let set = self.each(|name| format!("{name} = excluded.{name}"));
        let mut sql = format!(
            "
-- Changes of rows go side by side; a grant waits for them, and they for it. So neither misses what the other writes.
CREATE FUNCTION app.project_{table}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(NEW.organization_id::text, 7));
  {row}
  FROM access_grant g WHERE g.organization_id = NEW.organization_id AND g.revoked_at IS NULL AND g.accepted_at IS NOT NULL
  ON CONFLICT (organization_id, {id}, owner_organization_id) DO UPDATE SET {set};
  RETURN NULL;
END $$;
CREATE TRIGGER {source}_{table} AFTER INSERT OR UPDATE ON {source} FOR EACH ROW EXECUTE FUNCTION app.project_{table}();

CREATE FUNCTION app.project_{table}_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.revoked_at IS NULL AND NEW.accepted_at IS NOT NULL) = (OLD.revoked_at IS NULL AND OLD.accepted_at IS NOT NULL)
  THEN
    RETURN NULL;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(NEW.organization_id::text, 7));
  IF NEW.revoked_at IS NULL AND NEW.accepted_at IS NOT NULL THEN
    {grant}
    FROM {source} s WHERE s.organization_id = NEW.organization_id
    ON CONFLICT (organization_id, {id}, owner_organization_id) DO NOTHING;
  ELSIF NOT EXISTS (
    SELECT FROM access_grant g WHERE g.organization_id = NEW.organization_id
      AND g.grantee_organization_id = NEW.grantee_organization_id AND g.revoked_at IS NULL AND g.accepted_at IS NOT NULL)
  THEN
    DELETE FROM {table} e
    WHERE e.organization_id = NEW.grantee_organization_id AND e.owner_organization_id = NEW.organization_id;
  END IF;
  RETURN NULL;
END $$;
-- After access_grant_epoch, by its name: whoever works through the grant is waited for there.
CREATE TRIGGER access_grant_projection_{table} AFTER INSERT OR UPDATE ON access_grant
  FOR EACH ROW EXECUTE FUNCTION app.project_{table}_grant();
"
        );
        for trigger in [format!("app.project_{table}()"), format!("app.project_{table}_grant()")] {
            sql.push_str(&format!(
                "ALTER FUNCTION {trigger} OWNER TO hestami_definer; REVOKE ALL ON FUNCTION {trigger} FROM PUBLIC;\n"
            ));
        }
        sql
    }

    fn backfill(&self) -> String {
        let (all, source) = (self.insert("DISTINCT g.grantee_organization_id", "s"), self.source);
        format!(
            "{all}
  FROM access_grant g JOIN {source} s ON s.organization_id = g.organization_id WHERE g.revoked_at IS NULL AND g.accepted_at IS NOT NULL;\n"
        )
    }
}
