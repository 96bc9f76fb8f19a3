//! What owners wish for, numbered within each organization; and delegations over things of either sort.

use crate::class;

crate::sql_migration!("m20261202_000036_intent", {
    let mut sql = String::from(COUNTER);
    sql.push_str(&class::identity("counter"));
    sql.push_str(&class::definer("counter", "SELECT, INSERT, UPDATE"));
    sql.push_str(NUMBERS);
    sql.push_str(TABLE);
    sql.push_str(&class::numbered("intent", "intent"));
    sql.push_str(&class::ranked("intent", None));
    let fixed = ["number", "priority_rank", "about_id", "search", "submitted_by", "submitter_organization_id", "traceparent"];
    sql.push_str(&class::owned_but("intent", &fixed));
    sql.push_str(DELEGATIONS);
    sql.push_str(&class::across());
    sql
});

const COUNTER: &str = r"
-- The last number that an organization gave to a thing of a sort.
CREATE TABLE counter (
  organization_id uuid NOT NULL,
  name text NOT NULL,
  last int NOT NULL,
  PRIMARY KEY (organization_id, name)
);
";

const NUMBERS: &str = r"
-- Gives a new row the next number of its organization. The counter stays locked until the row is committed, so the numbers are dense
-- and in the order of commits.
CREATE FUNCTION app.number_it() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  INSERT INTO counter AS c (organization_id, name, last) VALUES (NEW.organization_id, TG_ARGV[0], 1)
  ON CONFLICT (organization_id, name) DO UPDATE SET last = c.last + 1 RETURNING c.last INTO NEW.number;
  RETURN NEW;
END $$;
ALTER FUNCTION app.number_it() OWNER TO hestami_definer;
REVOKE ALL ON FUNCTION app.number_it() FROM PUBLIC;

CREATE FUNCTION app.priority_rank(priority text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT array_position(ARRAY['LOW', 'NORMAL', 'HIGH', 'URGENT'], priority) $$;
REVOKE ALL ON FUNCTION app.priority_rank(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.priority_rank(text) TO hestami_app, hestami_definer;

-- Keeps the columns by which rows stand in the order of their urgency. Its argument, if there is one: the column with the time that
-- something is due. A row that is not due stands last.
CREATE FUNCTION app.rank_it() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  NEW.priority_rank := app.priority_rank(NEW.priority);
  IF TG_NARGS > 0 THEN
    NEW.due_sort := coalesce((to_jsonb(NEW) ->> TG_ARGV[0])::timestamptz, '9999-12-31T00:00:00Z');
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION app.rank_it() FROM PUBLIC;
";

const TABLE: &str = r#"
CREATE TABLE intent (
  organization_id uuid NOT NULL REFERENCES organization (id),
  id uuid NOT NULL,
  number int NOT NULL,
  text text NOT NULL,
  wanted text,
  property_id uuid,
  portfolio_id uuid,
  -- The thing that it is about, if it is about one.
  about_id uuid GENERATED ALWAYS AS (coalesce(property_id, portfolio_id)) STORED,
  priority text NOT NULL CHECK (priority IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')),
  priority_rank int NOT NULL,
  budget_minor bigint CHECK (budget_minor > 0),
  budget_currency text COLLATE "C" CHECK (budget_currency ~ '^[A-Z]{3}$'),
  not_before date,
  not_after date,
  must_nots text[] NOT NULL,
  state text NOT NULL CHECK (state IN ('SUBMITTED', 'CLASSIFIED', 'CONVERTED', 'DECLINED', 'WITHDRAWN')),
  suggested_kind text NOT NULL CHECK (suggested_kind IN ('REPAIR', 'MAINTENANCE', 'IMPROVEMENT', 'INSPECTION', 'ASSOCIATION_APPROVAL',
    'ASSOCIATION_NOTICE', 'BILL', 'TAX', 'INSURANCE', 'TENANCY', 'TRANSACTION', 'DOCUMENT', 'ACCESS', 'OTHER')),
  suggested_domain text NOT NULL CHECK (suggested_domain IN ('PROPERTY', 'ASSOCIATION', 'FINANCE', 'OCCUPANCY', 'PAPERS', 'OTHER')),
  suggested_urgency text NOT NULL CHECK (suggested_urgency IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')),
  suggested_confidence int NOT NULL CHECK (suggested_confidence BETWEEN 0 AND 100),
  suggested_words text[] NOT NULL,
  kind text CHECK (kind IN ('REPAIR', 'MAINTENANCE', 'IMPROVEMENT', 'INSPECTION', 'ASSOCIATION_APPROVAL',
    'ASSOCIATION_NOTICE', 'BILL', 'TAX', 'INSURANCE', 'TENANCY', 'TRANSACTION', 'DOCUMENT', 'ACCESS', 'OTHER')),
  domain text CHECK (domain IN ('PROPERTY', 'ASSOCIATION', 'FINANCE', 'OCCUPANCY', 'PAPERS', 'OTHER')),
  urgency text CHECK (urgency IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')),
  -- Whether the one who classified it took all that was suggested.
  suggestion_taken boolean,
  classified_by uuid REFERENCES principal (id),
  classified_at timestamptz,
  submitted_by uuid NOT NULL REFERENCES principal (id),
  -- The organization that they acted for.
  submitter_organization_id uuid NOT NULL REFERENCES organization (id),
  case_id uuid,
  ended_at timestamptz,
  ended_by uuid REFERENCES principal (id),
  end_reason text,
  traceparent text,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  search text GENERATED ALWAYS AS (lower((coalesce(text, '') || ' ' || coalesce(wanted, '')) COLLATE "und-x-icu")) STORED,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, number),
  CONSTRAINT intent_about CHECK (property_id IS NULL OR portfolio_id IS NULL),
  CONSTRAINT intent_budget CHECK ((budget_minor IS NULL) = (budget_currency IS NULL)),
  CONSTRAINT intent_classified CHECK ((kind IS NULL) = (classified_by IS NULL) AND (kind IS NULL) = (domain IS NULL) AND (kind IS NULL) = (urgency IS NULL)),
  CONSTRAINT intent_property FOREIGN KEY (organization_id, property_id) REFERENCES property (organization_id, id),
  CONSTRAINT intent_portfolio FOREIGN KEY (organization_id, portfolio_id) REFERENCES portfolio (organization_id, id)
);
CREATE INDEX intent_about ON intent (organization_id, about_id, id);
CREATE INDEX intent_state ON intent (organization_id, state, id);
CREATE INDEX intent_updated ON intent (organization_id, updated_at, id);
CREATE INDEX intent_priority ON intent (organization_id, priority_rank, id);
"#;

const DELEGATIONS: &str = r"
ALTER TABLE delegation DROP CONSTRAINT delegation_actions_check;
ALTER TABLE delegation ADD CONSTRAINT delegation_actions_check CHECK (cardinality(actions) > 0 AND actions <@ ARRAY[
  'READ', 'UPDATE', 'ARCHIVE', 'READ_FINANCES', 'RECORD_FINANCES', 'READ_CASES', 'SUBMIT_INTENTS', 'ANSWER']);

-- Delegations over properties and over portfolios, by the id of either.
CREATE VIEW delegated_thing WITH (security_invoker = true) AS
  SELECT organization_id, property_id AS thing_id, holder_id, action, delegation_id FROM delegated_property
  UNION ALL
  SELECT organization_id, portfolio_id, holder_id, action, delegation_id FROM delegated_portfolio;

-- Delegations over all that events are about.
CREATE VIEW delegated_resource WITH (security_invoker = true) AS
  SELECT organization_id, property_id AS resource_id, holder_id, action, delegation_id FROM delegated_property
  UNION ALL
  SELECT i.organization_id, i.id, d.holder_id, d.action, d.delegation_id
  FROM intent i JOIN delegated_thing d ON d.organization_id = i.organization_id AND d.thing_id = i.about_id
  WHERE d.action IN ('READ_CASES', 'SUBMIT_INTENTS');
GRANT SELECT ON delegated_thing, delegated_resource TO hestami_app;
";
