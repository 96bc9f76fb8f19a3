//! Cases with their conversations, questions and links; what desks promise; and what desks keep for themselves about them.

use crate::class;

crate::sql_migration!("m20261202_000037_case", {
    let mut sql = String::from(CASES);
    sql.push_str(&class::numbered("concierge_case", "case"));
    sql.push_str(&class::ranked("concierge_case", Some("resolve_by")));
    let fixed = [
        "number",
        "priority_rank",
        "due_sort",
        "about_id",
        "search",
        "intent_id",
        "opened_by",
        "opener_organization_id",
        "lifecycle",
        "traceparent",
    ];
    sql.push_str(&class::owned_but("concierge_case", &fixed));
    sql.push_str(HANGING);
    let stamps = &["version", "updated_at"];
    sql.push_str(&class::owned("case_note", &class::Writes { insert: true, update: stamps }));
    let answered = [
        "state",
        "reminded_at",
        "escalated_at",
        "next_at",
        "answer",
        "choice",
        "answered_by",
        "answerer_organization_id",
        "answered_at",
    ];
    sql.push_str(&class::owned("case_question", &class::Writes { insert: true, update: &[&answered[..], stamps].concat() }));
    sql.push_str(&class::owned(
        "case_link",
        &class::Writes { insert: true, update: &["ended_at", "ended_by", "version", "updated_at"] },
    ));
    sql.push_str(&class::about("internal_note", ("concierge_case", "case_id"), &class::Writes { insert: true, update: stamps }));
    sql.push_str(&class::owned("service_level", &class::Writes { insert: true, update: stamps }));
    sql.push_str(&class::definer("service_level", "SELECT"));
    sql.push_str(&LEVELS.replace("{acts}", &class::acts("at")));
    sql.push_str(&class::definer_function("app.service_level_at(uuid, uuid, timestamptz)"));
    sql.push_str(&class::definer_function("app.desk_of(uuid, timestamptz)"));
    sql.push_str(&class::definer_function("app.lets_act(uuid, uuid, timestamptz)"));
    sql.push_str(&class::definer_function("app.works_for(uuid, uuid, timestamptz)"));
    sql.push_str(&class::deadline("concierge_case", "case/v1/advance", "next_at", &[]));
    sql.push_str(DELEGATIONS);
    sql.push_str(&class::across());
    sql
});

const CASES: &str = r#"
CREATE TABLE concierge_case (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  number int NOT NULL,
  title text NOT NULL,
  description text,
  kind text NOT NULL CHECK (kind IN ('REPAIR', 'MAINTENANCE', 'IMPROVEMENT', 'INSPECTION', 'ASSOCIATION_APPROVAL',
    'ASSOCIATION_NOTICE', 'BILL', 'TAX', 'INSURANCE', 'TENANCY', 'TRANSACTION', 'DOCUMENT', 'ACCESS', 'OTHER')),
  property_id uuid,
  portfolio_id uuid,
  about_id uuid GENERATED ALWAYS AS (coalesce(property_id, portfolio_id)) STORED,
  intent_id uuid,
  priority text NOT NULL CHECK (priority IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')),
  priority_rank int NOT NULL,
  state text NOT NULL CHECK (state IN ('NEW', 'TRIAGED', 'IN_PROGRESS', 'WAITING_OWNER', 'WAITING_EXTERNAL', 'RESOLVED', 'CLOSED', 'CANCELLED')),
  desk_id uuid REFERENCES organization (id),
  assignee_id uuid REFERENCES principal (id),
  waiting_for text,
  waiting_until timestamptz,
  acknowledge_by timestamptz,
  acknowledged_at timestamptz,
  resolve_by timestamptz,
  due_sort timestamptz NOT NULL,
  escalated_at timestamptz,
  lead_id uuid REFERENCES principal (id),
  resolution text CHECK (resolution IN ('DONE', 'PARTLY_DONE', 'NOT_POSSIBLE', 'NOT_NEEDED', 'DUPLICATE')),
  resolution_summary text,
  resolved_at timestamptz,
  closes_at timestamptz,
  closed_at timestamptz,
  reopen_until timestamptz,
  cancelled_at timestamptz,
  reason text,
  reopened_count int NOT NULL,
  opened_by uuid NOT NULL REFERENCES principal (id),
  opener_organization_id uuid NOT NULL REFERENCES organization (id),
  -- The version of the lifecycle that it began with.
  lifecycle int NOT NULL,
  worked_seconds int NOT NULL CHECK (worked_seconds >= 0),
  counting_since timestamptz,
  acknowledge_soon timestamptz,
  resolve_soon timestamptz,
  open_questions int NOT NULL DEFAULT 0 CHECK (open_questions >= 0),
  question_at timestamptz,
  told text[] NOT NULL CHECK (told <@ ARRAY['ACKNOWLEDGE_SOON', 'ACKNOWLEDGE_LATE', 'RESOLVE_SOON', 'RESOLVE_LATE', 'WAIT_OVER']),
  next_at timestamptz,
  traceparent text,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  search text GENERATED ALWAYS AS (lower((coalesce(title, '') || ' ' || coalesce(description, '')) COLLATE "und-x-icu")) STORED,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, number),
  CONSTRAINT case_property FOREIGN KEY (organization_id, property_id) REFERENCES property (organization_id, id),
  CONSTRAINT case_portfolio FOREIGN KEY (organization_id, portfolio_id) REFERENCES portfolio (organization_id, id),
  CONSTRAINT case_intent FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id)
);
-- An intent becomes one case.
CREATE UNIQUE INDEX case_of_intent ON concierge_case (organization_id, intent_id) WHERE intent_id IS NOT NULL;
CREATE INDEX case_about ON concierge_case (organization_id, about_id, id);
CREATE INDEX case_of_property ON concierge_case (organization_id, property_id, id);
CREATE INDEX case_state ON concierge_case (organization_id, state, id);
CREATE INDEX case_updated ON concierge_case (organization_id, updated_at, id);
CREATE INDEX case_priority ON concierge_case (organization_id, priority_rank, id);
CREATE INDEX case_due ON concierge_case (organization_id, due_sort, id);
ALTER TABLE intent ADD CONSTRAINT intent_case FOREIGN KEY (organization_id, case_id) REFERENCES concierge_case (organization_id, id);
"#;

const HANGING: &str = r#"
CREATE TABLE case_note (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  case_id uuid NOT NULL,
  text text NOT NULL,
  author_id uuid NOT NULL REFERENCES principal (id),
  author_organization_id uuid NOT NULL REFERENCES organization (id),
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  search text GENERATED ALWAYS AS (lower(text COLLATE "und-x-icu")) STORED,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT case_note_case FOREIGN KEY (organization_id, case_id) REFERENCES concierge_case (organization_id, id)
);
CREATE INDEX case_note_of ON case_note (organization_id, case_id, id);

CREATE TABLE case_question (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  case_id uuid NOT NULL,
  text text NOT NULL,
  choices text[] NOT NULL,
  state text NOT NULL CHECK (state IN ('OPEN', 'ANSWERED', 'WITHDRAWN')),
  due_at timestamptz,
  asked_by uuid NOT NULL REFERENCES principal (id),
  asker_organization_id uuid NOT NULL REFERENCES organization (id),
  reminded_at timestamptz,
  escalated_at timestamptz,
  next_at timestamptz,
  answer text,
  choice text,
  answered_by uuid REFERENCES principal (id),
  answerer_organization_id uuid REFERENCES organization (id),
  answered_at timestamptz,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  search text GENERATED ALWAYS AS (lower((coalesce(text, '') || ' ' || coalesce(answer, '')) COLLATE "und-x-icu")) STORED,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT case_question_case FOREIGN KEY (organization_id, case_id) REFERENCES concierge_case (organization_id, id)
);
CREATE INDEX case_question_of ON case_question (organization_id, case_id, id);
CREATE INDEX case_question_state ON case_question (organization_id, state, id);

CREATE TABLE case_link (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  case_id uuid NOT NULL,
  other_id uuid NOT NULL CHECK (other_id <> case_id),
  kind text NOT NULL CHECK (kind IN ('RELATES_TO', 'DUPLICATE_OF', 'BLOCKED_BY', 'FOLLOWS')),
  linked_by uuid NOT NULL REFERENCES principal (id),
  ended_at timestamptz,
  ended_by uuid REFERENCES principal (id),
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT case_link_case FOREIGN KEY (organization_id, case_id) REFERENCES concierge_case (organization_id, id),
  CONSTRAINT case_link_other FOREIGN KEY (organization_id, other_id) REFERENCES concierge_case (organization_id, id)
);
CREATE UNIQUE INDEX case_link_once ON case_link (organization_id, case_id, other_id, kind) WHERE ended_at IS NULL;
CREATE INDEX case_link_to ON case_link (organization_id, other_id, id);

CREATE TABLE internal_note (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  owner_organization_id uuid NOT NULL,
  case_id uuid NOT NULL,
  text text NOT NULL,
  author_id uuid NOT NULL REFERENCES principal (id),
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  search text GENERATED ALWAYS AS (lower(text COLLATE "und-x-icu")) STORED,
  PRIMARY KEY (organization_id, id)
);
CREATE INDEX internal_note_of ON internal_note (organization_id, case_id, id);

CREATE TABLE service_level (
  id uuid NOT NULL,
  organization_id uuid NOT NULL REFERENCES organization (id),
  starts_at timestamptz NOT NULL,
  acknowledge_low int NOT NULL,
  acknowledge_normal int NOT NULL,
  acknowledge_high int NOT NULL,
  acknowledge_urgent int NOT NULL,
  resolve_low int NOT NULL,
  resolve_normal int NOT NULL,
  resolve_high int NOT NULL,
  resolve_urgent int NOT NULL,
  hours text[] NOT NULL,
  holidays text[] NOT NULL,
  time_zone text NOT NULL,
  follows_property boolean NOT NULL,
  pauses_for_owner boolean NOT NULL,
  pauses_for_others boolean NOT NULL,
  remind_minutes int NOT NULL,
  lead_id uuid REFERENCES principal (id),
  close_days int NOT NULL,
  reopen_days int NOT NULL,
  set_by uuid REFERENCES principal (id),
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, starts_at)
);
"#;

const LEVELS: &str = r"
-- The service level of a desk at a moment, for the desk itself and for those who let it in.
CREATE FUNCTION app.service_level_at(desk uuid, owner uuid, at timestamptz) RETURNS SETOF service_level
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT l.* FROM service_level l
  WHERE l.organization_id = desk AND l.starts_at <= at
    AND owner = ANY ((SELECT app.in_scope('read'))::uuid[])
    AND EXISTS (
      SELECT FROM access_grant g WHERE g.organization_id = owner AND g.grantee_organization_id = desk AND 'act' = ANY (g.scopes)
        AND g.accepted_at IS NOT NULL AND g.starts_at <= at AND (g.revoked_at IS NULL OR g.revoked_at >= at) AND (g.ends_at IS NULL OR g.ends_at >= at))
  ORDER BY l.starts_at DESC LIMIT 1
$$;

-- The one desk that an owner let act now. None: there is no such desk, or there are several.
CREATE FUNCTION app.desk_of(owner uuid, at timestamptz) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT CASE WHEN count(*) = 1 THEN (array_agg(desk))[1] END FROM (
    SELECT DISTINCT g.grantee_organization_id AS desk FROM access_grant g
    WHERE g.organization_id = owner AND owner = ANY ((SELECT app.in_scope('read'))::uuid[])
      AND {acts}) AS desks
$$;

-- Whether an owner lets a desk act now. One desk does not see the grant of another.
CREATE FUNCTION app.lets_act(owner uuid, desk uuid, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT EXISTS (
    SELECT FROM access_grant g
    WHERE g.organization_id = owner AND owner = ANY ((SELECT app.in_scope('read'))::uuid[]) AND g.grantee_organization_id = desk
      AND {acts})
$$;

-- Whether somebody works for the acting organization now.
CREATE FUNCTION app.works_for(desk uuid, who uuid, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
  SELECT EXISTS (
    SELECT FROM membership m WHERE m.organization_id = desk AND desk = app.acting() AND m.principal_id = who AND m.state = 'ACTIVE'
      AND m.role IN ('CONCIERGE_STAFF', 'ADMINISTRATOR') AND m.starts_at <= at AND (m.ends_at IS NULL OR m.ends_at > at))
$$;
";

const DELEGATIONS: &str = r"
-- Delegations over cases, by what these are about.
CREATE VIEW delegated_case WITH (security_invoker = true) AS
  SELECT c.organization_id, c.id AS case_id, d.holder_id, d.action, d.delegation_id
  FROM concierge_case c JOIN delegated_thing d ON d.organization_id = c.organization_id AND d.thing_id = c.about_id;

CREATE OR REPLACE VIEW delegated_resource WITH (security_invoker = true) AS
  SELECT organization_id, property_id AS resource_id, holder_id, action, delegation_id FROM delegated_property
  UNION ALL
  SELECT i.organization_id, i.id, d.holder_id, d.action, d.delegation_id
  FROM intent i JOIN delegated_thing d ON d.organization_id = i.organization_id AND d.thing_id = i.about_id
  WHERE d.action IN ('READ_CASES', 'SUBMIT_INTENTS')
  UNION ALL
  SELECT organization_id, case_id, holder_id, action, delegation_id FROM delegated_case WHERE action = 'READ_CASES'
  UNION ALL
  SELECT n.organization_id, n.id, d.holder_id, d.action, d.delegation_id
  FROM case_note n JOIN delegated_case d ON d.organization_id = n.organization_id AND d.case_id = n.case_id WHERE d.action = 'READ_CASES'
  UNION ALL
  SELECT q.organization_id, q.id, d.holder_id, d.action, d.delegation_id
  FROM case_question q JOIN delegated_case d ON d.organization_id = q.organization_id AND d.case_id = q.case_id WHERE d.action = 'READ_CASES'
  UNION ALL
  SELECT l.organization_id, l.id, d.holder_id, d.action, d.delegation_id
  FROM case_link l JOIN delegated_case d ON d.organization_id = l.organization_id AND d.case_id = l.case_id WHERE d.action = 'READ_CASES';
GRANT SELECT ON delegated_case TO hestami_app;
";
