//! Properties, and the outside parties that they have to do with.

use crate::class::{self, Writes};

crate::sql_migration!("m20261121_000004_property", {
    let mut sql = String::from(TABLES);
    sql.push_str(&class::owned(
        "external_party",
        &Writes {
            insert: true,
            update: &["name", "email", "phone", "website", "notes", "linked_organization_id", "status", "version", "updated_at"],
        },
    ));
    sql.push_str(&class::owned(
        "property",
        &Writes {
            insert: true,
            update: &[
                "kind",
                "line1",
                "line2",
                "locality",
                "region",
                "postal_code",
                "country",
                "parcel",
                "time_zone",
                "status",
                "notes",
                "hoa_id",
                "version",
                "updated_at",
                "archived_at",
            ],
        },
    ));
    sql
});

const TABLES: &str = r#"
-- Known to an owner, never a system of record. May later point to an organization.
CREATE TABLE external_party (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('HOA', 'VENDOR')),
  name text COLLATE "C" NOT NULL,
  email text,
  phone text,
  website text,
  notes text,
  linked_organization_id uuid,
  status text NOT NULL CHECK (status IN ('ACTIVE', 'ARCHIVED')),
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id)
);

CREATE TABLE property (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('SINGLE_FAMILY', 'CONDOMINIUM', 'TOWNHOUSE', 'MULTI_FAMILY', 'LAND', 'COMMERCIAL', 'OTHER')),
  line1 text COLLATE "C" NOT NULL,
  line2 text,
  locality text COLLATE "C" NOT NULL,
  region text COLLATE "C",
  postal_code text,
  country text COLLATE "C" NOT NULL,
  parcel text,
  time_zone text NOT NULL,
  status text NOT NULL CHECK (status IN ('ACTIVE', 'ARCHIVED')),
  notes text,
  hoa_id uuid,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT property_hoa FOREIGN KEY (organization_id, hoa_id) REFERENCES external_party (organization_id, id)
);
CREATE INDEX property_address ON property (organization_id, line1, id);
CREATE INDEX property_updated ON property (organization_id, updated_at, id);
CREATE INDEX property_hoa_of ON property (organization_id, hoa_id) WHERE hoa_id IS NOT NULL;
"#;
