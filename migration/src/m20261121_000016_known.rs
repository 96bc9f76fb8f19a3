//! Whether somebody is known as their token says, without writing anything: only who is new, or called otherwise now, is written.

use super::{class, sql_migration};

sql_migration!("m20261121_000016_known", {
    [KNOWN, &class::definer_function("app.known(text, text, text, text)"), &class::across()].concat()
});

const KNOWN: &str = r"
CREATE FUNCTION app.known(the_issuer text, the_subject text, the_email text, the_name text) RETURNS TABLE (id uuid, kind text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT p.id, p.kind FROM principal p
  WHERE p.issuer = the_issuer AND p.subject = the_subject
    AND p.email IS NOT DISTINCT FROM coalesce(the_email, p.email)
    AND p.display_name IS NOT DISTINCT FROM coalesce(the_name, p.display_name)
$$;
";
