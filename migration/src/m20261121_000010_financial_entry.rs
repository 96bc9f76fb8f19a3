//! What came in and went out for a property, as its owner knows it; and history with names.

use crate::class::{self, Writes};

crate::sql_migration!("m20261121_000010_financial_entry", {
    let mut sql = String::from(TABLE);
    let update = &["corrected_at", "correction_reason", "version", "updated_at"];
    sql.push_str(&class::owned("financial_entry", &Writes { insert: true, update }));
    sql.push_str(&class::definer("event", "SELECT"));
    sql.push_str(FUNCTIONS);
    sql.push_str(&class::definer_function("app.event_actors(uuid, bigint[])"));
    sql
});

const TABLE: &str = r#"
-- What was wrong stays, and says what took its place.
CREATE TABLE financial_entry (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  property_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('RENT', 'OTHER_INCOME', 'TAX', 'INSURANCE', 'ASSOCIATION_DUES', 'MORTGAGE', 'MAINTENANCE', 'UTILITIES', 'FEES', 'OTHER_EXPENSE')),
  -- Minor units; what goes out is negative.
  amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
  currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  booked_on date NOT NULL,
  source text NOT NULL,
  note text,
  recorded_by uuid NOT NULL REFERENCES principal (id),
  corrects_id uuid,
  corrected_at timestamptz,
  correction_reason text,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT financial_entry_property FOREIGN KEY (organization_id, property_id) REFERENCES property (organization_id, id),
  CONSTRAINT financial_entry_corrects FOREIGN KEY (organization_id, corrects_id) REFERENCES financial_entry (organization_id, id)
);
CREATE INDEX financial_entry_of ON financial_entry (organization_id, property_id, booked_on, id);
CREATE INDEX financial_entry_booked ON financial_entry (organization_id, booked_on, id);
"#;

const FUNCTIONS: &str = r"
-- The names behind events that one may read: of the people, and of the organizations that they acted for.
CREATE FUNCTION app.event_actors(org uuid, seqs bigint[])
RETURNS TABLE (seq bigint, actor_name text, organization_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT e.seq, p.display_name, o.name
  FROM event e
  LEFT JOIN principal p ON p.id = e.actor
  LEFT JOIN organization o ON o.id = e.actor_organization_id
  WHERE e.organization_id = org AND e.seq = ANY (seqs) AND org = ANY ((SELECT app.in_scope('read'))::uuid[])
$$;
";
