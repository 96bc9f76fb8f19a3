//! The typed form, decided in memory on the document that a check would be sent.

use crate::{
    deeper,
    form::{ColumnPath, Cond, Field, Kind, Math, Op, Part, Rows, Term, TextOp, Var},
    mapping::{Null, ScalarType},
};
use chrono::{DateTime, Datelike, Timelike, Utc};
use serde_json::Value as Json;

pub fn allows(cond: &Cond, resource: &Json, now: DateTime<Utc>) -> bool {
    Eval { now }.cond(cond, &Scope { var: Var(0), value: resource, outer: None }) == Some(true)
}

struct Eval {
    now: DateTime<Utc>,
}

struct Scope<'a> {
    var: Var,
    value: &'a Json,
    outer: Option<&'a Scope<'a>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Text(String),
    Double(f64),
    Whole(i64),
    Time(DateTime<Utc>),
}

impl<'a> Scope<'a> {
    fn of(&self, var: Var) -> Option<&'a Json> {
        if self.var == var { Some(self.value) } else { self.outer?.of(var) }
    }

    fn at(&self, place: &ColumnPath) -> Option<&'a Json> {
        place.names.iter().try_fold(self.of(place.var)?, |value, name| value.get(name))
    }
}

/// The evaluation of conditions and terms. As a result, None is unknown, or no value.
impl Eval {
    fn cond(&self, cond: &Cond, scope: &Scope) -> Option<bool> {
        deeper(|| self.decided(cond, scope))
    }

    fn decided(&self, cond: &Cond, scope: &Scope) -> Option<bool> {
        match cond {
            Cond::Known(value) => Some(*value),
            Cond::Unknown => None,
            Cond::And(all) => self.absorbing(all, scope, false),
            Cond::Or(all) => self.absorbing(all, scope, true),
            Cond::Not(inner) => self.cond(inner, scope).map(|value| !value),
            Cond::If(condition, then, otherwise) => {
                let taken = if self.cond(condition, scope)? { then } else { otherwise };
                self.cond(taken, scope)
            }
            Cond::Same(a, b) => Some(self.cond(a, scope)? == self.cond(b, scope)?),
            Cond::Determined(inner) => Some(self.cond(inner, scope).is_some()),
            Cond::Has(Term::Field(field)) => Some(self.raw(field, scope).is_some()),
            Cond::Has(term) => Some(self.term(term, scope).is_some()),
            Cond::Null(term) => Some(self.term(term, scope)? == Value::Null),
            Cond::Flag(field) => self.raw(field, scope)?.as_bool(),
            Cond::Compare(op, a, b) => {
                let order = match (self.term(a, scope)?, self.term(b, scope)?) {
                    (Value::Text(a), Value::Text(b)) => Some(a.cmp(&b)),
                    (Value::Time(a), Value::Time(b)) => Some(a.cmp(&b)),
                    (Value::Whole(a), Value::Whole(b)) => Some(a.cmp(&b)),
                    (Value::Null, _) | (_, Value::Null) => return None,
                    (a, b) => double(&a)?.partial_cmp(&double(&b)?),
                };
                match order {
                    Some(order) => Some(op.holds(order)),
                    // NaN equals nothing, and has no order.
                    None if *op == Op::Eq => Some(false),
                    None => None,
                }
            }
            Cond::OneOf(term, texts) => match self.term(term, scope)? {
                Value::Text(text) => Some(texts.contains(&text)),
                _ => None,
            },
            Cond::Text(op, a, b) => {
                let (Value::Text(a), Value::Text(b)) = (self.term(a, scope)?, self.term(b, scope)?) else { return None };
                let below = |separator: &str| b.strip_prefix(&a)?.strip_prefix(separator).map(str::to_owned);
                Some(match op {
                    TextOp::Contains => a.contains(&b),
                    TextOp::StartsWith => a.starts_with(&b),
                    TextOp::EndsWith => a.ends_with(&b),
                    TextOp::Ancestor(separator) => below(separator).is_some(),
                    TextOp::Parent(separator) => below(separator).is_some_and(|rest| !rest.contains(separator.as_str())),
                })
            }
            Cond::Exists(rows, body) => {
                let mut unknown = false;
                for value in self.rows(rows, scope)? {
                    match self.cond(body, &Scope { var: rows.var, value, outer: Some(scope) }) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => unknown = true,
                    }
                }
                if unknown { None } else { Some(false) }
            }
        }
    }

    /// One `decisive` part decides, whatever is unknown.
    fn absorbing(&self, all: &[Cond], scope: &Scope, decisive: bool) -> Option<bool> {
        let mut unknown = false;
        for each in all {
            match self.cond(each, scope) {
                Some(value) if value == decisive => return Some(decisive),
                Some(_) => {}
                None => unknown = true,
            }
        }
        if unknown { None } else { Some(!decisive) }
    }

    fn rows<'a>(&self, rows: &Rows, scope: &Scope<'a>) -> Option<&'a Vec<Json>> {
        scope.at(&rows.place)?.as_array()
    }

    fn raw<'a>(&self, field: &Field, scope: &Scope<'a>) -> Option<&'a Json> {
        scope.at(&field.place).filter(|value| !value.is_null() || field.value.null == Null::Explicit)
    }

    fn included<'a>(&self, rows: &Rows, included: &Cond, scope: &Scope<'a>) -> Option<Vec<&'a Json>> {
        let all = self.rows(rows, scope)?;
        let kept = |value: &&Json| self.cond(included, &Scope { var: rows.var, value, outer: Some(scope) }) == Some(true);
        Some(all.iter().filter(kept).collect())
    }

    fn term(&self, term: &Term, scope: &Scope) -> Option<Value> {
        deeper(|| self.value_of(term, scope))
    }

    fn value_of(&self, term: &Term, scope: &Scope) -> Option<Value> {
        Some(match term {
            Term::Field(field) => match (self.raw(field, scope)?, field.value.stored) {
                (Json::Null, _) => Value::Null,
                (Json::String(text), ScalarType::Text | ScalarType::Uuid | ScalarType::Choice { .. } | ScalarType::Timestamp) => {
                    Value::Text(text.clone())
                }
                (Json::Number(number), ScalarType::Integer | ScalarType::Double) => Value::Double(number.as_f64()?),
                _ => return None,
            },
            Term::Instant(field) => {
                Value::Time(DateTime::parse_from_rfc3339(self.raw(field, scope)?.as_str()?).ok()?.with_timezone(&Utc))
            }
            #[expect(clippy::cast_possible_truncation, reason = "whole, and within what a double tells exactly or nearly")]
            Term::Whole(field) => {
                Value::Whole(self.raw(field, scope)?.as_f64().filter(|n| n.abs() <= 9_007_199_254_740_992.0)?.trunc() as i64)
            }
            Term::Text(text) => Value::Text(text.clone()),
            Term::Number(number) => Value::Double(*number),
            Term::Time(at) => Value::Time(*at),
            Term::Now => Value::Time(self.now),
            Term::Concat(a, b) => Value::Text(self.text(a, scope)? + &self.text(b, scope)?),
            Term::Lower(a) => Value::Text(self.text(a, scope)?.to_ascii_lowercase()),
            Term::Upper(a) => Value::Text(self.text(a, scope)?.to_ascii_uppercase()),
            Term::Length(a) => Value::Whole(i64::try_from(self.text(a, scope)?.chars().count()).ok()?),
            Term::Count(rows, included) => Value::Whole(i64::try_from(self.included(rows, included, scope)?.len()).ok()?),
            Term::Tally(conditions) => {
                let count = conditions.iter().filter(|each| self.cond(each, scope) == Some(true)).count();
                Value::Whole(i64::try_from(count).ok()?)
            }
            Term::At { rows, included, element, index } => {
                let all = self.included(rows, included, scope)?;
                let value = all.get(usize::try_from(*index).ok()?)?;
                self.term(element, &Scope { var: rows.var, value, outer: Some(scope) })?
            }
            Term::Math(op, Kind::Whole, a, b) => {
                let (a, b) = (whole(&self.term(a, scope)?)?, whole(&self.term(b, scope)?)?);
                Value::Whole(match op {
                    Math::Add => a.checked_add(b)?,
                    Math::Sub => a.checked_sub(b)?,
                    Math::Mult => a.checked_mul(b)?,
                    Math::Div => a.checked_div(b)?,
                    Math::Mod => a.checked_rem(b)?,
                })
            }
            Term::Math(op, _, a, b) => {
                let (a, b) = (double(&self.term(a, scope)?)?, double(&self.term(b, scope)?)?);
                Value::Double(match op {
                    Math::Add => a + b,
                    Math::Sub => a - b,
                    Math::Mult => a * b,
                    Math::Div => a / b,
                    Math::Mod => return None,
                })
            }
            Term::Double(a) => Value::Double(double(&self.term(a, scope)?)?),
            Term::Digits(a) => Value::Text(whole(&self.term(a, scope)?)?.to_string()),
            Term::Moved(a, by) => Value::Time(self.time(a, scope)?.checked_add_signed(*by)?),
            Term::Part(part, a) => {
                let at = self.time(a, scope)?;
                Value::Whole(match part {
                    Part::FullYear => i64::from(at.year()),
                    Part::Month => i64::from(at.month0()),
                    Part::Date => i64::from(at.day()),
                    Part::DayOfMonth => i64::from(at.day0()),
                    Part::DayOfWeek => i64::from(at.weekday().num_days_from_sunday()),
                    Part::DayOfYear => i64::from(at.ordinal0()),
                    Part::Hours => i64::from(at.hour()),
                    Part::Minutes => i64::from(at.minute()),
                    Part::Seconds => i64::from(at.second()),
                    Part::Milliseconds => i64::from(at.timestamp_subsec_millis()),
                })
            }
        })
    }

    fn text(&self, term: &Term, scope: &Scope) -> Option<String> {
        match self.term(term, scope)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn time(&self, term: &Term, scope: &Scope) -> Option<DateTime<Utc>> {
        match self.term(term, scope)? {
            Value::Time(at) => Some(at),
            _ => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "as the policy language compares whole numbers with others")]
fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value),
        Value::Whole(value) => Some(*value as f64),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a literal beside whole numbers is whole")]
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Whole(value) => Some(*value),
        Value::Double(value) if value.fract() == 0.0 && value.abs() < 9.2e18 => Some(*value as i64),
        _ => None,
    }
}
