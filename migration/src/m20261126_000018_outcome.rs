//! An outcome is kept as its text: a replay answers it byte for byte, whatever became of the type that wrote it.

use super::sql_migration;

sql_migration!("m20261126_000018_outcome", { OUTCOME.to_owned() });

const OUTCOME: &str = "ALTER TABLE operation ALTER COLUMN outcome TYPE json USING outcome::json;";
