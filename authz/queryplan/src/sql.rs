//! The typed form as a condition for PostgreSQL.
//!
//! Two functions speak of the same condition: [`Sql::truth`] is an expression that is TRUE exactly
//! where the condition is true, and [`Sql::falsity`] one that is TRUE exactly where it is false. Where
//! they are not TRUE they may be FALSE or NULL. Nothing else is needed to keep the third value, and
//! what stands in a filter stays plain: `NOT`, `CASE` and `IS` appear only where the policy needs them.

use crate::{
    Result, deeper,
    form::{Cond, Field, Kind, Math, Op, Part, Place, Rows, Term, TextOp, Var},
    mapping::{Link, Null, Stored},
    refuse,
};
use chrono::{DateTime, Utc};
use sea_query::{Alias, ArrayType, Expr, ExprTrait, IntoIden, Query, SelectStatement, Value};
use std::{cell::Cell, collections::HashMap};

/// Values that are known only when a query is made.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    /// What [`Stored::Choice`] compares with.
    pub values: HashMap<&'static str, Value>,
    /// Where the rows that a query can meet all equal such a value, or none does, and the query sees to
    /// that by itself.
    pub equal: HashMap<&'static str, bool>,
    pub now: Option<DateTime<Utc>>,
}

pub fn condition(cond: &Cond, alias: &str, bindings: &Bindings) -> Result<Expr> {
    let scope = Scope { rows: vec![(Var(0), alias.to_owned())], hops: Vec::new() };
    Sql { bindings, next: Cell::new(0), written: Cell::new(0) }.truth(cond, &scope)
}

struct Sql<'a> {
    bindings: &'a Bindings,
    next: Cell<usize>,
    written: Cell<usize>,
}

/// The names of rows, and of what to-one relations lead to.
#[derive(Clone)]
struct Scope {
    rows: Vec<(Var, String)>,
    hops: Vec<(Var, Vec<*const Link>, String)>,
}

fn cust<const N: usize>(text: &'static str, parts: [Expr; N]) -> Expr {
    Expr::cust_with_exprs(text, parts)
}

fn and(a: Expr, b: Expr) -> Expr {
    cust("($1 AND $2)", [a, b])
}

fn or(a: Expr, b: Expr) -> Expr {
    cust("($1 OR $2)", [a, b])
}

fn not(a: Expr) -> Expr {
    cust("(NOT $1)", [a])
}

/// Neither true where it is not NULL, nor anything where it is.
fn never(a: Expr) -> Expr {
    cust("($1 IS NULL AND NULL)", [a])
}

fn known(value: bool) -> Expr {
    Expr::cust(if value { "TRUE" } else { "FALSE" })
}

/// A filter longer than this is no filter.
const LIMIT: usize = 50_000;

/// Below this, every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Sql<'_> {
    /// A condition may be needed from both sides, and so each below it.
    fn spend(&self) -> Result<()> {
        self.written.set(self.written.get() + 1);
        if self.written.get() > LIMIT { refuse(format!("a condition of more than {LIMIT} parts")) } else { Ok(()) }
    }

    fn truth(&self, cond: &Cond, scope: &Scope) -> Result<Expr> {
        self.spend()?;
        deeper(|| self.true_where(cond, scope))
    }

    fn falsity(&self, cond: &Cond, scope: &Scope) -> Result<Expr> {
        self.spend()?;
        deeper(|| self.false_where(cond, scope))
    }

    fn true_where(&self, cond: &Cond, scope: &Scope) -> Result<Expr> {
        Ok(match cond {
            Cond::Known(value) => known(*value),
            Cond::Unknown => known(false),
            Cond::And(all) => self.joined(all, scope, Self::truth, and)?,
            Cond::Or(all) => self.joined(all, scope, Self::truth, or)?,
            Cond::Not(inner) => self.falsity(inner, scope)?,
            Cond::If(condition, then, otherwise) => {
                let first = and(self.truth(condition, scope)?, self.truth(then, scope)?);
                match **otherwise {
                    Cond::Unknown | Cond::Known(false) => first,
                    _ => or(first, and(self.falsity(condition, scope)?, self.truth(otherwise, scope)?)),
                }
            }
            Cond::Same(a, b) => {
                or(and(self.truth(a, scope)?, self.truth(b, scope)?), and(self.falsity(a, scope)?, self.falsity(b, scope)?))
            }
            Cond::Determined(inner) => {
                let (truth, falsity) = (self.truth(inner, scope)?, self.falsity(inner, scope)?);
                cust("($1 IS TRUE OR $2 IS TRUE)", [truth, falsity])
            }
            leaf => self.lifted(leaf, scope, |scope| self.leaf(leaf, true, scope))?,
        })
    }

    fn false_where(&self, cond: &Cond, scope: &Scope) -> Result<Expr> {
        Ok(match cond {
            Cond::Known(value) => known(!*value),
            Cond::Unknown => known(false),
            Cond::And(all) => self.joined(all, scope, Self::falsity, or)?,
            Cond::Or(all) => self.joined(all, scope, Self::falsity, and)?,
            Cond::Not(inner) => self.truth(inner, scope)?,
            Cond::If(condition, then, otherwise) => {
                let first = and(self.truth(condition, scope)?, self.falsity(then, scope)?);
                match **otherwise {
                    Cond::Unknown | Cond::Known(true) => first,
                    _ => or(first, and(self.falsity(condition, scope)?, self.falsity(otherwise, scope)?)),
                }
            }
            Cond::Same(a, b) => {
                or(and(self.truth(a, scope)?, self.falsity(b, scope)?), and(self.falsity(a, scope)?, self.truth(b, scope)?))
            }
            // These are never unknown.
            Cond::Determined(_) | Cond::Has(_) => not(self.truth(cond, scope)?),
            Cond::Exists(rows, body) => self.lifted(cond, scope, |scope| {
                let each = self.rows(rows, scope, |inner| Ok(cust("$1 IS NOT TRUE", [self.falsity(body, inner)?])))?;
                Ok(Expr::not_exists(each))
            })?,
            leaf => self.lifted(leaf, scope, |scope| self.leaf(leaf, false, scope))?,
        })
    }

    fn joined(
        &self,
        all: &[Cond],
        scope: &Scope,
        side: fn(&Self, &Cond, &Scope) -> Result<Expr>,
        join: fn(Expr, Expr) -> Expr,
    ) -> Result<Expr> {
        let mut parts = all.iter().map(|each| side(self, each, scope));
        let first = parts.next().unwrap_or_else(|| refuse("a junction of nothing"))?;
        parts.try_fold(first, |joined, part| Ok(join(joined, part?)))
    }

    fn alias(&self) -> String {
        self.next.set(self.next.get() + 1);
        format!("q{}", self.next.get())
    }

    /// What a leaf says of rows that to-one relations lead to, it says where they are there.
    fn lifted(&self, leaf: &Cond, scope: &Scope, say: impl FnOnce(&Scope) -> Result<Expr>) -> Result<Expr> {
        let mut places = Vec::new();
        places_of(leaf, &mut places);
        let mut inner = scope.clone();
        let mut select: Option<SelectStatement> = None;
        for place in places {
            for length in 1..=place.hops.len() {
                let way: Vec<*const Link> = place.hops[..length].iter().map(|link| std::ptr::from_ref(*link)).collect();
                if inner.hops.iter().any(|(var, known, _)| *var == place.var && *known == way) {
                    continue;
                }
                let from = inner.alias(place.var, &place.hops[..length - 1])?.to_owned();
                let alias = self.alias();
                let select = select.get_or_insert_with(one);
                self.follow(select, &from, place.hops[length - 1], &alias);
                inner.hops.push((place.var, way, alias));
            }
        }
        let said = say(&inner)?;
        Ok(match select {
            None => said,
            Some(mut select) => Expr::exists(select.and_where(said).take()),
        })
    }

    /// Joins the tables of a link to a selection.
    fn follow(&self, select: &mut SelectStatement, from: &str, link: &'static Link, alias: &str) {
        let mut before = from.to_owned();
        let hops = link.through.iter().map(|hop| (hop.table, hop.on, self.alias()));
        let hops: Vec<_> = hops.chain([(link.to.table, link.on, alias.to_owned())]).collect();
        for (table, on, name) in hops {
            select.from_as(Alias::new(table), Alias::new(name.clone()));
            for (mine, theirs) in on {
                select.and_where(column(&before, mine).eq(column(&name, theirs)));
            }
            before = name;
        }
    }

    fn rows(&self, rows: &Rows, scope: &Scope, test: impl FnOnce(&Scope) -> Result<Expr>) -> Result<SelectStatement> {
        let from = scope.alias(rows.place.var, &rows.place.hops)?.to_owned();
        let alias = self.alias();
        let mut select = one();
        self.follow(&mut select, &from, rows.link, &alias);
        let mut inner = scope.clone();
        // The same list may be open further out: inside, its rows are these.
        inner.rows.retain(|(var, _)| *var != rows.var);
        inner.hops.retain(|(var, _, _)| *var != rows.var);
        inner.rows.push((rows.var, alias));
        select.and_where(test(&inner)?);
        Ok(select)
    }

    /// TRUE where the leaf is as asked for, true or false.
    fn leaf(&self, leaf: &Cond, asked: bool, scope: &Scope) -> Result<Expr> {
        let said = match leaf {
            Cond::Has(Term::Field(field)) if field.value.null != Null::Missing => known(true),
            Cond::Has(term) => cust("($1 IS NOT NULL)", [self.term(term, scope)?]),
            Cond::Null(term) => cust("($1 IS NULL)", [self.term(term, scope)?]),
            Cond::Flag(field) => self.column(field, scope)?,
            Cond::Compare(op, a, b) => self.compare(*op, a, b, scope)?,
            Cond::OneOf(term, texts) => self.one_of(term, texts, scope)?,
            Cond::Text(op, a, b) => self.textual(op, a, b, scope)?,
            Cond::Exists(rows, body) => Expr::exists(self.rows(rows, scope, |inner| self.truth(body, inner))?),
            Cond::Known(_)
            | Cond::Unknown
            | Cond::And(_)
            | Cond::Or(_)
            | Cond::Not(_)
            | Cond::If(..)
            | Cond::Same(..)
            | Cond::Determined(_) => {
                return refuse("a part that is no leaf");
            }
        };
        let said = if asked { said } else { not(said) };
        // To PostgreSQL NaN is above all numbers and equals itself. To the policy language it equals
        // nothing, and asking for its order is an error.
        let mut guarded = said;
        if let Cond::Compare(op, a, b) = leaf {
            for (term, other) in [(a, b), (b, a)].into_iter().filter(|(term, _)| may_be_nan(term)) {
                let number = self.term(term, scope)?;
                guarded = match (op, asked) {
                    (Op::Eq, false) => {
                        cust("($1 OR ($2 = 'NaN' AND $3 IS NOT NULL))", [guarded, number, self.term(other, scope)?])
                    }
                    _ => cust("($1 AND $2 <> 'NaN')", [guarded, number]),
                };
            }
        }
        Ok(guarded)
    }

    fn column(&self, field: &Field, scope: &Scope) -> Result<Expr> {
        Ok(column(scope.alias(field.place.var, &field.place.hops)?, field.value.column))
    }

    fn binding(&self, name: &str) -> Result<Expr> {
        match self.bindings.values.get(name) {
            Some(value) => Ok(Expr::val(value.clone())),
            None => refuse(format!("the binding {name}")),
        }
    }

    fn term(&self, term: &Term, scope: &Scope) -> Result<Expr> {
        deeper(|| self.value_of(term, scope))
    }

    fn value_of(&self, term: &Term, scope: &Scope) -> Result<Expr> {
        Ok(match term {
            Term::Field(field) | Term::Instant(field) => {
                let column = self.column(field, scope)?;
                match field.value.stored {
                    Stored::Uuid => cust("($1)::text", [column]),
                    Stored::Integer => cust("($1)::double precision", [column]),
                    Stored::Choice { binding, equal, other } if self.bindings.equal.contains_key(binding) => {
                        Expr::val(if self.bindings.equal[binding] { equal } else { other })
                    }
                    Stored::Choice { binding, equal, other } => cust(
                        "(CASE WHEN $1 = $2 THEN $3 WHEN $1 <> $2 THEN $4 END)",
                        [column, self.binding(binding)?, Expr::val(equal), Expr::val(other)],
                    ),
                    Stored::Bool | Stored::Double | Stored::Text | Stored::Timestamp => column,
                }
            }
            // Beyond this the policy sees another number than what is stored.
            Term::Whole(field) => {
                let column = self.column(field, scope)?;
                cust("(CASE WHEN abs($1) <= 9007199254740992 THEN $2 END)", [column.clone(), column])
            }
            Term::Text(text) => Expr::val(text.clone()),
            Term::Number(number) => double(*number),
            Term::Time(at) => Expr::val(*at),
            Term::Now => match self.bindings.now {
                Some(now) => Expr::val(floor(now)?),
                None => return refuse("the time, which is not bound"),
            },
            Term::Concat(a, b) => cust("($1 || $2)", [self.term(a, scope)?, self.term(b, scope)?]),
            Term::Lower(a) => {
                cust("translate($1, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')", [self.term(a, scope)?])
            }
            Term::Upper(a) => {
                cust("translate($1, 'abcdefghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ')", [self.term(a, scope)?])
            }
            Term::Length(a) => cust("char_length($1)", [self.term(a, scope)?]),
            Term::Count(rows, included) => {
                let mut select = self.rows(rows, scope, |inner| self.truth(included, inner))?;
                select.clear_selects().expr(Expr::cust("count(*)"));
                cust("($1)", [Expr::SubQuery(None, Box::new(select.into()))])
            }
            Term::Tally(conditions) => {
                let mut sum = Expr::cust("0::bigint");
                for each in conditions {
                    sum = cust("($1 + (CASE WHEN $2 THEN 1 ELSE 0 END))", [sum, self.truth(each, scope)?]);
                }
                sum
            }
            Term::At { rows, included, element, index } => {
                let mut said = None;
                let mut order = None;
                let mut select = self.rows(rows, scope, |inner| {
                    said = Some(self.term(element, inner)?);
                    order = match rows.order {
                        Some(name) => Some(column(inner.alias(rows.var, &[])?, name)),
                        None => return refuse("the position in a list that has no order"),
                    };
                    self.truth(included, inner)
                })?;
                let (Some(said), Some(order)) = (said, order) else { return refuse("an element") };
                select.clear_selects().expr(said).order_by_expr(order, sea_query::Order::Asc).limit(1).offset(*index);
                cust("($1)", [Expr::SubQuery(None, Box::new(select.into()))])
            }
            Term::Math(op, kind, a, b) => self.math(*op, *kind, a, b, scope)?,
            Term::Double(a) => cust("($1)::double precision", [self.term(a, scope)?]),
            Term::Digits(a) => cust("($1)::text", [self.term(a, scope)?]),
            Term::Moved(a, by) => {
                let Some(micros) = by.num_microseconds() else { return refuse("a duration too long") };
                cust("($1 + $2 * interval '1 microsecond')", [self.term(a, scope)?, Expr::val(micros)])
            }
            Term::Part(part, a) => cust(
                match part {
                    Part::FullYear => "extract(year FROM ($1 AT TIME ZONE 'UTC'))::bigint",
                    Part::Month => "(extract(month FROM ($1 AT TIME ZONE 'UTC'))::bigint - 1)",
                    Part::Date => "extract(day FROM ($1 AT TIME ZONE 'UTC'))::bigint",
                    Part::DayOfMonth => "(extract(day FROM ($1 AT TIME ZONE 'UTC'))::bigint - 1)",
                    Part::DayOfWeek => "extract(dow FROM ($1 AT TIME ZONE 'UTC'))::bigint",
                    Part::DayOfYear => "(extract(doy FROM ($1 AT TIME ZONE 'UTC'))::bigint - 1)",
                    Part::Hours => "extract(hour FROM ($1 AT TIME ZONE 'UTC'))::bigint",
                    Part::Minutes => "extract(minute FROM ($1 AT TIME ZONE 'UTC'))::bigint",
                    Part::Seconds => "floor(extract(second FROM ($1 AT TIME ZONE 'UTC')))::bigint",
                    Part::Milliseconds => "(floor(extract(milliseconds FROM ($1 AT TIME ZONE 'UTC')))::bigint % 1000)",
                },
                [self.term(a, scope)?],
            ),
        })
    }

    /// PostgreSQL raises errors where IEEE has infinities, zeros and NaN, and where whole numbers have
    /// no result.
    fn math(&self, op: Math, kind: Kind, a: &Term, b: &Term, scope: &Scope) -> Result<Expr> {
        let whole = |term: &Term| -> Result<Expr> {
            Ok(match term {
                Term::Number(number) => cust("($1)::numeric", [whole(*number)]),
                term => cust("($1)::numeric", [self.term(term, scope)?]),
            })
        };
        if kind == Kind::Whole {
            let value = match op {
                Math::Add => "SELECT $1 + $2 AS v",
                Math::Sub => "SELECT $1 - $2 AS v",
                Math::Mult => "SELECT $1 * $2 AS v",
                Math::Div => "SELECT div($1, nullif($2, 0)) AS v",
                Math::Mod => "SELECT mod($1, nullif($2, 0)) AS v",
            };
            let value = cust(value, [whole(a)?, whole(b)?]);
            return Ok(cust(
                "(SELECT CASE WHEN v BETWEEN -9223372036854775808 AND 9223372036854775807 THEN v END FROM ($1) AS w)",
                [value],
            ));
        }
        let text = match op {
            Math::Add => {
                "(SELECT CASE WHEN x > 0 AND x < 'Infinity' AND y < 'Infinity' AND x > 1.7976931348623157e308 - greatest(y, 0) THEN 'Infinity' \
                 WHEN x < 0 AND x > '-Infinity' AND y > '-Infinity' AND x < -1.7976931348623157e308 - least(y, 0) THEN '-Infinity' \
                 ELSE x + y END FROM (SELECT ($1)::double precision AS x, ($2)::double precision AS y) AS m)"
            }
            Math::Sub => {
                "(SELECT CASE WHEN x > 0 AND x < 'Infinity' AND y > '-Infinity' AND x > 1.7976931348623157e308 + least(y, 0) THEN 'Infinity' \
                 WHEN x < 0 AND x > '-Infinity' AND y < 'Infinity' AND x < -1.7976931348623157e308 + greatest(y, 0) THEN '-Infinity' \
                 ELSE x - y END FROM (SELECT ($1)::double precision AS x, ($2)::double precision AS y) AS m)"
            }
            Math::Mult => {
                "(SELECT CASE WHEN x IS NULL OR y IS NULL THEN NULL \
                 WHEN abs(x) > 1 AND abs(y) > 1 AND abs(x) < 'Infinity' AND abs(y) < 'Infinity' AND abs(x) > 1.7976931348623157e308 / abs(y) \
                 THEN CASE WHEN (x < 0) = (y < 0) THEN 'Infinity'::float8 ELSE '-Infinity'::float8 END \
                 WHEN x <> 0 AND y <> 0 AND abs(x) < 1 AND abs(y) < 1 AND least(abs(x), abs(y)) < 1e-150 \
                 AND (abs(x) * power(2::float8, 537)) * (abs(y) * power(2::float8, 537)) <= 0.5 \
                 THEN CASE WHEN (x < 0) = (y < 0) THEN '0'::float8 ELSE '-0'::float8 END \
                 ELSE x * y END FROM (SELECT ($1)::double precision AS x, ($2)::double precision AS y) AS m)"
            }
            Math::Div => {
                "(SELECT CASE WHEN x IS NULL OR y IS NULL THEN NULL \
                 WHEN y = 0 THEN CASE WHEN x = 0 OR x = 'NaN' THEN 'NaN' WHEN (x < 0) = (y::text = '-0') THEN 'Infinity'::float8 ELSE '-Infinity'::float8 END \
                 WHEN abs(y) < 1 AND abs(x) < 'Infinity' AND abs(x) > 1.7976931348623157e308 * abs(y) \
                 THEN CASE WHEN (x < 0) = (y < 0) THEN 'Infinity'::float8 ELSE '-Infinity'::float8 END \
                 WHEN abs(y) > 1 AND abs(y) < 'Infinity' AND x <> 0 AND abs(x) < 1 \
                 AND abs(x) * power(2::float8, 1000) <= abs(y) * power(2::float8, -75) \
                 THEN CASE WHEN (x < 0) = (y < 0) THEN '0'::float8 ELSE '-0'::float8 END \
                 ELSE x / y END FROM (SELECT ($1)::double precision AS x, ($2)::double precision AS y) AS m)"
            }
            Math::Mod => return refuse("the remainder of numbers that may not be whole"),
        };
        Ok(cust(text, [self.term(a, scope)?, self.term(b, scope)?]))
    }

    /// A literal stands to the right.
    fn compare(&self, op: Op, a: &Term, b: &Term, scope: &Scope) -> Result<Expr> {
        let plain = |op: Op, a: Expr, b: Expr| {
            let text = match op {
                Op::Eq => "($1 = $2)",
                Op::Lt => "($1 < $2)",
                Op::Le => "($1 <= $2)",
                Op::Gt => "($1 > $2)",
                Op::Ge => "($1 >= $2)",
            };
            cust(text, [a, b])
        };
        match (a.kind(), b.kind()) {
            (Kind::Text, Kind::Text) if op == Op::Eq => self.equal_texts(a, b, scope),
            (Kind::Text, Kind::Text) => {
                // By code points, as the policy language does, whatever the database's collation.
                let bytes = |term| Ok(cust("$1 COLLATE \"C\"", [self.term(term, scope)?]));
                Ok(plain(op, bytes(a)?, bytes(b)?))
            }
            (Kind::Time, Kind::Time) => {
                let Term::Time(at) = b else { return Ok(plain(op, self.term(a, scope)?, self.term(b, scope)?)) };
                let limit = floor(*at)?;
                let a = self.term(a, scope)?;
                if limit == *at {
                    return Ok(plain(op, a, Expr::val(limit)));
                }
                // What is stored has microseconds: it lies on one side of a finer time.
                Ok(match op {
                    Op::Eq => never(a),
                    Op::Lt | Op::Le => plain(Op::Le, a, Expr::val(limit)),
                    Op::Gt | Op::Ge => plain(Op::Gt, a, Expr::val(limit)),
                })
            }
            _ => {
                // A stored integer is compared as one, so that an index can be used, where that is the same.
                let integer = match a {
                    Term::Field(field) if field.value.stored == Stored::Integer => Some(self.column(field, scope)?),
                    a if a.kind() == Kind::Whole => Some(self.term(a, scope)?),
                    _ => None,
                };
                if let (Some(a), Term::Number(limit)) = (integer, b)
                    && limit.abs() < EXACT
                {
                    if limit.fract() == 0.0 {
                        return Ok(plain(op, a, whole(*limit)));
                    }
                    return Ok(match op {
                        Op::Eq => never(a),
                        Op::Lt | Op::Le => plain(Op::Le, a, whole(limit.floor())),
                        Op::Gt | Op::Ge => plain(Op::Ge, a, whole(limit.ceil())),
                    });
                }
                if a.kind() == Kind::Whole && b.kind() == Kind::Whole {
                    return Ok(plain(op, self.term(a, scope)?, self.term(b, scope)?));
                }
                let double = |term| Ok(cust("($1)::double precision", [self.term(term, scope)?]));
                Ok(plain(op, self.stay(a, scope)?.map_or_else(|| double(a), Ok)?, double(b)?))
            }
        }
    }

    /// A stored double, as it is: a cast would keep an index from being used.
    fn stay(&self, term: &Term, scope: &Scope) -> Result<Option<Expr>> {
        match term {
            Term::Field(field) if field.value.stored == Stored::Double => self.column(field, scope).map(Some),
            _ => Ok(None),
        }
    }

    fn equal_texts(&self, a: &Term, b: &Term, scope: &Scope) -> Result<Expr> {
        if let (Term::Field(field), Term::Text(text)) = (a, b) {
            let column = self.column(field, scope)?;
            match field.value.stored {
                Stored::Uuid => {
                    return Ok(match canonical(text) {
                        Some(id) => column.eq(id),
                        None => never(column),
                    });
                }
                Stored::Choice { binding, equal, other } if self.bindings.equal.contains_key(binding) => {
                    return Ok(known(text == if self.bindings.equal[binding] { equal } else { other }));
                }
                Stored::Choice { binding, equal, .. } if equal == text => return Ok(column.eq(self.binding(binding)?)),
                Stored::Choice { binding, other, .. } if other == text => return Ok(column.ne(self.binding(binding)?)),
                Stored::Choice { .. } => return Ok(never(column)),
                _ => {}
            }
        }
        if let (Term::Field(x), Term::Field(y)) = (a, b)
            && (x.value.stored, y.value.stored) == (Stored::Uuid, Stored::Uuid)
        {
            return Ok(self.column(x, scope)?.eq(self.column(y, scope)?));
        }
        Ok(cust("($1 = $2)", [self.term(a, scope)?, self.term(b, scope)?]))
    }

    fn one_of(&self, term: &Term, texts: &[String], scope: &Scope) -> Result<Expr> {
        let field = match term {
            Term::Field(field) => Some((field.value.stored, self.column(field, scope)?)),
            _ => None,
        };
        match field {
            Some((Stored::Uuid, column)) => {
                let ids: Vec<Value> = texts.iter().filter_map(|text| canonical(text)).map(Value::from).collect();
                if ids.is_empty() {
                    return Ok(never(column));
                }
                Ok(cust("($1 = ANY($2))", [column, Expr::val(Value::Array(ArrayType::Uuid, Some(Box::new(ids))))]))
            }
            Some((Stored::Choice { .. }, _)) => {
                let mut any = Vec::new();
                for text in texts {
                    any.push(self.equal_texts(term, &Term::Text(text.clone()), scope)?);
                }
                any.into_iter().reduce(or).map_or_else(|| refuse("a choice among nothing"), Ok)
            }
            _ => {
                let all: Vec<Value> = texts.iter().map(|text| Value::from(text.clone())).collect();
                let all = Expr::val(Value::Array(ArrayType::String, Some(Box::new(all))));
                Ok(cust("($1 = ANY($2))", [self.term(term, scope)?, all]))
            }
        }
    }

    fn textual(&self, op: &TextOp, a: &Term, b: &Term, scope: &Scope) -> Result<Expr> {
        let (a, b) = (self.term(a, scope)?, self.term(b, scope)?);
        Ok(match op {
            TextOp::Contains => cust("(strpos($1, $2) > 0)", [a, b]),
            TextOp::StartsWith => cust("starts_with($1, $2)", [a, b]),
            TextOp::EndsWith => cust("(right($1, char_length($2)) = $2)", [a, b]),
            TextOp::Ancestor(separator) => cust("starts_with($2, $1 || $3)", [a, b, Expr::val(separator.clone())]),
            TextOp::Parent(separator) => cust(
                "(starts_with($2, $1 || $3) AND strpos(substr($2, char_length($1 || $3) + 1), $3) = 0)",
                [a, b, Expr::val(separator.clone())],
            ),
        })
    }
}

impl Scope {
    fn alias(&self, var: Var, hops: &[&'static Link]) -> Result<&str> {
        let way: Vec<*const Link> = hops.iter().map(|link| std::ptr::from_ref(*link)).collect();
        let found = if way.is_empty() {
            self.rows.iter().find(|(known, _)| *known == var).map(|(_, alias)| alias)
        } else {
            self.hops.iter().find(|(known, hops, _)| *known == var && *hops == way).map(|(_, _, alias)| alias)
        };
        found.map_or_else(|| refuse("a row that is not in scope"), |alias| Ok(alias.as_str()))
    }
}

/// The places that a leaf speaks of itself: not those in the conditions below it.
fn places_of<'a>(leaf: &'a Cond, into: &mut Vec<&'a Place>) {
    match leaf {
        Cond::Has(term) | Cond::Null(term) | Cond::OneOf(term, _) => places_in(term, into),
        Cond::Compare(_, a, b) | Cond::Text(_, a, b) => {
            places_in(a, into);
            places_in(b, into);
        }
        Cond::Flag(field) => into.push(&field.place),
        Cond::Exists(rows, _) => into.push(&rows.place),
        Cond::Known(_)
        | Cond::Unknown
        | Cond::And(_)
        | Cond::Or(_)
        | Cond::Not(_)
        | Cond::If(..)
        | Cond::Same(..)
        | Cond::Determined(_) => {}
    }
}

fn places_in<'a>(term: &'a Term, into: &mut Vec<&'a Place>) {
    match term {
        Term::Field(field) | Term::Instant(field) | Term::Whole(field) => into.push(&field.place),
        Term::Count(rows, _) | Term::At { rows, .. } => into.push(&rows.place),
        Term::Concat(a, b) | Term::Math(_, _, a, b) => {
            places_in(a, into);
            places_in(b, into);
        }
        Term::Lower(a) | Term::Upper(a) | Term::Length(a) | Term::Double(a) | Term::Digits(a) => places_in(a, into),
        Term::Moved(a, _) | Term::Part(_, a) => places_in(a, into),
        Term::Text(_) | Term::Number(_) | Term::Time(_) | Term::Now | Term::Tally(_) => {}
    }
}

fn one() -> SelectStatement {
    Query::select().expr(Expr::cust("1")).take()
}

fn column(alias: &str, name: &str) -> Expr {
    Expr::col((Alias::new(alias).into_iden(), Alias::new(name).into_iden()))
}

fn double(number: f64) -> Expr {
    cust("($1)::double precision", [Expr::val(number)])
}

#[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
fn whole(number: f64) -> Expr {
    Expr::val(number as i64)
}

/// A text that is how a UUID is written; every other text equals none.
fn canonical(text: &str) -> Option<uuid::Uuid> {
    text.parse::<uuid::Uuid>().ok().filter(|id| id.hyphenated().to_string() == text)
}

/// To the microsecond.
fn floor(at: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let whole = at.timestamp_subsec_nanos() / 1_000 * 1_000;
    DateTime::from_timestamp(at.timestamp(), whole).map_or_else(|| refuse("a time too far away"), Ok)
}

fn may_be_nan(term: &Term) -> bool {
    match term {
        Term::Field(field) => field.value.stored == Stored::Double,
        Term::Number(number) => number.is_nan(),
        Term::Math(_, kind, ..) => *kind == Kind::Double,
        Term::At { element, .. } => may_be_nan(element),
        _ => false,
    }
}
