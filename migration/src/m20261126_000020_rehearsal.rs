//! Policies of which it is known that they can filter every list.

use crate::class;

crate::sql_migration!("m20261126_000020_rehearsal", { [REHEARSAL, &class::across()].concat() });

const REHEARSAL: &str = "
CREATE TABLE rehearsal (
  -- Of the policies and of the binary that asked for their plans.
  id text PRIMARY KEY,
  passed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE rehearsal IS 'class: none';
REVOKE ALL ON rehearsal FROM PUBLIC;
GRANT SELECT, INSERT ON rehearsal TO hestami_app;
";
