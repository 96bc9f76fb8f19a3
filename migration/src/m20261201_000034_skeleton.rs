//! Names that must differ must look different.

use super::{class, sql_migration};

sql_migration!("m20261201_000034_skeleton", { [NAMES, &class::across()].concat() });

const NAMES: &str = r"
-- The shape of a name: letters of one width and case, and those of other scripts that look like Latin ones as these.
CREATE FUNCTION app.skeleton(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$
  SELECT translate(lower(regexp_replace(normalize(name, NFKC), '[\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u206F\u3164\uFEFF]', '', 'g')),
    U&'\0430\0435\043E\0440\0441\0443\0445\0456\0458\0455\0501\051B\051D\0432\043A\043C\043D\0442\03BF\03B1\03BD\03C1\03C5\03B9\03BA\03B2\03B5\03B7\03BC\03C4\03C7\03B6\0131\04CF\0578\057D\0585',
    'aeopcyxijsdqwbkmhtoavpuikbehmtxzilnuo')
$$;
REVOKE ALL ON FUNCTION app.skeleton(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.skeleton(text) TO hestami_app;

DROP INDEX portfolio_name;
-- Of two portfolios that look the same, the later one says so.
WITH alike AS (
  SELECT organization_id, id, row_number() OVER (PARTITION BY organization_id, app.skeleton(name) ORDER BY id) AS n
  FROM portfolio WHERE status = 'ACTIVE'
)
UPDATE portfolio p SET name = p.name || ' (' || right(p.id::text, 6) || ')' FROM alike
WHERE alike.n > 1 AND p.organization_id = alike.organization_id AND p.id = alike.id;
CREATE UNIQUE INDEX portfolio_name ON portfolio (organization_id, app.skeleton(name)) WHERE status = 'ACTIVE';
";
