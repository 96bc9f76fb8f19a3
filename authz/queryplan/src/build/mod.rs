//! From a plan's operands to the typed form.

mod equality;
mod lists;
mod scalars;

use crate::{
    Result, deeper,
    form::{Cond, Field, Kind, Math, Op, Place, Rows, Term, TextOp, Var},
    mapping::{Attribute, Elements, Of, Resource, Scalar, Stored},
    operand::{Literal, Operand},
    refuse,
};
use chrono::{DateTime, TimeDelta, Utc};
use equality::ordered;
use lists::{List, all_sound, given, list, unnumbered};
use scalars::{add, doubled, duration, lineage, math, not_null, part, path, sub, text, textual};
use std::{cell::Cell, collections::BTreeMap};

/// What an operand may become, at most: a plan that unrolls further is refused.
const LIMIT: usize = 50_000;

pub fn condition(operand: &Operand, resource: &'static Resource, principal: &Literal) -> Result<Cond> {
    let builder = Builder { resource, principal, rows: Cell::new(1), built: Cell::new(0) };
    builder.build(operand, &Scope::default())?.condition()
}

struct Builder<'a> {
    resource: &'static Resource,
    principal: &'a Literal,
    rows: Cell<usize>,
    built: Cell<usize>,
}

/// What the names of lambdas stand for, and which lists are open.
#[derive(Default, Clone)]
struct Scope {
    names: Vec<(String, Built)>,
    open: Vec<Var>,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there are few, and only while a plan is read")]
enum Built {
    Cond(Cond),
    Term(Term),
    /// Neither a text, a number nor a boolean.
    Null,
    Bool(bool),
    Span(TimeDelta),
    /// The time between two.
    Gap(Term, Term),
    Path(Path),
    Record(Place, &'static [Attribute]),
    Resource,
    Struct(BTreeMap<String, Built>),
    List(List),
    /// One of two, decided when it is used.
    If(Box<Cond>, Box<Built>, Box<Built>),
    Unknown,
}

#[derive(Debug, Clone)]
struct Path {
    text: Term,
    separator: String,
}

impl Built {
    fn name(&self) -> &'static str {
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

    /// Applies an operator to what this is in each case.
    fn each(self, apply: &mut dyn FnMut(Built) -> Result<Built>) -> Result<Built> {
        match self {
            Built::If(condition, then, otherwise) => {
                Ok(Built::If(condition, Box::new(then.each(apply)?), Box::new(otherwise.each(apply)?)))
            }
            Built::Unknown => Ok(Built::Unknown),
            other => apply(other),
        }
    }

    fn condition(self) -> Result<Cond> {
        match self {
            Built::Cond(cond) => Ok(cond),
            Built::Bool(value) => Ok(Cond::Known(value)),
            Built::Unknown => Ok(Cond::Unknown),
            Built::If(condition, then, otherwise) => Ok(Cond::choose(*condition, then.condition()?, otherwise.condition()?)),
            Built::Term(Term::Field(field)) if field.value.stored == Stored::Bool => Ok(Cond::Flag(field)),
            other => refuse(format!("{} as a condition", other.name())),
        }
    }

    /// Whether it is a value at all.
    fn has(&self) -> Result<Cond> {
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
                // Whether there are rows is unknown only where what they belong to is missing.
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

impl Scope {
    fn with(&self, name: &str, built: Built) -> Scope {
        let mut scope = self.clone();
        scope.names.push((name.to_owned(), built));
        scope
    }

    /// A list's rows are bound once at a time: what is inside cannot open the same list anew.
    fn opening(&self, rows: &Rows) -> Result<Scope> {
        if self.open.contains(&rows.var) {
            return refuse("a list inside itself");
        }
        let mut scope = self.clone();
        scope.open.push(rows.var);
        Ok(scope)
    }
}

/// As many operands as the operator takes, or refused by its name.
fn exactly<'a, const N: usize>(operator: &str, operands: &'a [Operand]) -> Result<&'a [Operand; N]> {
    operands.try_into().or_else(|_| refuse(format!("{operator} with {} operands", operands.len())))
}

impl Builder<'_> {
    fn build(&self, operand: &Operand, scope: &Scope) -> Result<Built> {
        self.spend()?;
        match operand {
            Operand::Value(literal) => self.literal(literal),
            Operand::Variable(name) => self.variable(name, scope),
            Operand::Expression { operator, operands } => {
                deeper(|| self.expression(operator, operands, scope)).map_err(|refused| self.within(operator, refused))
            }
        }
    }

    /// Lambdas over literals and choices multiply parts.
    fn spend(&self) -> Result<()> {
        self.built.set(self.built.get() + 1);
        if self.built.get() > LIMIT { refuse(format!("a plan of more than {LIMIT} parts")) } else { Ok(()) }
    }

    /// The innermost operator names itself.
    fn within(&self, operator: &str, refused: crate::Refused) -> crate::Refused {
        if refused.0.contains(" in ") { refused } else { crate::Refused(format!("{} in {operator}", refused.0)) }
    }

    fn literal(&self, literal: &Literal) -> Result<Built> {
        Ok(match literal {
            Literal::Null => Built::Null,
            Literal::Bool(value) => Built::Bool(*value),
            Literal::Number(value) => Built::Term(Term::Number(*value)),
            Literal::Text(value) if value.contains('\0') => return refuse("a text with NUL"),
            Literal::Text(value) => Built::Term(Term::Text(value.clone())),
            Literal::List(all) => {
                let items = all.iter().map(|each| Ok((Cond::Known(true), self.literal(each)?))).collect::<Result<_>>()?;
                Built::List(List::Items { items, sound: Cond::Known(true), vague: false })
            }
            Literal::Struct(all) => {
                Built::Struct(all.iter().map(|(name, each)| Ok((name.clone(), self.literal(each)?))).collect::<Result<_>>()?)
            }
        })
    }

    fn variable(&self, name: &str, scope: &Scope) -> Result<Built> {
        let mut segments = name.split('.');
        let first = segments.next().unwrap_or_default();
        let start = match scope.names.iter().rev().find(|(known, _)| known == first) {
            Some((_, built)) => built.clone(),
            None => {
                let beyond = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
                if let Some(rest) = beyond(["request.resource.", "R."]) {
                    segments = rest.split('.');
                    Built::Resource
                } else if let Some(rest) = beyond(["request.principal.", "P."]) {
                    // The planner leaves some of these, inside lambdas.
                    segments = rest.split('.');
                    if !["id", "roles", "attr"].iter().any(|known| rest.split('.').next() == Some(known)) {
                        return refuse(format!("the variable {name}"));
                    }
                    doubled(self.literal(self.principal)?)
                } else {
                    return refuse(format!("the variable {name}"));
                }
            }
        };
        let mut found = start;
        for segment in segments {
            found = found
                .each(&mut |built| self.member(built, segment))
                .map_err(|_| crate::Refused(format!("the variable {name}")))?;
        }
        Ok(found)
    }

    fn member(&self, of: Built, name: &str) -> Result<Built> {
        let root = || Place { var: Var(0), names: Vec::new(), hops: Vec::new() };
        match of {
            Built::Resource => match name {
                "id" => Ok(Built::Term(self.field(root(), "id", self.resource.id))),
                "attr" => Ok(Built::Record(Place { names: vec!["attr"], ..root() }, self.resource.attributes)),
                _ => refuse(format!("the resource's {name}")),
            },
            Built::Record(place, fields) => self.attribute(place, fields, name),
            Built::Struct(mut fields) => match fields.remove(name) {
                Some(built) => Ok(built),
                None => Ok(Built::Unknown),
            },
            other => refuse(format!("the field {name} of {}", other.name())),
        }
    }

    fn field(&self, mut place: Place, name: &'static str, value: Scalar) -> Term {
        place.names.push(name);
        Term::Field(Field { place, value })
    }

    fn attribute(&self, mut place: Place, fields: &'static [Attribute], name: &str) -> Result<Built> {
        let Some(attribute) = fields.iter().find(|attribute| attribute.name == name) else {
            return refuse(format!("the attribute {name}"));
        };
        Ok(match &attribute.of {
            Of::Value(value) => Built::Term(self.field(place, attribute.name, *value)),
            Of::Object(fields) => {
                place.names.push(attribute.name);
                Built::Record(place, fields)
            }
            Of::One(link) => {
                place.names.push(attribute.name);
                place.hops.push(link);
                Built::Record(place, link.to.fields)
            }
            Of::Many { link, elements, order } => {
                place.names.push(attribute.name);
                let var = Var(self.rows.get());
                self.rows.set(var.0 + 1);
                let of = Place { var, names: Vec::new(), hops: Vec::new() };
                let element = match elements {
                    Elements::Records => Built::Record(of, link.to.fields),
                    Elements::Values(value) => Built::Term(Term::Field(Field { place: of, value: *value })),
                };
                let rows = Rows { place, link, order: *order, var };
                let (included, sound) = (Cond::Known(true), Cond::Known(true));
                Built::List(List::Rows { rows, included, sound, element: Box::new(element), vague: false })
            }
        })
    }

    fn expression(&self, operator: &str, operands: &[Operand], scope: &Scope) -> Result<Built> {
        let all = || operands.iter().map(|each| self.build(each, scope)).collect::<Result<Vec<_>>>();
        let conditions = || operands.iter().map(|each| self.build(each, scope)?.condition()).collect::<Result<Vec<_>>>();
        let one = || -> Result<Built> {
            let [operand] = exactly(operator, operands)?;
            self.build(operand, scope)
        };
        let unary = |apply: &dyn Fn(Built) -> Result<Built>| one()?.each(&mut |a| self.spend().and_then(|()| apply(a)));
        let binary = |apply: &dyn Fn(Built, Built) -> Result<Built>| {
            let [a, b] = exactly(operator, operands)?;
            let (a, b) = (self.build(a, scope)?, self.build(b, scope)?);
            a.each(&mut |a| b.clone().each(&mut |b| self.spend().and_then(|()| apply(a.clone(), b))))
        };
        let compared = |op: Op| binary(&|a, b| ordered(op, a, b).map(Built::Cond));
        let textual = |op: TextOp| binary(&|a, b| textual(&op, a, b).map(Built::Cond));

        match operator {
            "and" => conditions().map(Cond::and).map(Built::Cond),
            "or" => conditions().map(Cond::or).map(Built::Cond),
            "not" => Ok(Built::Cond(one()?.condition()?.negated())),
            "if" => {
                let [condition, then, otherwise] = exactly(operator, operands)?;
                let condition = self.build(condition, scope)?.condition()?;
                let (then, otherwise) = (self.build(then, scope)?, self.build(otherwise, scope)?);
                Ok(match condition {
                    Cond::Known(true) => then,
                    Cond::Known(false) => otherwise,
                    Cond::Unknown => Built::Unknown,
                    condition => Built::If(Box::new(condition), Box::new(then), Box::new(otherwise)),
                })
            }
            "eq" => binary(&|a, b| self.told_apart(a, b, scope).map(Built::Cond)),
            "ne" => binary(&|a, b| Ok(Built::Cond(self.told_apart(a, b, scope)?.negated()))),
            "lt" => compared(Op::Lt),
            "le" => compared(Op::Le),
            "gt" => compared(Op::Gt),
            "ge" => compared(Op::Ge),
            "add" => binary(&add),
            "sub" => binary(&sub),
            "mult" => binary(&|a, b| math(Math::Mult, a, b)),
            "div" => binary(&|a, b| math(Math::Div, a, b)),
            "mod" => binary(&|a, b| math(Math::Mod, a, b)),
            "-_" => unary(&|a| math(Math::Mult, a, Built::Term(Term::Number(-1.0)))),
            "contains" => textual(TextOp::Contains),
            "startsWith" => textual(TextOp::StartsWith),
            "endsWith" => textual(TextOp::EndsWith),
            "lowerAscii" => unary(&|a| Ok(Built::Term(Term::Lower(Box::new(text(a)?))))),
            "upperAscii" => unary(&|a| Ok(Built::Term(Term::Upper(Box::new(text(a)?))))),
            "dyn" => one(),
            "string" => unary(&|a| match a {
                Built::Term(term) if term.kind() == Kind::Text => Ok(not_null(term, Built::Term)),
                Built::Term(term) if term.kind() == Kind::Whole => Ok(Built::Term(Term::Digits(Box::new(term)))),
                other => refuse(format!("string() of {}", other.name())),
            }),
            "double" => unary(&|a| match a {
                Built::Term(term) if matches!(term.kind(), Kind::Double | Kind::Number) => Ok(not_null(term, Built::Term)),
                Built::Term(term) if term.kind() == Kind::Whole => Ok(Built::Term(Term::Double(Box::new(term)))),
                other => refuse(format!("double() of {}", other.name())),
            }),
            "int" => unary(&|a| match a {
                Built::Term(Term::Field(field)) if field.value.stored == Stored::Integer => Ok(Built::Term(Term::Whole(field))),
                Built::Term(term) if term.kind() == Kind::Whole => Ok(Built::Term(term)),
                Built::Term(Term::Number(number)) if number.fract() == 0.0 => Ok(Built::Term(Term::Number(number))),
                other => refuse(format!("int() of {} that may not be whole", other.name())),
            }),
            "timestamp" => unary(&|a| match a {
                Built::Term(Term::Field(field)) if field.value.stored == Stored::Timestamp => {
                    Ok(Built::Term(Term::Instant(field)))
                }
                Built::Term(Term::Text(text)) => match DateTime::parse_from_rfc3339(&text) {
                    Ok(time) => Ok(Built::Term(Term::Time(time.with_timezone(&Utc)))),
                    Err(_) => refuse(format!("the timestamp {text}")),
                },
                other => refuse(format!("timestamp() of {}", other.name())),
            }),
            "duration" => unary(&|a| match a {
                Built::Term(Term::Text(text)) => duration(&text).map(Built::Span),
                other => refuse(format!("duration() of {}", other.name())),
            }),
            "timeSince" => unary(&|a| match a {
                Built::Term(time) if time.kind() == Kind::Time => Ok(Built::Gap(Term::Now, time)),
                other => refuse(format!("timeSince() of {}", other.name())),
            }),
            "getFullYear" | "getMonth" | "getDate" | "getDayOfMonth" | "getDayOfWeek" | "getDayOfYear" | "getHours"
            | "getMinutes" | "getSeconds" | "getMilliseconds" => {
                if let [_, zone] = operands
                    && *zone != Operand::Value(Literal::Text("UTC".into()))
                {
                    return refuse(format!("{operator} in a time zone"));
                }
                let part = part(operator);
                let time = operands.first().ok_or(crate::Refused(format!("{operator} of nothing")))?;
                self.build(time, scope)?.each(&mut |a| match a {
                    Built::Term(time) if time.kind() == Kind::Time => Ok(Built::Term(Term::Part(part, Box::new(time)))),
                    other => refuse(format!("{operator} of {}", other.name())),
                })
            }
            "hierarchy" => {
                let mut built = all()?.into_iter();
                let separator = match built.len() {
                    1 => ".".to_owned(),
                    2 => match built.next_back() {
                        Some(Built::Term(Term::Text(separator))) if separator.chars().count() == 1 => separator,
                        _ => return refuse("hierarchy() with a separator that is not one literal character"),
                    },
                    count => return refuse(format!("hierarchy with {count} operands")),
                };
                let one = built.next().ok_or(crate::Refused("hierarchy of nothing".into()))?;
                one.each(&mut |a| {
                    let Path { text, separator } = path(a, &separator)?;
                    Ok(not_null(text, |text| Built::Path(Path { text, separator: separator.clone() })))
                })
            }
            "ancestorOf" => binary(&|a, b| lineage(a, b, TextOp::Ancestor)),
            "descendentOf" => binary(&|a, b| lineage(b, a, TextOp::Ancestor)),
            "immediateParentOf" => binary(&|a, b| lineage(a, b, TextOp::Parent)),
            "immediateChildOf" => binary(&|a, b| lineage(b, a, TextOp::Parent)),
            "overlaps" => binary(&|a, b| {
                let same = match (&a, &b) {
                    (Built::Path(a), Built::Path(b)) => {
                        self.equal(Built::Term(a.text.clone()), Built::Term(b.text.clone()), scope)?
                    }
                    _ => return refuse("overlaps of other than hierarchies"),
                };
                let above = lineage(a.clone(), b.clone(), TextOp::Ancestor)?.condition()?;
                let below = lineage(b, a, TextOp::Ancestor)?.condition()?;
                Ok(Built::Cond(Cond::or([same, above, below])))
            }),
            "list" => {
                let items: Vec<Built> = all()?;
                let sound = Cond::and(items.iter().map(Built::has).collect::<Result<Vec<_>>>()?);
                let items = items.into_iter().map(|each| (Cond::Known(true), each)).collect();
                Ok(Built::List(List::Items { items, sound, vague: false }))
            }
            "struct" => {
                let mut fields = BTreeMap::new();
                for operand in operands {
                    let Operand::Expression { operator, operands } = operand else { return refuse("a struct's field") };
                    let ("set-field", [Operand::Value(Literal::Text(name)), value]) = (operator.as_str(), operands.as_slice())
                    else {
                        return refuse("a struct's field");
                    };
                    fields.insert(name.clone(), self.build(value, scope)?);
                }
                let whole = Cond::and(fields.values().map(Built::has).collect::<Result<Vec<_>>>()?);
                Ok(given(Built::Struct(fields), whole))
            }
            "get-field" => {
                let [of, name] = exactly(operator, operands)?;
                let name = match name {
                    Operand::Variable(name) | Operand::Value(Literal::Text(name)) => name,
                    Operand::Value(_) | Operand::Expression { .. } => return refuse("get-field by other than a name"),
                };
                self.build(of, scope)?.each(&mut |of| self.member(of, name))
            }
            "index" => binary(&|of, at| self.at(of, at)),
            "size" => unary(&|a| match a {
                Built::Term(term) if term.kind() == Kind::Text => Ok(Built::Term(Term::Length(Box::new(term)))),
                Built::List(list) => self.size(list),
                other => refuse(format!("size of {}", other.name())),
            }),
            "in" => binary(&|a, b| match b {
                Built::List(list) => self.among(a, list, scope).map(Built::Cond),
                other => refuse(format!("in {}", other.name())),
            }),
            "hasIntersection" => binary(&|a, b| {
                let (a, b) = (unnumbered(list(a)?)?, unnumbered(list(b)?)?);
                // Literals are looked for in rows.
                let (a, b) = if matches!(a, List::Items { .. }) { (b, a) } else { (a, b) };
                let known = Built::List(b.clone()).has()?;
                let found = self.any(&a, scope, &|each, scope| self.among(each, b.clone(), scope))?;
                Ok(Built::Cond(found.given(known)))
            }),
            "isSubset" => binary(&|a, b| {
                let (a, b) = (unnumbered(list(a)?)?, unnumbered(list(b)?)?);
                let known = Built::List(b.clone()).has()?;
                let beyond = self.any(&a, scope, &|each, scope| Ok(self.among(each, b.clone(), scope)?.negated()))?;
                Ok(Built::Cond(beyond.negated().given(known)))
            }),
            "intersect" | "except" => binary(&|a, b| {
                let (a, b) = (unnumbered(list(a)?)?, unnumbered(list(b)?)?);
                let known = Built::List(b.clone()).has()?;
                if !matches!(known, Cond::Known(true)) {
                    return refuse(format!("{operator} with a list that may be missing"));
                }
                let kept = self.filter(a, scope, &|each, scope| {
                    let among = self.among(each, b.clone(), scope)?;
                    Ok(if operator == "except" { among.negated() } else { among })
                })?;
                Ok(Built::List(kept.vague()))
            }),
            "exists" | "all" | "exists_one" | "filter" | "map" => {
                let [of, lambda] = exactly(operator, operands)?;
                let (name, body) = self.lambda(lambda)?;
                let of = self.build(of, scope)?;
                let test = |each: Built, scope: &Scope| self.build(body, &scope.with(name, each))?.condition();
                of.each(&mut |of| {
                    let of = list(of)?;
                    Ok(match operator {
                        "exists" => Built::Cond(self.any(&of, scope, &test)?),
                        "all" => Built::Cond(self.any(&of, scope, &|each, scope| Ok(test(each, scope)?.negated()))?.negated()),
                        "exists_one" => {
                            let count = self.size(self.filter(of, scope, &test)?)?;
                            count.each(&mut |count| ordered(Op::Eq, count, Built::Term(Term::Number(1.0))).map(Built::Cond))?
                        }
                        "filter" => Built::List(self.filter(of, scope, &test)?),
                        _ => Built::List(self.map(of, scope, &|each, scope| self.build(body, &scope.with(name, each)))?),
                    })
                })
            }
            _ => refuse(format!("the operator {operator}")),
        }
    }

    fn lambda<'a>(&self, operand: &'a Operand) -> Result<(&'a str, &'a Operand)> {
        if let Operand::Expression { operator, operands } = operand
            && let ("lambda", [body, Operand::Variable(name)]) = (operator.as_str(), operands.as_slice())
        {
            // The planner writes these out, and then they stand for two things.
            if name.contains('.') || ["request", "R", "P"].contains(&name.as_str()) {
                return refuse(format!("the lambda's variable {name}"));
            }
            return Ok((name, body));
        }
        refuse("a lambda that has not one variable")
    }
}
