//! Query plans judged by the PDP's own check: SQL, the evaluator and the check must allow the same rows.
//!
//! The rows are those of the public conformance data for query plan adapters: every kind of column, lists two and three levels
//! deep, relations to one row, and NULLs of both meanings.

mod conformance;
mod filters;
pub mod random;
mod shipped;

use crate::harness::{cluster, folder, root};
use authz::{Pdp, Principal, Question};
use chrono::{DateTime, Utc};
use queryplan::{Attribute, Bindings, Elements, Hop, Link, Null, Of, Plan, Record, Refused, Resource, Rule, Scalar, ScalarType};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, SqlxPostgresConnector,
    sea_query::{Alias, Expr, Query, SelectStatement},
};
use serde_json::{Map, Value, json};
use server::embedded::{Child, Folders, Spawner, start_cerbos};
use sqlx::{AssertSqlSafe, Executor, PgPool};
use std::{collections::BTreeSet, path::Path, time::Duration};

const fn scalar(column: &'static str, stored: ScalarType) -> Scalar {
    Scalar::new(column, stored)
}
const fn at(name: &'static str, scalar: Scalar) -> Attribute {
    Attribute::value(name, scalar)
}

static RESOURCE: Resource = Resource {
    table: "adversarial_resource",
    id: Scalar::text("id"),
    attributes: &[
        at("aBool", scalar("a_bool", ScalarType::Bool)),
        at("aString", Scalar::text("a_string")),
        at("aNumber", scalar("a_number", ScalarType::Integer)),
        at("aDouble", scalar("a_double", ScalarType::Double).or_missing()),
        at("aOptionalString", Scalar::text("a_optional_string").or_missing()),
        at("scope", Scalar::text("scope").or_missing()),
        at("createdAt", scalar("created_at", ScalarType::Timestamp).or_missing()),
        at("createdBy", Scalar::text("created_by")),
        at("owner", Scalar::text("a_optional_string").or_null()),
        at("coOwner", Scalar::text("scope").or_null()),
        Attribute { name: "obj", of: Of::Object(&[at("inner", Scalar::text("a_string"))]) },
        Attribute { name: "tags", of: Of::Many { link: &TAGS, elements: Elements::Records, order: Some("position") } },
        Attribute {
            name: "tagNames",
            of: Of::Many { link: &TAGS, elements: Elements::Values(Scalar::text("name").or_null()), order: Some("position") },
        },
        Attribute {
            name: "ofMe",
            of: Of::Many { link: &OF_ME, elements: Elements::Values(Scalar::text("tag_id")), order: None },
        },
        Attribute { name: "categories", of: Of::Many { link: &CATEGORIES, elements: Elements::Records, order: None } },
        Attribute { name: "mainCategory", of: Of::One(&MAIN) },
        Attribute { name: "parent", of: Of::One(&PARENT) },
    ],
};

static TAGS: Link = Link {
    through: &[],
    to: &Record {
        table: "adversarial_tag",
        fields: &[at("id", Scalar::text("tag_id")), at("name", Scalar::text("name").or_missing())],
    },
    on: &[("id", "resource_id")],
    bound: &[],
};
/// The tags with the name that is bound.
static OF_ME: Link = Link {
    through: &[],
    to: &Record { table: "adversarial_tag", fields: &[] },
    on: &[("id", "resource_id")],
    bound: &[("name", "me")],
};
const ME: &str = "public";
static CATEGORIES: Link = Link {
    through: &[],
    to: &Record {
        table: "adversarial_category",
        fields: &[
            at("name", Scalar::text("name")),
            Attribute { name: "subCategories", of: Of::Many { link: &SUB_CATEGORIES, elements: Elements::Records, order: None } },
        ],
    },
    on: &[("id", "resource_id")],
    bound: &[],
};
static SUB_CATEGORIES: Link = Link {
    through: &[],
    to: &Record {
        table: "adversarial_sub_category",
        fields: &[
            at("name", Scalar::text("name")),
            Attribute { name: "labels", of: Of::Many { link: &LABELS, elements: Elements::Records, order: None } },
        ],
    },
    on: &[("id", "category_id")],
    bound: &[],
};
static LABELS: Link = Link {
    through: &[],
    to: &Record { table: "adversarial_label", fields: &[at("name", Scalar::text("name").or_missing())] },
    on: &[("id", "sub_category_id")],
    bound: &[],
};
/// Any of the categories, which leads to the sub-categories of all of them.
static MAIN: Link = Link {
    through: &[],
    to: &Record {
        table: "adversarial_category",
        fields: &[
            at("name", Scalar::text("name")),
            Attribute { name: "subCategories", of: Of::Many { link: &MAIN_SUBS, elements: Elements::Records, order: None } },
            Attribute {
                name: "subNames",
                of: Of::Many { link: &MAIN_SUBS, elements: Elements::Values(Scalar::text("name")), order: None },
            },
        ],
    },
    on: &[("id", "resource_id")],
    bound: &[],
};
static MAIN_SUBS: Link = Link {
    through: &[Hop { table: "adversarial_category", on: &[("resource_id", "resource_id")] }],
    to: &Record { table: "adversarial_sub_category", fields: &[at("name", Scalar::text("name"))] },
    on: &[("id", "category_id")],
    bound: &[],
};
static PARENT: Link = Link {
    through: &[],
    to: &Record {
        table: "adversarial_parent",
        fields: &[
            at("aBool", scalar("a_bool", ScalarType::Bool)),
            at("aString", Scalar::text("a_string")),
            at("aNumber", scalar("a_number", ScalarType::Integer)),
            at("aOptionalString", Scalar::text("a_optional_string").or_missing()),
            Attribute { name: "inner", of: Of::One(&INNER) },
        ],
    },
    on: &[("id", "resource_id")],
    bound: &[],
};
static INNER: Link = Link {
    through: &[],
    to: &Record {
        table: "adversarial_inner",
        fields: &[
            at("aBool", scalar("a_bool", ScalarType::Bool)),
            at("aString", Scalar::text("a_string")),
            at("aNumber", scalar("a_number", ScalarType::Integer)),
            at("aOptionalString", Scalar::text("a_optional_string").or_missing()),
        ],
    },
    on: &[("id", "parent_id")],
    bound: &[],
};

const TABLES: &str = "
CREATE TABLE adversarial_resource (id text PRIMARY KEY, a_bool bool NOT NULL, a_string text NOT NULL, a_number bigint NOT NULL,
  a_double double precision, a_optional_string text, scope text, created_at timestamptz, created_by text NOT NULL);
CREATE TABLE adversarial_tag (tag_id text NOT NULL, name text, resource_id text NOT NULL, position int NOT NULL);
CREATE TABLE adversarial_category (id text PRIMARY KEY, name text NOT NULL, resource_id text NOT NULL);
CREATE TABLE adversarial_sub_category (id text PRIMARY KEY, name text NOT NULL, category_id text NOT NULL);
CREATE TABLE adversarial_label (id text PRIMARY KEY, name text, sub_category_id text NOT NULL);
CREATE TABLE adversarial_parent (id text PRIMARY KEY, resource_id text NOT NULL UNIQUE, a_bool bool NOT NULL, a_string text NOT NULL,
  a_number bigint NOT NULL, a_optional_string text);
CREATE TABLE adversarial_inner (id text PRIMARY KEY, parent_id text NOT NULL UNIQUE, a_bool bool NOT NULL, a_string text NOT NULL,
  a_number bigint NOT NULL, a_optional_string text);
";

/// A row, as the data describes it.
#[derive(Debug, Clone, Default)]
struct Seed {
    id: String,
    a_bool: bool,
    a_string: String,
    a_number: i64,
    a_double: Option<f64>,
    a_optional_string: Option<String>,
    scope: Option<String>,
    created_at: Option<String>,
    created_by: String,
    tags: Vec<(String, Option<String>)>,
    sub_category_names: Vec<String>,
    labels: Vec<Option<String>>,
    parent: Option<String>,
}

impl Seed {
    /// The attributes that stand for the row where another row calls it its parent.
    fn scalars(&self) -> Map<String, Value> {
        let mut scalars = Map::from_iter([
            ("aBool".to_owned(), self.a_bool.into()),
            ("aString".to_owned(), self.a_string.clone().into()),
            ("aNumber".to_owned(), self.a_number.into()),
        ]);
        if let Some(text) = &self.a_optional_string {
            scalars.insert("aOptionalString".into(), text.clone().into());
        }
        scalars
    }

    /// The attributes that a check is sent. A NULL is a missing attribute, save where the data says otherwise.
    fn attributes(&self, all: &[Seed]) -> Map<String, Value> {
        let mut attributes = self.scalars();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                attributes.insert(name.to_owned(), value);
            }
        };
        let named =
            |name: &Option<String>| name.iter().map(|name| ("name".to_owned(), name.clone().into())).collect::<Map<_, _>>();
        let labels: Vec<_> = self.labels.iter().map(named).collect();
        put("aDouble", self.a_double.map(Value::from));
        put("scope", self.scope.clone().map(Value::from));
        put("createdAt", self.created_at.clone().map(Value::from));
        put("createdBy", Some(self.created_by.clone().into()));
        put("owner", Some(self.a_optional_string.clone().into()));
        put("coOwner", Some(self.scope.clone().into()));
        put("obj", Some(json!({ "inner": self.a_string })));
        let tag = |(id, name): &(String, Option<String>)| {
            let mut tag = named(name);
            tag.insert("id".into(), id.clone().into());
            tag
        };
        put("tags", Some(self.tags.iter().map(tag).collect::<Vec<_>>().into()));
        put("tagNames", Some(self.tags.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>().into()));
        let of_me = self.tags.iter().filter(|(_, name)| name.as_deref() == Some(ME)).map(|(id, _)| id.clone());
        put("ofMe", Some(of_me.collect::<Vec<_>>().into()));
        let category = |name: &String| json!({ "name": "business", "subCategories": [{ "name": name, "labels": labels }] });
        put("categories", Some(self.sub_category_names.iter().map(category).collect::<Vec<_>>().into()));
        let subs: Vec<_> = self.sub_category_names.iter().map(|name| json!({ "name": name })).collect();
        let main = json!({ "name": "business", "subCategories": subs, "subNames": self.sub_category_names });
        put("mainCategory", (!subs.is_empty()).then_some(main));
        let find = |id: &Option<String>| all.iter().find(|seed| Some(&seed.id) == id.as_ref());
        put(
            "parent",
            find(&self.parent).map(|parent| {
                let mut scalars = parent.scalars();
                if let Some(inner) = find(&parent.parent) {
                    scalars.insert("inner".into(), inner.scalars().into());
                }
                scalars.into()
            }),
        );
        attributes
    }
}

/// A database with rows, and a PDP with policies.
struct Lab {
    kind: String,
    principal: Principal,
    rows: Vec<Question>,
    pdp: Pdp,
    db: DatabaseConnection,
    _cerbos: (Child, Spawner),
}

/// The common judgement of SQL, evaluator and check on one action.
#[derive(Debug)]
enum Verdict {
    Matched(BTreeSet<String>),
    Refused(String),
    Wrong(String),
}

impl Lab {
    async fn new(name: &str, policies: &Path, kind: &str, principal: Principal, seeds: &[Seed]) -> Lab {
        let cluster = cluster().await;
        let database = format!("plans_{name}");
        let mut admin = cluster.connect("postgres", "postgres").await;
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {database}"))).await.expect("a database");
        let pool = PgPool::connect(&cluster.url("postgres", &database)).await.expect("a connection");
        pool.execute(sqlx::raw_sql(TABLES)).await.expect("tables");
        for seed in seeds {
            insert(&pool, seed, seeds).await;
        }
        let folders =
            Folders::lay_out(&folder(&format!("plans-{name}")), &root().join("embedded/node_modules")).expect("folders");
        let spawner = Spawner::start().expect("a spawner");
        let (child, url) = start_cerbos(&spawner, &folders, policies).await.expect("Cerbos starts");
        let pdp = Pdp::new(&url, Duration::from_secs(20)).unwrap_or_else(|error| panic!("{:?}", error.cause()));
        let row = |seed: &Seed| Question {
            action: String::new(),
            kind: kind.to_owned(),
            id: seed.id.clone(),
            attributes: seed.attributes(seeds),
        };
        let rows = seeds.iter().map(row).collect();
        let db = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        Lab { kind: kind.to_owned(), principal, rows, pdp, db, _cerbos: (child, spawner) }
    }

    /// The plan for an action; None where the planner itself fails.
    async fn plan(&self, action: &str) -> Option<Plan> {
        self.pdp.plan(&self.principal, action, &self.kind).await.ok()
    }

    /// The PDP's own answer, row by row.
    async fn oracle(&self, action: &str) -> BTreeSet<String> {
        let questions: Vec<_> = self.rows.iter().map(|row| Question { action: action.to_owned(), ..row.clone() }).collect();
        let answers = self.pdp.check(&self.principal, &questions).await;
        let answers = answers.unwrap_or_else(|error| panic!("{action}: {:?}", error.cause()));
        self.rows.iter().zip(answers).filter(|(_, allowed)| *allowed).map(|(row, _)| row.id.clone()).collect()
    }

    fn select(rule: &Rule) -> Result<SelectStatement, Refused> {
        let bindings = Bindings { values: [("me", ME.into())].into(), now: Some(now()), ..Bindings::default() };
        let condition = rule.condition("r", &bindings)?;
        let (id, table) = (Alias::new("id"), Alias::new("r"));
        let select = Query::select()
            .expr(Expr::col((table.clone(), id)))
            .from_as(Alias::new(RESOURCE.table), table)
            .and_where(condition)
            .take();
        Ok(select)
    }

    async fn selected(&self, rule: &Rule) -> Result<BTreeSet<String>, Verdict> {
        let select = Self::select(rule).map_err(|refused| Verdict::Refused(refused.to_string()))?;
        let found = self.db.query_all(&select).await.map_err(|error| Verdict::Wrong(format!("SQL: {error}")))?;
        Ok(found.iter().map(|row| row.try_get_by_index(0).expect("an id")).collect())
    }

    fn evaluated(&self, rule: &Rule) -> BTreeSet<String> {
        let allowed = |row: &&Question| rule.allows(&json!({ "id": row.id, "attr": row.attributes }), now());
        self.rows.iter().filter(allowed).map(|row| row.id.clone()).collect()
    }

    async fn judge(&self, action: &str) -> Verdict {
        let Some(plan) = self.plan(action).await else { return Verdict::Refused("the planner fails".into()) };
        let rule = match Rule::new(&plan, &RESOURCE, &self.principal.literal()) {
            Ok(rule) => rule,
            Err(refused) => return Verdict::Refused(refused.to_string()),
        };
        let selected = match self.selected(&rule).await {
            Ok(selected) => selected,
            Err(verdict) => return verdict,
        };
        let (evaluated, oracle) = (self.evaluated(&rule), self.oracle(action).await);
        if selected == oracle && evaluated == oracle {
            return Verdict::Matched(oracle);
        }
        Verdict::Wrong(format!("SQL {selected:?}, evaluator {evaluated:?}, PDP {oracle:?}, by {plan:?}"))
    }
}

#[expect(clippy::disallowed_methods, reason = "the PDP's clock is the machine's")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A folder of policies, whole.
fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("policies") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

async fn insert(pool: &PgPool, seed: &Seed, all: &[Seed]) {
    let created_at =
        seed.created_at.as_deref().map(|text| DateTime::parse_from_rfc3339(text).expect("a time").with_timezone(&Utc));
    sqlx::query("INSERT INTO adversarial_resource VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(&seed.id)
        .bind(seed.a_bool)
        .bind(&seed.a_string)
        .bind(seed.a_number)
        .bind(seed.a_double)
        .bind(&seed.a_optional_string)
        .bind(&seed.scope)
        .bind(created_at)
        .bind(&seed.created_by)
        .execute(pool)
        .await
        .expect("a resource");
    for (position, (tag, name)) in seed.tags.iter().enumerate() {
        sqlx::query("INSERT INTO adversarial_tag VALUES ($1, $2, $3, $4)")
            .bind(tag)
            .bind(name)
            .bind(&seed.id)
            .bind(i32::try_from(position).expect("few"))
            .execute(pool)
            .await
            .expect("a tag");
    }
    for (position, name) in seed.sub_category_names.iter().enumerate() {
        let id = format!("{}-{position}", seed.id);
        let category = "INSERT INTO adversarial_category VALUES ($1, 'business', $2)";
        sqlx::query(category).bind(&id).bind(&seed.id).execute(pool).await.expect("a category");
        let sub = "INSERT INTO adversarial_sub_category VALUES ($1, $2, $1)";
        sqlx::query(sub).bind(&id).bind(name).execute(pool).await.expect("a sub-category");
        for (number, label) in seed.labels.iter().enumerate() {
            let sql = "INSERT INTO adversarial_label VALUES ($1, $2, $3)";
            sqlx::query(sql).bind(format!("{id}-{number}")).bind(label).bind(&id).execute(pool).await.expect("a label");
        }
    }
    let find = |id: &Option<String>| all.iter().find(|seed| Some(&seed.id) == id.as_ref());
    let Some(parent) = find(&seed.parent) else { return };
    let row = |table: &str| AssertSqlSafe(format!("INSERT INTO {table} VALUES ($1, $2, $3, $4, $5, $6)"));
    let rows = [
        ("adversarial_parent", Some(parent), seed.id.clone()),
        ("adversarial_inner", find(&parent.parent), format!("p-{}", seed.id)),
    ];
    for (table, of, outer) in rows {
        let Some(of) = of else { continue };
        let id = if table == "adversarial_parent" { format!("p-{}", seed.id) } else { format!("i-{}", seed.id) };
        sqlx::query(row(table))
            .bind(id)
            .bind(outer)
            .bind(of.a_bool)
            .bind(&of.a_string)
            .bind(of.a_number)
            .bind(&of.a_optional_string)
            .execute(pool)
            .await
            .expect("a relative");
    }
}

/// The declarations themselves: a column declared never NULL is NOT NULL in the table as well.
#[test]
fn what_is_declared_never_null_is_not_null() {
    for attribute in RESOURCE.attributes {
        if let Of::Value(value) = &attribute.of
            && value.null == Null::Never
        {
            let column =
                TABLES.split([',', '(', '\n']).map(str::trim).find(|text| text.starts_with(&format!("{} ", value.column)));
            assert!(column.is_some_and(|column| column.contains("NOT NULL")), "{}", attribute.name);
        }
    }
}
