//! The typed form of a condition. Its parts agree in type, every attribute is resolved to where it is
//! stored, and every condition has three values: true, false, unknown.

use crate::mapping::{Link, Null, Scalar, ScalarType};
use chrono::{DateTime, TimeDelta, Utc};

/// A row in scope: 0 is the resource, and each list opens one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Var(pub usize);

/// The path to a record: a row in scope, or the row that to-one relations lead to from there.
#[derive(Debug, Clone)]
pub struct ColumnPath {
    pub var: Var,
    /// The names from the variable to the record, in the document that a check is sent.
    pub names: Vec<&'static str>,
    /// The links from the variable to the record, in tables.
    pub hops: Vec<&'static Link>,
}

#[derive(Debug, Clone)]
pub struct Field {
    /// The path of the record, with the field's own name where it has one.
    pub place: ColumnPath,
    pub value: Scalar,
}

/// The rows of a to-many relation, each in turn bound to `var`.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The path of the record, with the list's own name.
    pub place: ColumnPath,
    pub link: &'static Link,
    pub order: Option<&'static str>,
    pub var: Var,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Op {
    /// The operator for the operands in the other order.
    pub fn mirrored(self) -> Op {
        match self {
            Op::Eq => Op::Eq,
            Op::Lt => Op::Gt,
            Op::Le => Op::Ge,
            Op::Gt => Op::Lt,
            Op::Ge => Op::Le,
        }
    }

    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Op::Eq => order.is_eq(),
            Op::Lt => order.is_lt(),
            Op::Le => order.is_le(),
            Op::Gt => order.is_gt(),
            Op::Ge => order.is_ge(),
        }
    }
}

/// A relation of the first text to the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextOp {
    Contains,
    StartsWith,
    EndsWith,
    /// The first text is an ancestor of the second, as paths with this separator.
    Ancestor(String),
    Parent(String),
}

#[derive(Debug, Clone)]
pub enum Cond {
    Known(bool),
    Unknown,
    And(Vec<Cond>),
    Or(Vec<Cond>),
    Not(Box<Cond>),
    /// The branch that is not taken is not looked at.
    If(Box<Cond>, Box<Cond>, Box<Cond>),
    /// Both true, or both false.
    Same(Box<Cond>, Box<Cond>),
    /// True where the inner one is true or false; else false.
    Determined(Box<Cond>),
    /// True where the term has a value or is null; else false.
    Has(Term),
    /// True where the term is null. The term is a field, or an element at a position, for which null is a value.
    Null(Term),
    Flag(Field),
    /// A comparison of two texts, two numbers or two times.
    Compare(Op, Term, Term),
    /// A text among literal ones.
    OneOf(Term, Vec<String>),
    Text(TextOp, Term, Term),
    /// True where the condition is true for one row; false where it is false for all.
    Exists(Rows, Box<Cond>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Text,
    /// A literal: whole or not.
    Number,
    Double,
    Whole,
    /// A stored timestamp as text, which only `timestamp()` reads.
    Stamp,
    Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Math {
    Add,
    Sub,
    Mult,
    Div,
    Mod,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    FullYear,
    Month,
    /// From 1.
    Date,
    /// From 0.
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// An expression with one value, or none. A condition that uses a term without a value is unknown.
#[derive(Debug, Clone)]
pub enum Term {
    Field(Field),
    Text(String),
    Number(f64),
    Time(DateTime<Utc>),
    Now,
    /// A stored timestamp, read as a time.
    Instant(Field),
    Concat(Box<Term>, Box<Term>),
    Lower(Box<Term>),
    Upper(Box<Term>),
    /// The length of a text, in characters.
    Length(Box<Term>),
    Count(Rows, Box<Cond>),
    /// The number of these conditions that are true.
    Tally(Vec<Cond>),
    /// The element at a position, from 0.
    At {
        rows: Rows,
        included: Box<Cond>,
        element: Box<Term>,
        index: u64,
    },
    /// Arithmetic: by IEEE where the kind is double. Where it is whole, there is no value on overflow or division by zero.
    Math(Math, Kind, Box<Term>, Box<Term>),
    /// An integer column as a whole number.
    Whole(Field),
    /// A whole number as a double.
    Double(Box<Term>),
    /// A whole number in digits.
    Digits(Box<Term>),
    Moved(Box<Term>, TimeDelta),
    Part(Part, Box<Term>),
}

impl Term {
    pub fn kind(&self) -> Kind {
        match self {
            Term::Field(field) => match field.value.stored {
                ScalarType::Bool => Kind::Bool,
                ScalarType::Integer | ScalarType::Double => Kind::Double,
                ScalarType::Text | ScalarType::Uuid | ScalarType::Choice { .. } => Kind::Text,
                ScalarType::Timestamp => Kind::Stamp,
            },
            Term::Text(_) | Term::Concat(..) | Term::Lower(_) | Term::Upper(_) | Term::Digits(_) => Kind::Text,
            Term::Number(_) => Kind::Number,
            Term::Time(_) | Term::Now | Term::Instant(_) | Term::Moved(..) => Kind::Time,
            Term::Length(_) | Term::Count(..) | Term::Tally(_) | Term::Whole(_) | Term::Part(..) => Kind::Whole,
            Term::At { element, .. } => element.kind(),
            Term::Math(_, kind, ..) => *kind,
            Term::Double(_) => Kind::Double,
        }
    }

    /// Whether the term always has a value or null.
    pub fn certain(&self) -> bool {
        match self {
            Term::Field(field) => field.place.hops.is_empty() && field.value.null != Null::Missing,
            Term::At { element, .. } => element.certain(),
            _ => self.solid(),
        }
    }

    /// Whether the term always has a value.
    fn solid(&self) -> bool {
        match self {
            Term::Field(field) | Term::Instant(field) | Term::Whole(field) => {
                field.place.hops.is_empty() && field.value.null == Null::Never
            }
            Term::Text(_) | Term::Number(_) | Term::Time(_) | Term::Now | Term::Tally(_) => true,
            Term::Count(rows, _) => rows.place.hops.is_empty(),
            Term::Concat(a, b) => a.solid() && b.solid(),
            Term::Lower(a) | Term::Upper(a) | Term::Length(a) | Term::Digits(a) | Term::Double(a) => a.solid(),
            Term::Moved(a, _) | Term::Part(_, a) => a.solid(),
            Term::Math(_, kind, a, b) => *kind == Kind::Double && a.solid() && b.solid(),
            // The existence of the position is a condition of its own, made where the term is.
            Term::At { element, .. } => element.solid(),
        }
    }

    /// Whether a NULL in the term is a value.
    pub fn nullable(&self) -> bool {
        match self {
            Term::Field(field) => field.value.null == Null::Explicit,
            Term::At { element, .. } => element.nullable(),
            _ => false,
        }
    }
}

impl Cond {
    pub fn and(all: impl IntoIterator<Item = Cond>) -> Cond {
        let mut parts = Vec::new();
        for each in all {
            match each {
                Cond::Known(true) => {}
                Cond::Known(false) => return Cond::Known(false),
                Cond::And(inner) => parts.extend(inner),
                other => parts.push(other),
            }
        }
        match parts.len() {
            0 => Cond::Known(true),
            1 => parts.remove(0),
            _ => Cond::And(parts),
        }
    }

    pub fn or(all: impl IntoIterator<Item = Cond>) -> Cond {
        let mut parts = Vec::new();
        for each in all {
            match each {
                Cond::Known(false) => {}
                Cond::Known(true) => return Cond::Known(true),
                Cond::Or(inner) => parts.extend(inner),
                other => parts.push(other),
            }
        }
        match parts.len() {
            0 => Cond::Known(false),
            1 => parts.remove(0),
            _ => Cond::Or(parts),
        }
    }

    pub fn negated(self) -> Cond {
        match self {
            Cond::Known(value) => Cond::Known(!value),
            Cond::Unknown => Cond::Unknown,
            Cond::Not(inner) => *inner,
            other => Cond::Not(Box::new(other)),
        }
    }

    pub fn choose(condition: Cond, then: Cond, otherwise: Cond) -> Cond {
        match condition {
            Cond::Known(true) => then,
            Cond::Known(false) => otherwise,
            Cond::Unknown => Cond::Unknown,
            condition => Cond::If(Box::new(condition), Box::new(then), Box::new(otherwise)),
        }
    }

    pub fn same(a: Cond, b: Cond) -> Cond {
        match (a, b) {
            (Cond::Known(true), other) | (other, Cond::Known(true)) => other,
            (Cond::Known(false), other) | (other, Cond::Known(false)) => other.negated(),
            (Cond::Unknown, _) | (_, Cond::Unknown) => Cond::Unknown,
            (a, b) => Cond::Same(Box::new(a), Box::new(b)),
        }
    }

    /// The condition where `sound` is true; else unknown.
    pub fn given(self, sound: Cond) -> Cond {
        Cond::choose(sound, self, Cond::Unknown)
    }

    pub fn determined(self) -> Cond {
        match self {
            Cond::Known(_) | Cond::Has(_) | Cond::Determined(_) => Cond::Known(true),
            Cond::Unknown => Cond::Known(false),
            other => Cond::Determined(Box::new(other)),
        }
    }

    pub fn has(term: &Term) -> Cond {
        if term.certain() { Cond::Known(true) } else { Cond::Has(term.clone()) }
    }

    pub fn exists(rows: Rows, body: Cond) -> Cond {
        Cond::Exists(rows, Box::new(body))
    }
}
