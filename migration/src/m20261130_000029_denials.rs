//! People who are blocked in the whole deployment, and tokens that were taken back before their end. The deployment's administrator
//! writes them, as the owner of the tables.

use super::{class, sql_migration};

sql_migration!("m20261130_000029_denials", {
    let mut sql = String::from(DENIALS);
    sql.push_str(&class::identity("denial"));
    sql.push_str(&class::definer("denial", "SELECT"));
    sql.push_str(&class::definer_function("app.denials()"));
    sql.push_str(&class::across());
    sql
});

const DENIALS: &str = r"
CREATE TABLE denial (
  kind text NOT NULL CHECK (kind IN ('PRINCIPAL', 'TOKEN')),
  -- A principal's id, or the `jti` of a token.
  subject text NOT NULL,
  reason text,
  -- The time when it ends by itself. Null: it has no end.
  ends_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, subject)
);

CREATE FUNCTION app.denials() RETURNS TABLE (kind text, subject text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT d.kind, d.subject FROM denial d WHERE d.ends_at IS NULL OR d.ends_at > now() $$;
";
