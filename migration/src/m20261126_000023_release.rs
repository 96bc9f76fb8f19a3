//! A key that was not spent is free again.

use crate::class;

crate::sql_migration!("m20261126_000023_release", {
    [RELEASE, &class::definer_function("app.operation_release(uuid, uuid)"), &class::across()].concat()
});

const RELEASE: &str = r"
-- An operation that was refused without a decision makes room for the next request with its key.
CREATE FUNCTION app.operation_release(org uuid, the_operation uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  DELETE FROM operation o WHERE o.organization_id = org AND o.id = the_operation AND o.state = 'FAILED';
  RETURN FOUND;
END $$;
";
