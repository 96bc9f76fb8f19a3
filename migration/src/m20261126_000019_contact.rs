//! People outside whom an owner deals with.

use crate::class;

crate::sql_migration!("m20261126_000019_contact", { [TABLE, &class::owned_but("contact", &[]), &class::across()].concat() });

const TABLE: &str = r#"
CREATE TABLE contact (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  external_party_id uuid,
  name text COLLATE "C" NOT NULL,
  role text,
  email text,
  phone text,
  notes text,
  status text NOT NULL CHECK (status IN ('ACTIVE', 'ARCHIVED')),
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT contact_external_party FOREIGN KEY (organization_id, external_party_id) REFERENCES external_party (organization_id, id)
);
CREATE INDEX contact_name ON contact (organization_id, name, id);
CREATE INDEX contact_of ON contact (organization_id, external_party_id, name, id);
"#;
