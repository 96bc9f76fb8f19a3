//! Who owns a property, by what share, from when until when, and by what evidence.

use crate::class::{self, Writes};

crate::sql_migration!("m20261121_000008_ownership", {
    let mut sql = String::from(TABLE);
    let update = &["ends_on", "end_reason", "corrected_at", "correction_reason", "version", "updated_at"];
    sql.push_str(&class::owned("ownership", &Writes { insert: true, update }));
    sql.push_str(WHOLE);
    sql
});

const TABLE: &str = r#"
-- What was wrong stays, and says what took its place.
CREATE TABLE ownership (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  property_id uuid NOT NULL,
  holder_name text COLLATE "C" NOT NULL,
  principal_id uuid REFERENCES principal (id),
  capacity text NOT NULL CHECK (capacity IN ('OWNER', 'CO_OWNER', 'TRUSTEE', 'MANAGER')),
  share_basis_points int NOT NULL CHECK (share_basis_points BETWEEN 0 AND 10000),
  starts_on date NOT NULL,
  -- The first day on which it no longer is.
  ends_on date CHECK (ends_on > starts_on),
  evidence text,
  recorded_by uuid NOT NULL REFERENCES principal (id),
  corrects_id uuid,
  corrected_at timestamptz,
  correction_reason text,
  end_reason text,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT ownership_property FOREIGN KEY (organization_id, property_id) REFERENCES property (organization_id, id),
  CONSTRAINT ownership_corrects FOREIGN KEY (organization_id, corrects_id) REFERENCES ownership (organization_id, id)
);
CREATE INDEX ownership_of ON ownership (organization_id, property_id, id);
CREATE INDEX ownership_starts ON ownership (organization_id, starts_on, id);
CREATE INDEX ownership_holder ON ownership (organization_id, holder_name, id);
"#;

const WHOLE: &str = r"
-- Whoever writes a share of a property takes turns at the property's row, then adds up what holds on
-- each day on which a share begins.
CREATE FUNCTION app.ownership_whole() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM FROM property p WHERE p.organization_id = NEW.organization_id AND p.id = NEW.property_id FOR NO KEY UPDATE;
  IF EXISTS (
    SELECT FROM ownership day
    JOIN ownership held ON held.organization_id = day.organization_id AND held.property_id = day.property_id
      AND held.corrected_at IS NULL AND held.starts_on <= day.starts_on AND (held.ends_on IS NULL OR held.ends_on > day.starts_on)
    WHERE day.organization_id = NEW.organization_id AND day.property_id = NEW.property_id AND day.corrected_at IS NULL
    GROUP BY day.id HAVING sum(held.share_basis_points) > 10000)
  THEN
    RAISE EXCEPTION 'more than the whole' USING ERRCODE = 'check_violation', CONSTRAINT = 'ownership_whole';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ownership_whole AFTER INSERT OR UPDATE ON ownership FOR EACH ROW EXECUTE FUNCTION app.ownership_whole();
";
