//! Quotas of organizations that have others than the default.

use super::{class, class::Writes, sql_migration};

sql_migration!("m20261130_000027_quotas", {
    let mut sql = String::from(TABLE);
    sql.push_str(&class::owned("quota", &Writes { insert: false, update: &[] }));
    sql.push_str(&class::across());
    sql
});

const TABLE: &str = r"
CREATE TABLE quota (
  organization_id uuid NOT NULL REFERENCES organization (id),
  -- As `details.quota` has it.
  name text NOT NULL,
  most int NOT NULL CHECK (most >= 0),
  PRIMARY KEY (organization_id, name)
);
";
