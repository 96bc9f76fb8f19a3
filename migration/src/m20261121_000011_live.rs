//! Live: the event log in partitions, one feed in one order for each organization that looks after
//! others, and what the relay needs to keep it.

use crate::class::{self, Writes};

crate::sql_migration!("m20261121_000011_live", {
    let mut sql = String::from(ROLE);
    sql.push_str(PARTITIONS);
    sql.push_str(&class::attributed("event"));
    sql.push_str(&class::definer("event", "SELECT"));
    for (partition, bounds) in partitions() {
        sql.push_str(&format!("CREATE TABLE {partition} PARTITION OF event {bounds};\n"));
        sql.push_str(&class::partition(&partition, "attributed"));
    }
    sql.push_str("INSERT INTO event SELECT * FROM event_before; DROP TABLE event_before;\n");
    sql.push_str(FEED);
    for table in ["feed", "feed_head"] {
        sql.push_str(&class::actor_owned(table, &Writes { insert: false, update: &[] }));
        sql.push_str(&class::relayed(table, "SELECT, INSERT, UPDATE, DELETE"));
    }
    sql.push_str(&class::identity("feed_scope"));
    sql.push_str(&class::relayed("feed_scope", "SELECT, INSERT, UPDATE, DELETE"));
    sql.push_str(&class::identity("feed_due"));
    sql.push_str(&class::definer("feed_due", "INSERT"));
    sql.push_str(&class::relayed("feed_due", "SELECT, DELETE"));
    for table in ["event", "org_head", "access_grant"] {
        sql.push_str(&class::relayed(table, "SELECT"));
    }
    // What is in an operation is nobody's business there.
    sql.push_str(&class::relayed("operation", "SELECT (organization_id, id, updated_at)"));
    sql.push_str(FUNCTIONS);
    sql.push_str(&class::definer_function("app.actor_until(uuid, uuid, uuid, timestamptz)"));
    for trigger in ["app.feed_grant()", "app.feed_organization()"] {
        sql.push_str(&format!(
            "ALTER FUNCTION {trigger} OWNER TO hestami_definer; REVOKE ALL ON FUNCTION {trigger} FROM PUBLIC;\n"
        ));
    }
    sql.push_str(BACKFILL);
    sql
});

/// A year each; what lies outside them has a place as well, until a later migration gives it its own.
fn partitions() -> Vec<(String, String)> {
    let years = (2026..2036).map(|year| {
        (format!("event_{year}"), format!("FOR VALUES FROM ('{year}-01-01T00:00:00Z') TO ('{}-01-01T00:00:00Z')", year + 1))
    });
    years.chain([("event_other".to_owned(), "DEFAULT".to_owned())]).collect()
}

const ROLE: &str = r"
ALTER ROLE hestami_relay SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE hestami_relay SET lock_timeout = '2s';
ALTER ROLE hestami_relay SET statement_timeout = '10s';
";

const PARTITIONS: &str = r"
ALTER TABLE event RENAME TO event_before;
ALTER TABLE event_before RENAME CONSTRAINT event_pkey TO event_before_pkey;
DROP INDEX event_resource;
-- Numbers are unique within an organization because they are given behind its head's lock; a key over
-- partitions has to hold what they are divided by as well.
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
  PRIMARY KEY (organization_id, seq, at)
) PARTITION BY RANGE (at);
CREATE INDEX event_resource ON event (organization_id, resource_id, seq);
";

const FEED: &str = r"
-- One order over all that an organization looks after: its own events and those of who let it in, by
-- reference. A mark has no event: another organization came into sight, or left it.
CREATE TABLE feed (
  organization_id uuid NOT NULL,
  position bigint NOT NULL,
  source_organization_id uuid NOT NULL,
  seq bigint,
  mark text CHECK (mark IN ('SCOPE_GAINED', 'SCOPE_LOST')),
  at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, position),
  CHECK ((seq IS NULL) = (mark IS NOT NULL))
);
CREATE INDEX feed_at ON feed (at);

-- How far it goes, and what of it is gone.
CREATE TABLE feed_head (
  organization_id uuid PRIMARY KEY,
  position bigint NOT NULL,
  gone bigint NOT NULL DEFAULT 0
);

-- Whose events an organization gets, and up to which they were relayed.
CREATE TABLE feed_scope (
  organization_id uuid NOT NULL,
  source_organization_id uuid NOT NULL,
  relayed_seq bigint NOT NULL,
  PRIMARY KEY (organization_id, source_organization_id)
);
CREATE INDEX feed_scope_source ON feed_scope (source_organization_id);

-- Whose term begins or ends.
CREATE INDEX access_grant_starting ON access_grant (starts_at) WHERE revoked_at IS NULL;
CREATE INDEX access_grant_ending ON access_grant (ends_at) WHERE revoked_at IS NULL AND ends_at IS NOT NULL;

-- Pairs whose grants changed since the relay looked.
CREATE TABLE feed_due (
  organization_id uuid NOT NULL,
  source_organization_id uuid NOT NULL,
  n bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (organization_id, source_organization_id, n)
);
";

const FUNCTIONS: &str = r"
CREATE FUNCTION app.feed_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  INSERT INTO feed_due (organization_id, source_organization_id) VALUES (NEW.grantee_organization_id, NEW.organization_id);
  RETURN NULL;
END $$;
-- What a term does, time does.
CREATE TRIGGER access_grant_feed AFTER INSERT OR UPDATE OF revoked_at ON access_grant FOR EACH ROW EXECUTE FUNCTION app.feed_grant();

-- A concierge's organization gets its own events in its feed as well.
CREATE FUNCTION app.feed_organization() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF NEW.type = 'CONCIERGE_OPERATOR' THEN
    INSERT INTO feed_due (organization_id, source_organization_id) VALUES (NEW.id, NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER organization_feed AFTER INSERT OR UPDATE OF type ON organization FOR EACH ROW EXECUTE FUNCTION app.feed_organization();

-- When what a principal may do in an organization may change next by time alone: its memberships, what
-- was delegated to it and the members whom that rests on, and the grant that it works by.
CREATE FUNCTION app.actor_until(who uuid, org uuid, the_grant uuid, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  WITH held AS (
    SELECT d.starts_at, d.ends_at, d.root_id FROM delegation d
    WHERE d.organization_id = org AND d.holder_id = who AND d.state = 'ACTIVE'
  ), terms AS (
    SELECT m.starts_at, m.ends_at FROM membership m
    WHERE m.organization_id = org AND m.state = 'ACTIVE' AND (m.principal_id = who OR m.principal_id IN (SELECT root_id FROM held))
    UNION ALL SELECT starts_at, ends_at FROM held
    UNION ALL SELECT g.starts_at, g.ends_at FROM access_grant g WHERE g.id = the_grant AND g.grantee_organization_id = org
  )
  SELECT least(min(starts_at) FILTER (WHERE starts_at > at), min(ends_at) FILTER (WHERE ends_at > at)) FROM terms
$$;
";

const BACKFILL: &str = r"
INSERT INTO feed_scope (organization_id, source_organization_id, relayed_seq)
SELECT o.id, o.id, h.event_seq FROM organization o JOIN org_head h ON h.organization_id = o.id WHERE o.type = 'CONCIERGE_OPERATOR';
INSERT INTO feed_due (organization_id, source_organization_id)
SELECT DISTINCT grantee_organization_id, organization_id FROM access_grant;
";
