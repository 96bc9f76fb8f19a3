//! Lists are searched by what people call a thing, and addresses stand in the order of their numbers.

use crate::class;

crate::sql_migration!("m20261126_000022_search", {
    let mut sql = String::from(ORDER);
    for (table, columns) in SEARCHED {
        let texts: Vec<String> = columns.iter().map(|column| format!("coalesce({column}, '')")).collect();
        sql.push_str(&format!(
            "ALTER TABLE {table} ADD COLUMN search text GENERATED ALWAYS AS (lower(({}) COLLATE \"und-x-icu\")) STORED;\n",
            texts.join(" || ' ' || ")
        ));
    }
    sql.push_str(PROJECTION);
    sql.push_str(&class::across());
    sql
});

/// The texts that each list is searched by.
const SEARCHED: &[(&str, &[&str])] = &[
    ("property", &["line1", "line2", "locality", "region", "postal_code", "country", "parcel", "notes"]),
    ("portfolio", &["name", "target_notes"]),
    ("external_party", &["name", "email", "phone", "website", "notes"]),
    ("contact", &["name", "role", "email", "phone", "notes"]),
    ("ownership", &["holder_name", "evidence"]),
    ("financial_entry", &["source", "note"]),
];

const ORDER: &str = r#"
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch WITH SCHEMA public;

-- Whether a word occurs in a text; or among its first words, where names and addresses stand, one that is a letter or two away.
CREATE FUNCTION app.occurs(word text, words text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$
  SELECT strpos(words, word) > 0 OR (
    length(word) BETWEEN 4 AND 100 AND EXISTS (
      SELECT FROM regexp_split_to_table(left(words, 200), '[^[:alnum:]]+') AS one
      WHERE abs(length(one) - length(word)) <= 2
        AND public.levenshtein_less_equal(one, word, CASE WHEN length(word) < 6 THEN 1 ELSE 2 END) <= CASE WHEN length(word) < 6 THEN 1 ELSE 2 END))
$$;
REVOKE ALL ON FUNCTION app.occurs(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.occurs(text, text) TO hestami_app;

-- 2, 17 and 124 stand in this order. Equal is still only what is written alike.
CREATE COLLATION app.natural (provider = icu, locale = 'und-u-kn-true');
ALTER TABLE property ALTER COLUMN line1 TYPE text COLLATE app.natural;
ALTER TABLE engaged_property ALTER COLUMN line1 TYPE text COLLATE app.natural;

CREATE INDEX property_kind ON property (organization_id, kind, id);
CREATE INDEX property_locality ON property (organization_id, locality, id);
CREATE INDEX engaged_property_kind ON engaged_property (organization_id, kind, property_id);
CREATE INDEX engaged_property_locality ON engaged_property (organization_id, locality, property_id);
CREATE INDEX financial_entry_amount ON financial_entry (organization_id, amount_minor, id);
"#;

const PROJECTION: &str = r"
ALTER TABLE engaged_property ADD COLUMN search text;
UPDATE engaged_property e SET search = p.search
FROM property p WHERE p.organization_id = e.owner_organization_id AND p.id = e.property_id;

CREATE OR REPLACE FUNCTION app.project_property() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(NEW.organization_id::text, 7));
  INSERT INTO engaged_property AS e
    (organization_id, owner_organization_id, property_id, kind, status, line1, locality, region, country, updated_at, search)
  SELECT DISTINCT g.grantee_organization_id, NEW.organization_id, NEW.id, NEW.kind, NEW.status, NEW.line1, NEW.locality, NEW.region,
    NEW.country, NEW.updated_at, NEW.search
  FROM access_grant g WHERE g.organization_id = NEW.organization_id AND g.revoked_at IS NULL
  ON CONFLICT (organization_id, property_id, owner_organization_id) DO UPDATE
    SET kind = excluded.kind, status = excluded.status, line1 = excluded.line1, locality = excluded.locality, region = excluded.region,
        country = excluded.country, updated_at = excluded.updated_at, search = excluded.search;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION app.project_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.revoked_at IS NULL) = (OLD.revoked_at IS NULL) THEN
    RETURN NULL;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(NEW.organization_id::text, 7));
  IF NEW.revoked_at IS NULL THEN
    INSERT INTO engaged_property
      (organization_id, owner_organization_id, property_id, kind, status, line1, locality, region, country, updated_at, search)
    SELECT NEW.grantee_organization_id, p.organization_id, p.id, p.kind, p.status, p.line1, p.locality, p.region, p.country,
      p.updated_at, p.search
    FROM property p WHERE p.organization_id = NEW.organization_id
    ON CONFLICT (organization_id, property_id, owner_organization_id) DO NOTHING;
  ELSIF NOT EXISTS (
    SELECT FROM access_grant g WHERE g.organization_id = NEW.organization_id
      AND g.grantee_organization_id = NEW.grantee_organization_id AND g.revoked_at IS NULL)
  THEN
    DELETE FROM engaged_property e
    WHERE e.organization_id = NEW.grantee_organization_id AND e.owner_organization_id = NEW.organization_id;
  END IF;
  RETURN NULL;
END $$;
";
