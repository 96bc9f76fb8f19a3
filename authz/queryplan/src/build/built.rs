//! Operands as far as they are read: conditions, terms, and parts that are neither yet.

use super::lists::{List, all_sound};
use crate::{
    Result,
    form::{ColumnPath, Cond, Kind, Term},
    mapping::{Attribute, ScalarType},
    refuse,
};
use chrono::TimeDelta;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there are few, and only while a plan is read")]
pub enum Built {
    Cond(Cond),
    Term(Term),
    /// Neither a text, a number nor a boolean.
    Null,
    Bool(bool),
    Span(TimeDelta),
    /// The duration between two times.
    Gap(Term, Term),
    Path(Path),
    Record(ColumnPath, &'static [Attribute]),
    Resource,
    Struct(BTreeMap<String, Built>),
    List(List),
    /// A choice of two operands, decided when it is used.
    If(Box<Cond>, Box<Built>, Box<Built>),
    Unknown,
}

#[derive(Debug, Clone)]
pub struct Path {
    pub text: Term,
    pub separator: String,
}

impl Built {
    pub fn name(&self) -> &'static str {
        match self {
            Built::Cond(_) | Built::Bool(_) => "a condition",
            Built::Term(term) => match term.kind() {
                Kind::Bool => "a condition",
                Kind::Text => "a text",
                Kind::Number | Kind::Double => "a number",
                Kind::Whole => "a whole number",
                Kind::Stamp => "a timestamp that was not read by timestamp()",
                Kind::Time => "a time",
            },
            Built::Null => "null",
            Built::Span(_) | Built::Gap(..) => "a duration",
            Built::Path(_) => "a hierarchy",
            Built::Record(..) | Built::Resource | Built::Struct(_) => "an object",
            Built::List(_) => "a list",
            Built::If(..) => "a choice",
            Built::Unknown => "an error",
        }
    }

    /// Applies an operator to the operand, in each case of a choice.
    pub fn each(self, apply: &mut dyn FnMut(Built) -> Result<Built>) -> Result<Built> {
        match self {
            Built::If(condition, then, otherwise) => {
                Ok(Built::If(condition, Box::new(then.each(apply)?), Box::new(otherwise.each(apply)?)))
            }
            Built::Unknown => Ok(Built::Unknown),
            other => apply(other),
        }
    }

    pub fn condition(self) -> Result<Cond> {
        match self {
            Built::Cond(cond) => Ok(cond),
            Built::Bool(value) => Ok(Cond::Known(value)),
            Built::Unknown => Ok(Cond::Unknown),
            Built::If(condition, then, otherwise) => Ok(Cond::choose(*condition, then.condition()?, otherwise.condition()?)),
            Built::Term(Term::Field(field)) if field.value.stored == ScalarType::Bool => Ok(Cond::Flag(field)),
            other => refuse(format!("{} as a condition", other.name())),
        }
    }

    /// The condition that the operand has a value at all.
    pub fn has(&self) -> Result<Cond> {
        Ok(match self {
            Built::Term(term) => Cond::has(term),
            Built::Cond(cond) => cond.clone().determined(),
            Built::Null | Built::Bool(_) | Built::Span(_) => Cond::Known(true),
            Built::Unknown => Cond::Known(false),
            Built::If(condition, then, otherwise) => {
                // Where the condition is unknown, so is the choice.
                Cond::choose((**condition).clone(), then.has()?, otherwise.has()?)
            }
            Built::Struct(fields) => Cond::and(fields.values().map(Built::has).collect::<Result<Vec<_>>>()?),
            Built::Record(place, _) if place.hops.is_empty() => Cond::Known(true),
            Built::List(List::Rows { rows, sound, .. }) => {
                // The existence of rows is unknown only where the record that they belong to is missing.
                let there = if rows.place.hops.is_empty() {
                    Cond::Known(true)
                } else {
                    Cond::exists(rows.clone(), Cond::Known(true)).determined()
                };
                Cond::and([there, all_sound(rows, sound)])
            }
            Built::List(List::Items { sound, .. }) => sound.clone(),
            other => return refuse(format!("the presence of {}", other.name())),
        })
    }
}
