//! An invitation can be declined, and a member's role changed.

use crate::class;

crate::sql_migration!("m20261126_000024_decline", {
    [DECLINE, &class::definer_function("app.membership_decline(uuid, timestamptz)"), &class::across()].concat()
});

const DECLINE: &str = r#"
ALTER TABLE membership DROP CONSTRAINT membership_state_check;
ALTER TABLE membership ADD CONSTRAINT membership_state_check CHECK (state IN ('INVITED', 'ACTIVE', 'REVOKED', 'EXPIRED', 'DECLINED'));
-- Whoever was invited by an address alone stays unknown by name.
DO $$
DECLARE
  name text;
BEGIN
  SELECT conname INTO STRICT name FROM pg_constraint
  WHERE conrelid = 'membership'::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%email IS NOT NULL%';
  EXECUTE format('ALTER TABLE membership DROP CONSTRAINT %I', name);
END $$;
ALTER TABLE membership ADD CONSTRAINT membership_named
  CHECK (principal_id IS NOT NULL OR (email IS NOT NULL AND state IN ('INVITED', 'REVOKED', 'EXPIRED', 'DECLINED')));
GRANT UPDATE (role) ON membership TO hestami_app;

CREATE FUNCTION app.membership_decline(membership uuid, at timestamptz) RETURNS SETOF membership
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  UPDATE membership m
  SET state = 'DECLINED', ended_at = at, version = m.version + 1, updated_at = at
  FROM principal p
  WHERE p.id = app.acting() AND m.id = membership_decline.membership AND m.state = 'INVITED'
    AND (m.principal_id = p.id OR (m.principal_id IS NULL AND lower(m.email COLLATE "C") = lower(p.email COLLATE "C")))
  RETURNING m.*
$$;
"#;
