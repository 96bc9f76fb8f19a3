//! Tests of the two steps apart: operands to the typed form, and the typed form to SQL. The project's tests compare the result of
//! both with the PDP.

use crate::*;
use chrono::DateTime;
use sea_query::{Alias, PostgresQueryBuilder, Query};
use serde_json::{Value as Json, json};

static OWNERS: Link = Link {
    through: &[Hop { table: "deed", on: &[("id", "house_id")] }],
    to: &Record { table: "person", fields: &[Attribute::text("name", "name")] },
    on: &[("person_id", "id")],
    bound: &[],
};
static GUESTS: Link =
    Link { through: &[], to: &Record { table: "guest", fields: &[] }, on: &[("id", "house_id")], bound: &[("person", "me")] };
static TOWN: Link = Link {
    through: &[],
    to: &Record {
        table: "town",
        fields: &[Attribute::text("name", "name"), Attribute::value("people", Scalar::new("people", ScalarType::Integer))],
    },
    on: &[("town_id", "id")],
    bound: &[],
};
static HOUSE: Resource = Resource {
    table: "house",
    id: Scalar::uuid("id"),
    attributes: &[
        Attribute::text("street", "street"),
        Attribute::value("note", Scalar::text("note").or_missing()),
        Attribute::value("nickname", Scalar::text("nickname").or_null()),
        Attribute::value("rooms", Scalar::new("rooms", ScalarType::Integer)),
        Attribute::value("area", Scalar::new("area", ScalarType::Double)),
        Attribute::value("sold", Scalar::new("sold", ScalarType::Bool)),
        Attribute::value("built", Scalar::new("built", ScalarType::Timestamp)),
        Attribute::value("relation", Scalar::new("holder", ScalarType::Choice { binding: "me", equal: "MINE", other: "THEIRS" })),
        Attribute { name: "owners", of: Of::Many { link: &OWNERS, elements: Elements::Records, order: None } },
        Attribute { name: "mine", of: Of::Many { link: &GUESTS, elements: Elements::Values(Scalar::text("room")), order: None } },
        Attribute { name: "town", of: Of::One(&TOWN) },
    ],
};

fn var(name: &str) -> Json {
    json!({ "variable": format!("request.resource.attr.{name}") })
}
fn value(value: impl Into<Json>) -> Json {
    json!({ "value": value.into() })
}
fn call<const N: usize>(operator: &str, operands: [Json; N]) -> Json {
    json!({ "expression": { "operator": operator, "operands": operands.to_vec() } })
}
fn lambda(name: &str, body: Json) -> Json {
    call("lambda", [body, json!({ "variable": name })])
}

fn rule(condition: Json) -> Result<Rule> {
    let plan = json!({ "kind": "KIND_CONDITIONAL", "condition": condition });
    let plan = serde_json::from_value(plan).expect("a plan");
    Rule::new(&plan, &HOUSE, &Literal::Null)
}

fn sql_of(cond: &Cond) -> Result<String> {
    let bindings = Bindings { values: [("me", 7.into())].into(), ..Bindings::default() };
    let condition = sql::condition(cond, "h", &bindings)?;
    let select = Query::select()
        .expr(sea_query::Expr::cust("1"))
        .from_as(Alias::new("house"), Alias::new("h"))
        .and_where(condition)
        .take();
    let text = select.to_string(PostgresQueryBuilder);
    Ok(text.split_once(" WHERE ").expect("a filter").1.to_owned())
}

fn sql(condition: Json) -> String {
    sql_of(rule(condition).expect("translated").cond()).expect("written")
}

fn field(value: Scalar) -> Field {
    Field { place: ColumnPath { var: Var(0), names: vec!["attr", "x"], hops: Vec::new() }, value }
}

#[test]
fn operands_become_a_typed_form() {
    // A literal on the left is moved to the right, and the operator mirrored.
    let mirrored = rule(call("le", [value(3), var("rooms")])).expect("translated");
    assert!(matches!(mirrored.cond(), Cond::Compare(Op::Ge, Term::Field(_), Term::Number(3.0))), "{:?}", mirrored.cond());
    // A choice is made where it is used.
    let choice = call("gt", [call("if", [var("sold"), var("rooms"), value(0)]), value(1)]);
    let choice = rule(choice).expect("translated");
    assert!(
        matches!(choice.cond(), Cond::If(_, then, other) if matches!((&**then, &**other), (Cond::Compare(..), Cond::Known(false))))
    );
    // Other types are unequal; where the attribute is missing that stays unknown.
    let unequal = rule(call("eq", [var("street"), value(3)])).expect("translated");
    assert!(matches!(unequal.cond(), Cond::Known(false)));
    let unequal = rule(call("eq", [var("note"), value(3)])).expect("translated");
    assert!(matches!(unequal.cond(), Cond::If(has, _, other) if matches!((&**has, &**other), (Cond::Has(_), Cond::Unknown))));
    // `all` means that no row is otherwise.
    let all = call("all", [var("owners"), lambda("o", call("eq", [json!({ "variable": "o.name" }), value("x")]))]);
    assert!(matches!(rule(all).expect("translated").cond(), Cond::Not(inner) if matches!(&**inner, Cond::Exists(..))));
    // A time finer than what is stored moves to the literal's side.
    let later = call("add", [call("timestamp", [var("built")]), call("duration", [value("60s")])]);
    let later = rule(call("lt", [later, call("timestamp", [value("2020-01-01T00:01:00.5Z")])])).expect("translated");
    let limit = DateTime::parse_from_rfc3339("2020-01-01T00:00:00.5Z").expect("a time");
    let Cond::If(_, then, otherwise) = later.cond() else { panic!("only where the sum is a time: {:?}", later.cond()) };
    assert!(matches!(&**then, Cond::Compare(Op::Lt, Term::Instant(_), Term::Time(at)) if *at == limit));
    assert!(matches!(**otherwise, Cond::Unknown));
}

#[test]
fn the_typed_form_becomes_sql() {
    let street = Term::Field(field(Scalar::text("street")));
    let is = |op, text: &str| Cond::Compare(op, street.clone(), Term::Text(text.into()));
    let both = Cond::And(vec![is(Op::Eq, "a"), is(Op::Eq, "b")]);
    assert_eq!(sql_of(&both).expect("SQL"), r#"(("h"."street" = 'a') AND ("h"."street" = 'b'))"#);
    // NOT goes inside, so that an unknown part stays unknown.
    let neither = r#"((NOT ("h"."street" = 'a')) OR (NOT ("h"."street" = 'b')))"#;
    assert_eq!(sql_of(&Cond::Not(Box::new(both))).expect("SQL"), neither);
    assert_eq!(sql_of(&is(Op::Lt, "a")).expect("SQL"), r#"("h"."street" COLLATE "C" < 'a' COLLATE "C")"#);
    assert_eq!(sql_of(&Cond::Unknown).expect("SQL"), "FALSE");
    assert_eq!(sql_of(&Cond::Not(Box::new(Cond::Unknown))).expect("SQL"), "FALSE");
    // Integers are compared as such, so that an index is used; a fraction between two becomes one of them.
    let rooms = |op, limit| Cond::Compare(op, Term::Field(field(Scalar::new("rooms", ScalarType::Integer))), Term::Number(limit));
    assert_eq!(sql_of(&rooms(Op::Gt, 2.0)).expect("SQL"), r#"("h"."rooms" > 2)"#);
    assert_eq!(sql_of(&rooms(Op::Gt, 1.5)).expect("SQL"), r#"("h"."rooms" >= 2)"#);
    assert_eq!(sql_of(&rooms(Op::Eq, 1.5)).expect("SQL"), r#"("h"."rooms" IS NULL AND NULL)"#);
    // A text that is not written as UUIDs are equals none.
    let id = |text: &str| Cond::Compare(Op::Eq, Term::Field(field(Scalar::uuid("id"))), Term::Text(text.into()));
    let written = "0192aaaa-0000-7000-8000-000000000001";
    assert_eq!(sql_of(&id(written)).expect("SQL"), format!(r#""h"."id" = '{written}'"#));
    assert_eq!(sql_of(&id(&written.to_uppercase())).expect("SQL"), r#"("h"."id" IS NULL AND NULL)"#);
}

#[test]
fn relations_are_correlated_and_an_index_can_serve_them() {
    assert_eq!(
        sql(call("eq", [var("town.name"), value("Tucson")])),
        r#"EXISTS(SELECT 1 FROM "town" AS "q1" WHERE "h"."town_id" = "q1"."id" AND (("q1"."name" = 'Tucson')))"#
    );
    // A missing row makes the condition neither true nor false.
    assert_eq!(
        sql(call("not", [call("eq", [var("town.name"), value("Tucson")])])),
        r#"EXISTS(SELECT 1 FROM "town" AS "q1" WHERE "h"."town_id" = "q1"."id" AND ((NOT ("q1"."name" = 'Tucson'))))"#
    );
    let named = |how: &str| call(how, [var("owners"), lambda("o", call("eq", [json!({ "variable": "o.name" }), value("Olga")]))]);
    assert_eq!(
        sql(named("exists")),
        r#"EXISTS(SELECT 1 FROM "deed" AS "q2", "person" AS "q1" WHERE "h"."id" = "q2"."house_id" AND "q2"."person_id" = "q1"."id" AND (("q1"."name" = 'Olga')))"#
    );
    let mine = call("in", [value("attic"), var("mine")]);
    assert_eq!(
        sql(mine.clone()),
        r#"EXISTS(SELECT 1 FROM "guest" AS "q1" WHERE "h"."id" = "q1"."house_id" AND "q1"."person" = 7 AND (("q1"."room" = 'attic')))"#
    );
    let mine = rule(mine).expect("translated");
    assert!(mine.looks_by("me") && !rule(named("exists")).expect("translated").looks_by("me"));
    assert!(mine.condition("h", &Bindings::default()).is_err_and(|refused| refused.0.contains("me")), "nothing is bound");
    assert!(sql(named("all")).starts_with("NOT EXISTS("), "{}", sql(named("all")));
    assert_eq!(sql(call("eq", [value("MINE"), var("relation")])), r#""h"."holder" = 7"#);
    assert_eq!(sql(call("in", [var("street"), value(json!(["a", "b"]))])), r#"("h"."street" = ANY(ARRAY ['a','b']))"#);
}

/// Plans as deep as the PDP's messages can be, on the stack of an ordinary thread.
#[test]
fn deep_plans_are_read_written_and_decided() {
    let mut condition = var("sold");
    for level in 0..100 {
        condition = match level % 4 {
            0 => call("not", [condition]),
            1 => call("and", [condition, call("gt", [var("area"), value(1)])]),
            2 => call("if", [call("eq", [var("street"), value("a")]), condition, var("sold")]),
            _ => call("exists", [var("owners"), lambda("o", condition)]),
        };
    }
    let rule = rule(condition).expect("translated");
    assert!(!sql_of(rule.cond()).expect("SQL").is_empty());
    rule.allows(&json!({ "id": "x", "attr": { "owners": [{ "name": "Olga" }] } }), DateTime::UNIX_EPOCH);
}

#[test]
fn what_is_not_known_is_refused_by_its_name() {
    for (condition, named) in [
        (var("colour"), "request.resource.attr.colour"),
        (json!({ "variable": "request.aux_data.jwt.sub" }), "request.aux_data.jwt.sub"),
        (call("matches", [var("street"), value("^a")]), "matches"),
        (call("int", [var("area")]), "int"),
        (call("timestamp", [var("street")]), "timestamp"),
        (call("eq", [var("built"), value("2020")]), "timestamp()"),
        (call("eq", [var("note"), json!({ "value": null })]), "note"),
        (call("ne", [var("nickname"), var("note")]), "note"),
        (call("lt", [var("street"), value(3)]), "a text"),
        (call("mod", [var("rooms"), value(2)]), "arithmetic"),
        (call("index", [var("owners"), value(0)]), "order"),
        (call("getHours", [call("timestamp", [var("built")]), value("America/Phoenix")]), "time zone"),
        (
            call(
                "exists",
                [var("owners"), call("lambda", [value(true), json!({ "variable": "i" }), json!({ "variable": "o" })])],
            ),
            "lambda",
        ),
        (call("and", []), ""),
        (call("not", [var("sold"), var("sold")]), "not with 2"),
        (value("yes"), "a condition"),
        (call("eq", [var("street"), value("a\u{0}b")]), "NUL"),
    ] {
        match rule(condition.clone()) {
            Err(Refused(reason)) => assert!(reason.contains(named), "{condition}: {reason}"),
            // The planner never sends a junction of nothing; it is true, as in the policy language.
            Ok(rule) => assert!(matches!(rule.cond(), Cond::Known(true)) && named.is_empty(), "{condition}"),
        }
    }
    let mine = rule(call("eq", [var("relation"), value("MINE")])).expect("translated");
    for (all, said) in [(true, "TRUE"), (false, "FALSE")] {
        let bindings = Bindings { equal: [("me", all)].into(), ..Bindings::default() };
        let said = sea_query::Expr::cust(said);
        assert_eq!(mine.condition("h", &bindings).expect("SQL"), said);
    }
    let unbound = rule(call("eq", [var("relation"), value("MINE")])).expect("translated");
    assert!(unbound.condition("h", &Bindings::default()).is_err_and(|refused| refused.0.contains("me")));
    // A plan that grows too large is refused too.
    let long: Vec<Json> = (0..400).map(|n| json!(n.to_string())).collect();
    let inner = call("exists", [value(long.clone()), lambda("b", call("eq", [json!({ "variable": "b" }), var("street")]))]);
    let outer = call("exists", [value(long), lambda("a", inner)]);
    assert!(rule(outer).is_err_and(|refused| refused.0.contains("parts")));
    let choice = || call("if", [var("sold"), var("rooms"), value(0)]);
    let sum = (0..30).fold(choice(), |sum, _| call("add", [sum, choice()]));
    assert!(rule(call("gt", [sum, value(1)])).is_err_and(|refused| refused.0.contains("parts")));
    let twice = (0..40).fold(var("sold"), |same, _| call("eq", [same, call("gt", [var("area"), value(1)])]));
    let twice = rule(twice).expect("translated");
    assert!(sql_of(twice.cond()).is_err_and(|refused| refused.0.contains("parts")));
    for plan in [json!({ "kind": "KIND_CONDITIONAL" }), json!({ "kind": "KIND_ALWAYS_ALLOWED", "condition": value(false) })] {
        let plan = serde_json::from_value(plan).expect("a plan");
        assert!(Rule::new(&plan, &HOUSE, &Literal::Null).is_err());
    }
}
