//! Values: columns, literals, and terms that are computed from them.

use super::{
    Sql, cust,
    rows::{Scope, column},
};
use crate::{
    Result, deeper,
    form::{Field, Kind, Math, Part, Term},
    mapping::ScalarType,
    refuse,
};
use chrono::{DateTime, Utc};
use sea_query::Expr;

impl Sql<'_> {
    pub(super) fn column(&self, field: &Field, scope: &Scope) -> Result<Expr> {
        Ok(column(scope.alias(field.place.var, &field.place.hops)?, field.value.column))
    }

    pub(super) fn binding(&self, name: &str) -> Result<Expr> {
        match self.bindings.values.get(name) {
            Some(value) => Ok(Expr::val(value.clone())),
            None => refuse(format!("the binding {name}")),
        }
    }

    pub(super) fn term(&self, term: &Term, scope: &Scope) -> Result<Expr> {
        deeper(|| self.value_of(term, scope))
    }

    fn value_of(&self, term: &Term, scope: &Scope) -> Result<Expr> {
        Ok(match term {
            Term::Field(field) | Term::Instant(field) => {
                let column = self.column(field, scope)?;
                match field.value.stored {
                    ScalarType::Uuid => cust("($1)::text", [column]),
                    ScalarType::Integer => cust("($1)::double precision", [column]),
                    ScalarType::Choice { binding, equal, other } if self.bindings.equal.contains_key(binding) => {
                        Expr::val(if self.bindings.equal[binding] { equal } else { other })
                    }
                    ScalarType::Choice { binding, equal, other } => cust(
                        "(CASE WHEN $1 = $2 THEN $3 WHEN $1 <> $2 THEN $4 END)",
                        [column, self.binding(binding)?, Expr::val(equal), Expr::val(other)],
                    ),
                    ScalarType::Bool | ScalarType::Double | ScalarType::Text | ScalarType::Timestamp => column,
                }
            }
            // Beyond 2^53 the policy sees another number than the stored one.
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

    /// Arithmetic that raises no errors. PostgreSQL by itself raises them where IEEE has infinities, zeros and NaN, and where
    /// whole numbers have no result.
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
}

fn double(number: f64) -> Expr {
    cust("($1)::double precision", [Expr::val(number)])
}

#[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
pub fn whole(number: f64) -> Expr {
    Expr::val(number as i64)
}

/// The time, cut to the microsecond.
pub fn floor(at: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let whole = at.timestamp_subsec_nanos() / 1_000 * 1_000;
    DateTime::from_timestamp(at.timestamp(), whole).map_or_else(|| refuse("a time too far away"), Ok)
}
