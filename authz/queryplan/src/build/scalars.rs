//! Texts, paths, times and numbers.

use super::{
    Built,
    built::Path,
    equality::compare,
    lists::{List, given},
};
use crate::{
    Result,
    form::{Cond, Kind, Math, Op, Part, Term, TextOp},
    refuse,
};
use chrono::{DateTime, TimeDelta, Utc};

pub fn text(built: Built) -> Result<Term> {
    match built {
        Built::Term(term) if term.kind() == Kind::Text => Ok(term),
        other => refuse(format!("{} as a text", other.name())),
    }
}

pub fn textual(op: &TextOp, a: Built, b: Built) -> Result<Cond> {
    Ok(Cond::Text(op.clone(), text(a)?, text(b)?))
}

pub fn path(built: Built, separator: &str) -> Result<Path> {
    let text = match built {
        Built::List(List::Items { items, sound: Cond::Known(true), .. }) if !items.is_empty() => {
            let parts = items.into_iter().map(|(_, item)| match item {
                Built::Term(Term::Text(text)) if !text.contains(separator) => Ok(text),
                other => refuse(format!("{} in a hierarchy", other.name())),
            });
            Term::Text(parts.collect::<Result<Vec<_>>>()?.join(separator))
        }
        other => self::text(other)?,
    };
    Ok(Path { text, separator: separator.to_owned() })
}

pub fn lineage(above: Built, below: Built, op: fn(String) -> TextOp) -> Result<Built> {
    match (above, below) {
        (Built::Path(above), Built::Path(below)) if above.separator == below.separator => {
            Ok(Built::Cond(Cond::Text(op(above.separator), above.text, below.text)))
        }
        (Built::Path(_), Built::Path(_)) => refuse("hierarchies of two separators"),
        (a, b) => refuse(format!("the lineage of {} and {}", a.name(), b.name())),
    }
}

pub fn part(operator: &str) -> Part {
    match operator {
        "getFullYear" => Part::FullYear,
        "getMonth" => Part::Month,
        "getDate" => Part::Date,
        "getDayOfMonth" => Part::DayOfMonth,
        "getDayOfWeek" => Part::DayOfWeek,
        "getDayOfYear" => Part::DayOfYear,
        "getHours" => Part::Hours,
        "getMinutes" => Part::Minutes,
        "getSeconds" => Part::Seconds,
        _ => Part::Milliseconds,
    }
}

/// A duration as the planner writes it, in seconds, or as people do: `1h30m`, `250ms`.
pub fn duration(text: &str) -> Result<TimeDelta> {
    let bad = || crate::Refused(format!("the duration {text}"));
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut nanos: i128 = 0;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let scale: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            _ => return Err(bad()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| bad())? };
        nanos += whole.checked_mul(scale).ok_or_else(bad)?;
        if !fraction.is_empty() {
            let digits = u32::try_from(fraction.len()).map_err(|_| bad())?;
            let unit = 10_i128.checked_pow(digits).ok_or_else(bad)?;
            let part: i128 = fraction.parse().map_err(|_| bad())?;
            nanos += part.checked_mul(scale).ok_or_else(bad)? / unit;
        }
        rest = after;
    }
    i64::try_from(nanos * sign).map(TimeDelta::nanoseconds).map_err(|_| bad())
}

pub fn add(a: Built, b: Built) -> Result<Built> {
    match (a, b) {
        (Built::Term(a), Built::Term(b)) if a.kind() == Kind::Text && b.kind() == Kind::Text => Ok(Built::Term(match (a, b) {
            (Term::Text(a), Term::Text(b)) => Term::Text(a + &b),
            (a, b) => Term::Concat(Box::new(a), Box::new(b)),
        })),
        (Built::Term(time), Built::Span(span)) | (Built::Span(span), Built::Term(time)) if time.kind() == Kind::Time => {
            shifted(time, span)
        }
        (Built::Span(a), Built::Span(b)) => {
            a.checked_add(&b).map(Built::Span).ok_or(crate::Refused("a duration too long".into()))
        }
        (a, b) => math(Math::Add, a, b),
    }
}

pub fn sub(a: Built, b: Built) -> Result<Built> {
    match (a, b) {
        (Built::Term(time), Built::Span(span)) if time.kind() == Kind::Time => shifted(time, -span),
        (Built::Term(a), Built::Term(b)) if a.kind() == Kind::Time && b.kind() == Kind::Time => {
            // A duration has 64 bits of nanoseconds; beyond them it is an error.
            let most = TimeDelta::microseconds(i64::MAX / 1_000);
            let near =
                [compare(Op::Le, a.clone(), moved(b.clone(), most)?)?, compare(Op::Ge, a.clone(), moved(b.clone(), -most)?)?];
            Ok(given(Built::Gap(a, b), Cond::and(near)))
        }
        (Built::Span(a), Built::Span(b)) => {
            a.checked_sub(&b).map(Built::Span).ok_or(crate::Refused("a duration too long".into()))
        }
        (a, b) => math(Math::Sub, a, b),
    }
}

/// A time moved by a duration. The policy language's times end with the years 1 and 9999; beyond them is an error.
fn shifted(time: Term, by: TimeDelta) -> Result<Built> {
    let limit = |text: &str| {
        let limit = DateTime::parse_from_rfc3339(text).map_err(|_| crate::Refused("a limit of time".into()))?;
        Ok(Term::Time(limit.with_timezone(&Utc)))
    };
    let shifted = moved(time, by)?;
    let within = [
        compare(Op::Ge, shifted.clone(), limit("0001-01-01T00:00:00Z")?)?,
        compare(Op::Le, shifted.clone(), limit("9999-12-31T23:59:59.999999999Z")?)?,
    ];
    Ok(given(Built::Term(shifted), Cond::and(within)))
}

/// The conversion of a term. A null makes it an error.
pub fn not_null(term: Term, make: impl FnOnce(Term) -> Built) -> Built {
    if term.nullable() {
        let there = Cond::Null(term.clone()).negated();
        given(make(term), there)
    } else {
        make(term)
    }
}

/// The operand with its numbers as doubles: an attribute's numbers are, also a principal's.
pub fn doubled(built: Built) -> Built {
    match built {
        Built::Term(number @ Term::Number(_)) => Built::Term(Term::Double(Box::new(number))),
        Built::Struct(fields) => Built::Struct(fields.into_iter().map(|(name, each)| (name, doubled(each))).collect()),
        Built::List(List::Items { items, sound, vague }) => {
            let items = items.into_iter().map(|(included, each)| (included, doubled(each))).collect();
            Built::List(List::Items { items, sound, vague })
        }
        other => other,
    }
}

pub fn moved(time: Term, by: TimeDelta) -> Result<Term> {
    let far = || crate::Refused("a time too far away".into());
    if by.is_zero() {
        return Ok(time);
    }
    match time {
        Term::Time(at) => at.checked_add_signed(by).map(Term::Time).ok_or_else(far),
        Term::Moved(inner, before) => moved(*inner, before.checked_add(&by).ok_or_else(far)?),
        stored if by.num_microseconds().is_some_and(|micros| TimeDelta::microseconds(micros) == by) => {
            Ok(Term::Moved(Box::new(stored), by))
        }
        _ => refuse("a duration finer than a microsecond"),
    }
}

pub fn math(op: Math, a: Built, b: Built) -> Result<Built> {
    let (Built::Term(a), Built::Term(b)) = (&a, &b) else {
        return refuse(format!("arithmetic on {} and {}", a.name(), b.name()));
    };
    let kind = match (a.kind(), b.kind()) {
        (Kind::Number, Kind::Number) => return literal_math(op, a, b),
        (Kind::Double, Kind::Double | Kind::Number) | (Kind::Number, Kind::Double) if op != Math::Mod => Kind::Double,
        (Kind::Whole, Kind::Whole) => Kind::Whole,
        (Kind::Whole, Kind::Number) | (Kind::Number, Kind::Whole) => {
            for term in [a, b] {
                if matches!(term, Term::Number(number) if number.fract() != 0.0 || number.abs() > 9_007_199_254_740_992.0) {
                    return refuse("arithmetic of a whole number and another");
                }
            }
            Kind::Whole
        }
        _ => return refuse(format!("arithmetic on {} and {}", Built::Term(a.clone()).name(), Built::Term(b.clone()).name())),
    };
    Ok(Built::Term(Term::Math(op, kind, Box::new(a.clone()), Box::new(b.clone()))))
}

/// Arithmetic on two literals. The planner folds it, except where the result would be no ordinary number; lambdas over literals
/// make more.
fn literal_math(op: Math, a: &Term, b: &Term) -> Result<Built> {
    let (Term::Number(a), Term::Number(b)) = (a, b) else { return refuse("arithmetic on other than literals") };
    let value = match op {
        Math::Add => a + b,
        Math::Sub => a - b,
        Math::Mult => a * b,
        Math::Div if *b == 0.0 || (a / b).fract() == 0.0 || a.fract() != 0.0 || b.fract() != 0.0 => a / b,
        Math::Div => return refuse("a division that may be of whole numbers or of others"),
        Math::Mod => return refuse("the remainder of two literals"),
    };
    Ok(Built::Term(Term::Number(value)))
}
