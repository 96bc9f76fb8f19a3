//! The typed form of a condition. Its parts agree in type, every attribute is resolved to where it is
//! stored, and every condition has three values: true, false, unknown.

use crate::mapping::{Link, Null, Scalar, Stored};
use chrono::{DateTime, TimeDelta, Utc};

/// A row in scope: 0 is the resource, and each list opens one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Var(pub usize);

/// A record: a row in scope, or what to-one relations lead to from there.
#[derive(Debug, Clone)]
pub struct Place {
    pub var: Var,
    /// The way to it in the document that a check is sent, from the variable.
    pub names: Vec<&'static str>,
    /// The way to it in tables.
    pub hops: Vec<&'static Link>,
}

#[derive(Debug, Clone)]
pub struct Field {
    /// With the field's own name, where it has one.
    pub place: Place,
    pub value: Scalar,
}

/// The rows of a to-many relation, each in turn bound to `var`.
#[derive(Debug, Clone)]
pub struct Rows {
    /// With the list's own name.
    pub place: Place,
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
    /// For the operands in the other order.
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

/// Of the first text about the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextOp {
    Contains,
    StartsWith,
    EndsWith,
    /// A path, by this separator, that leads to the second and is not it.
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
    /// A field, or an element at a position, holds null where that is a value.
    Null(Term),
    Flag(Field),
    /// Of two texts, two numbers or two times.
    Compare(Op, Term, Term),
    /// A text among literal ones.
    OneOf(Term, Vec<String>),
    Text(TextOp, Term, Term),
    /// True where it is for one row; false where it is for all.
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
    /// What only `timestamp()` reads.
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

/// Something that has one value, or none: then whatever uses it is unknown.
#[derive(Debug, Clone)]
pub enum Term {
    Field(Field),
    Text(String),
    Number(f64),
    Time(DateTime<Utc>),
    Now,
    /// A stored timestamp, read.
    Instant(Field),
    Concat(Box<Term>, Box<Term>),
    Lower(Box<Term>),
    Upper(Box<Term>),
    /// In characters.
    Length(Box<Term>),
    Count(Rows, Box<Cond>),
    /// How many of these are true.
    Tally(Vec<Cond>),
    /// The element at a position, from 0.
    At {
        rows: Rows,
        included: Box<Cond>,
        element: Box<Term>,
        index: u64,
    },
    /// IEEE where the kind is double; where it is whole, none on overflow or division by zero.
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
                Stored::Bool => Kind::Bool,
                Stored::Integer | Stored::Double => Kind::Double,
                Stored::Text | Stored::Uuid | Stored::Choice { .. } => Kind::Text,
                Stored::Timestamp => Kind::Stamp,
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

    /// It always has a value or null.
    pub fn certain(&self) -> bool {
        match self {
            Term::Field(field) => field.place.hops.is_empty() && field.value.null != Null::Missing,
            Term::At { element, .. } => element.certain(),
            _ => self.solid(),
        }
    }

    /// It always has a value.
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
            // That there is such a position is said where it is used.
            Term::At { element, .. } => element.solid(),
        }
    }

    /// NULL in it is a value.
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

    /// This one where the other is true; else unknown.
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
