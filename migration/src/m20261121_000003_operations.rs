//! What was asked and what became of it: operations, events, and the replicas that carry them on.

use crate::class::{self, Writes};

crate::sql_migration!("m20261121_000003_operations", {
    let mut sql = String::from(TABLES);
    sql.push_str(&class::actor_owned(
        "operation",
        &Writes {
            insert: true,
            update: &["authority", "payload", "attempt", "state", "outcome", "due_at", "expires_at", "updated_at"],
        },
    ));
    sql.push_str(&class::definer("operation", "SELECT, DELETE"));
    sql.push_str(&class::attributed("event"));
    sql.push_str(FUNCTIONS);
    sql.push_str(&class::definer_function("app.operations_abandoned(timestamptz, timestamptz, int)"));
    sql.push_str(&class::definer_function("app.operations_forget(timestamptz)"));
    sql
});

const TABLES: &str = r"
CREATE TABLE operation (
  organization_id uuid NOT NULL,
  id uuid NOT NULL,
  target_organization_id uuid,
  procedure text NOT NULL,
  key uuid NOT NULL,
  fingerprint bytea NOT NULL,
  initiator uuid NOT NULL,
  actor jsonb NOT NULL,
  authority jsonb NOT NULL,
  traceparent text,
  trace_id text,
  payload jsonb,
  attempt int NOT NULL DEFAULT 1,
  state text NOT NULL CHECK (state IN ('QUEUED', 'RUNNING', 'AWAITING_APPROVAL', 'COMPLETED', 'FAILED', 'CANCELLED', 'RETRYABLE')),
  outcome jsonb,
  -- When a RETRYABLE one is tried again without a client.
  due_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT operation_key UNIQUE (organization_id, procedure, key),
  CHECK ((outcome IS NULL) = (state IN ('QUEUED', 'RUNNING', 'AWAITING_APPROVAL', 'RETRYABLE')))
);
CREATE INDEX operation_initiator ON operation (organization_id, initiator, id);
CREATE INDEX operation_unfinished ON operation (updated_at) WHERE outcome IS NULL;
CREATE INDEX operation_expiring ON operation (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE event (
  organization_id uuid NOT NULL,
  seq bigint NOT NULL,
  kind text NOT NULL,
  resource_kind text NOT NULL,
  resource_id uuid NOT NULL,
  version int NOT NULL,
  actor uuid NOT NULL,
  actor_kind text NOT NULL,
  actor_organization_id uuid NOT NULL,
  on_behalf_of uuid,
  -- No foreign key: operations are forgotten, events are not.
  operation_id uuid NOT NULL,
  trace_id text,
  change jsonb NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, seq)
);
CREATE INDEX event_resource ON event (organization_id, resource_id, seq);

-- Which processes are alive. Belongs to no organization.
CREATE TABLE replica (
  id text PRIMARY KEY,
  started_at timestamptz NOT NULL,
  heartbeat_at timestamptz NOT NULL,
  -- It stopped by itself, or was declared dead: its workflows were handed on.
  ended_at timestamptz
);
COMMENT ON TABLE replica IS 'class: none';
REVOKE ALL ON replica FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON replica TO hestami_app;
";

const FUNCTIONS: &str = r"
-- Ids only: what is in them stays behind row security.
CREATE FUNCTION app.operations_abandoned(at timestamptz, idle_since timestamptz, most int)
RETURNS TABLE (organization_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT o.organization_id, o.id FROM operation o
  WHERE o.outcome IS NULL
    AND ((o.state IN ('QUEUED', 'RUNNING') AND o.updated_at < idle_since) OR (o.state = 'RETRYABLE' AND o.due_at <= at))
  ORDER BY o.updated_at LIMIT most
$$;

CREATE FUNCTION app.operations_forget(at timestamptz) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  WITH old AS (
    SELECT organization_id, id FROM operation WHERE expires_at <= at AND outcome IS NOT NULL ORDER BY expires_at LIMIT 1000
  ), gone AS (
    DELETE FROM operation o USING old WHERE o.organization_id = old.organization_id AND o.id = old.id RETURNING 1
  )
  SELECT count(*) FROM gone
$$;
";
