//! Portfolios: properties grouped as their owner sees them, each in as many as it pleases.

use crate::class::{self, Writes};

crate::sql_migration!("m20261121_000006_portfolio", {
    let mut sql = String::from(TABLES);
    let update = &["name", "colour", "target_notes", "position", "status", "version", "updated_at", "archived_at"];
    sql.push_str(&class::owned("portfolio", &Writes { insert: true, update }));
    let update = &["position", "added_at", "removed_at"];
    sql.push_str(&class::owned("portfolio_property", &Writes { insert: true, update }));
    sql
});

const TABLES: &str = r#"
CREATE TABLE portfolio (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  colour text CHECK (colour ~ '^#[0-9A-F]{6}$'),
  target_notes text,
  position int NOT NULL,
  status text NOT NULL CHECK (status IN ('ACTIVE', 'ARCHIVED')),
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX portfolio_name ON portfolio (organization_id, lower(name)) WHERE status = 'ACTIVE';
CREATE INDEX portfolio_position ON portfolio (organization_id, position, id);
CREATE INDEX portfolio_by_name ON portfolio (organization_id, name, id);

-- What was taken out stays, so that history can be told.
CREATE TABLE portfolio_property (
  organization_id uuid NOT NULL,
  portfolio_id uuid NOT NULL,
  property_id uuid NOT NULL,
  position int NOT NULL,
  added_at timestamptz NOT NULL,
  removed_at timestamptz,
  PRIMARY KEY (organization_id, portfolio_id, property_id),
  CONSTRAINT portfolio_property_portfolio FOREIGN KEY (organization_id, portfolio_id) REFERENCES portfolio (organization_id, id),
  CONSTRAINT portfolio_property_property FOREIGN KEY (organization_id, property_id) REFERENCES property (organization_id, id)
);
CREATE INDEX portfolio_property_of ON portfolio_property (organization_id, property_id) WHERE removed_at IS NULL;
"#;
