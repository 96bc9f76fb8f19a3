//! From a plan's operands to the typed form.

use crate::{
    Result,
    form::{Cond, Field, Kind, Math, Op, Part, Place, Rows, Term, TextOp, Var},
    mapping::{Attribute, Elements, Null, Of, Resource, Scalar, Stored},
    operand::{Literal, Operand},
    refuse,
};
use chrono::{DateTime, TimeDelta, Utc};
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

#[derive(Debug, Clone)]
enum List {
    Rows {
        rows: Rows,
        /// What filters keep.
        included: Cond,
        /// Where this is not true for a row, the list itself is an error.
        sound: Cond,
        element: Box<Built>,
        /// Its elements are known, but not how often each is in it.
        vague: bool,
    },
    Items {
        items: Vec<(Cond, Built)>,
        sound: Cond,
        vague: bool,
    },
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

/// All operands alike, or refused by the operator's name.
fn exactly<const N: usize>(operator: &str, operands: &[Operand]) -> Result<[usize; N]> {
    if operands.len() == N {
        Ok(std::array::from_fn(|index| index))
    } else {
        refuse(format!("{operator} with {} operands", operands.len()))
    }
}

impl Builder<'_> {
    fn build(&self, operand: &Operand, scope: &Scope) -> Result<Built> {
        self.built.set(self.built.get() + 1);
        if self.built.get() > LIMIT {
            return refuse(format!("a plan of more than {LIMIT} parts"));
        }
        match operand {
            Operand::Value(literal) => self.literal(literal),
            Operand::Variable(name) => self.variable(name, scope),
            Operand::Expression { operator, operands } => {
                self.expression(operator, operands, scope).map_err(|refused| self.within(operator, refused))
            }
        }
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
                    self.literal(self.principal)?
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
            let [index] = exactly(operator, operands)?;
            self.build(&operands[index], scope)
        };
        let unary = |apply: &dyn Fn(Built) -> Result<Built>| one()?.each(&mut |a| apply(a));
        let binary = |apply: &dyn Fn(Built, Built) -> Result<Built>| {
            let [a, b] = exactly(operator, operands)?;
            let (a, b) = (self.build(&operands[a], scope)?, self.build(&operands[b], scope)?);
            a.each(&mut |a| b.clone().each(&mut |b| apply(a.clone(), b)))
        };
        let compared = |op: Op| binary(&|a, b| self.ordered(op, a, b).map(Built::Cond));
        let textual = |op: TextOp| binary(&|a, b| textual(&op, a, b).map(Built::Cond));

        match operator {
            "and" => conditions().map(Cond::and).map(Built::Cond),
            "or" => conditions().map(Cond::or).map(Built::Cond),
            "not" => Ok(Built::Cond(one()?.condition()?.negated())),
            "if" => {
                let [condition, then, otherwise] = exactly(operator, operands)?;
                let condition = self.build(&operands[condition], scope)?.condition()?;
                let (then, otherwise) = (self.build(&operands[then], scope)?, self.build(&operands[otherwise], scope)?);
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
                Built::Term(term) if term.kind() == Kind::Text => Ok(Built::Term(term)),
                Built::Term(term) if term.kind() == Kind::Whole => Ok(Built::Term(Term::Digits(Box::new(term)))),
                other => refuse(format!("string() of {}", other.name())),
            }),
            "double" => unary(&|a| match a {
                Built::Term(term) if matches!(term.kind(), Kind::Double | Kind::Number) => Ok(Built::Term(term)),
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
                match self.build(operands.first().ok_or(crate::Refused(format!("{operator} of nothing")))?, scope)? {
                    Built::Term(time) if time.kind() == Kind::Time => Ok(Built::Term(Term::Part(part, Box::new(time)))),
                    other => refuse(format!("{operator} of {}", other.name())),
                }
            }
            "hierarchy" => {
                let mut built = all()?.into_iter();
                let separator = match built.len() {
                    1 => ".".to_owned(),
                    2 => match built.next_back() {
                        Some(Built::Term(Term::Text(separator))) if !separator.is_empty() => separator,
                        _ => return refuse("hierarchy() with a separator that is not a literal text"),
                    },
                    count => return refuse(format!("hierarchy with {count} operands")),
                };
                let one = built.next().ok_or(crate::Refused("hierarchy of nothing".into()))?;
                one.each(&mut |a| Ok(Built::Path(path(a, &separator)?)))
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
                Ok(Built::Struct(fields))
            }
            "get-field" => {
                let [of, name] = exactly(operator, operands)?;
                let name = match &operands[name] {
                    Operand::Variable(name) | Operand::Value(Literal::Text(name)) => name,
                    Operand::Value(_) | Operand::Expression { .. } => return refuse("get-field by other than a name"),
                };
                self.build(&operands[of], scope)?.each(&mut |of| self.member(of, name))
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
                let (a, b) = (list(a)?, list(b)?);
                // Literals are looked for in rows.
                let (a, b) = if matches!(a, List::Items { .. }) { (b, a) } else { (a, b) };
                let known = Built::List(b.clone()).has()?;
                let found = self.any(&a, scope, &|each, scope| self.among(each, b.clone(), scope))?;
                Ok(Built::Cond(found.given(known)))
            }),
            "isSubset" => binary(&|a, b| {
                let (a, b) = (list(a)?, list(b)?);
                let known = Built::List(b.clone()).has()?;
                let beyond = self.any(&a, scope, &|each, scope| Ok(self.among(each, b.clone(), scope)?.negated()))?;
                Ok(Built::Cond(beyond.negated().given(known)))
            }),
            "intersect" | "except" => binary(&|a, b| {
                let (a, b) = (list(a)?, list(b)?);
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
                let (name, body) = self.lambda(&operands[lambda])?;
                let of = self.build(&operands[of], scope)?;
                let test = |each: Built, scope: &Scope| self.build(body, &scope.with(name, each))?.condition();
                of.each(&mut |of| {
                    let of = list(of)?;
                    Ok(match operator {
                        "exists" => Built::Cond(self.any(&of, scope, &test)?),
                        "all" => Built::Cond(self.any(&of, scope, &|each, scope| Ok(test(each, scope)?.negated()))?.negated()),
                        "exists_one" => {
                            let count = self.size(self.filter(of, scope, &test)?)?;
                            count
                                .each(&mut |count| self.ordered(Op::Eq, count, Built::Term(Term::Number(1.0))).map(Built::Cond))?
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
            return Ok((name, body));
        }
        refuse("a lambda that has not one variable")
    }

    /// Whether it is true for one element.
    fn any(&self, of: &List, scope: &Scope, test: &dyn Fn(Built, &Scope) -> Result<Cond>) -> Result<Cond> {
        match of {
            List::Rows { rows, included, sound, element, .. } => {
                let inner = scope.opening(rows)?;
                let body = Cond::and([included.clone(), test((**element).clone(), &inner)?]);
                let found = Cond::exists(rows.clone(), body);
                Ok(found.given(all_sound(rows, sound)))
            }
            List::Items { items, sound, .. } => {
                let each = items.iter().map(|(included, item)| {
                    let test = item.clone().each(&mut |item| test(item, scope).map(Built::Cond))?.condition()?;
                    Ok(Cond::and([included.clone(), test]))
                });
                let found = Cond::or(each.collect::<Result<Vec<_>>>()?);
                Ok(found.given(sound.clone()))
            }
        }
    }

    /// An error for one element is an error of the whole.
    fn filter(&self, of: List, scope: &Scope, test: &dyn Fn(Built, &Scope) -> Result<Cond>) -> Result<List> {
        Ok(match of {
            List::Rows { rows, included, sound, element, vague } => {
                let inner = scope.opening(&rows)?;
                let kept = test((*element).clone(), &inner)?;
                let decided = Cond::or([included.clone().negated(), kept.clone().determined()]);
                let (included, sound) = (Cond::and([included, kept]), Cond::and([sound, decided]));
                List::Rows { rows, included, sound, element, vague }
            }
            List::Items { items, sound, vague } => {
                let (mut kept, mut all_sound) = (Vec::new(), vec![sound]);
                for (included, item) in items {
                    let test = item.clone().each(&mut |item| test(item, scope).map(Built::Cond))?.condition()?;
                    all_sound.push(Cond::or([included.clone().negated(), test.clone().determined()]));
                    kept.push((Cond::and([included, test]), item));
                }
                List::Items { items: kept, sound: Cond::and(all_sound), vague }
            }
        })
    }

    fn map(&self, of: List, scope: &Scope, make: &dyn Fn(Built, &Scope) -> Result<Built>) -> Result<List> {
        Ok(match of {
            List::Rows { rows, included, sound, element, vague } => {
                let inner = scope.opening(&rows)?;
                let element = make((*element).clone(), &inner)?;
                let made = Cond::or([included.clone().negated(), element.has()?]);
                List::Rows { rows, included, sound: Cond::and([sound, made]), element: Box::new(element), vague }
            }
            List::Items { items, sound, vague } => {
                let (mut made, mut all_sound) = (Vec::new(), vec![sound]);
                for (included, item) in items {
                    let item = item.each(&mut |item| make(item, scope))?;
                    all_sound.push(Cond::or([included.clone().negated(), item.has()?]));
                    made.push((included, item));
                }
                List::Items { items: made, sound: Cond::and(all_sound), vague }
            }
        })
    }

    fn size(&self, of: List) -> Result<Built> {
        let (count, sound) = match of {
            List::Rows { vague: true, .. } | List::Items { vague: true, .. } => {
                return refuse("the size of an intersection or a difference");
            }
            List::Rows { rows, included, sound, .. } => {
                let sound = all_sound(&rows, &sound);
                (Term::Count(rows, Box::new(included)), sound)
            }
            List::Items { items, sound, .. } => {
                let unsure: Vec<_> = items.iter().map(|(included, _)| included.clone()).collect();
                let count = if unsure.iter().all(|included| matches!(included, Cond::Known(_))) {
                    #[expect(clippy::cast_precision_loss, reason = "a plan's list is shorter than 2^52")]
                    let count = unsure.iter().filter(|included| matches!(included, Cond::Known(true))).count() as f64;
                    Term::Number(count)
                } else {
                    Term::Tally(unsure)
                };
                (count, sound)
            }
        };
        Ok(given(Built::Term(count), sound))
    }

    fn at(&self, of: Built, at: Built) -> Result<Built> {
        match (of, at) {
            (of @ (Built::Record(..) | Built::Resource | Built::Struct(_)), Built::Term(Term::Text(name))) => {
                self.member(of, &name)
            }
            (Built::List(List::Rows { rows, included, sound, element, vague }), Built::Term(Term::Number(index))) => {
                if vague || rows.order.is_none() {
                    return refuse("the position in a list that has no order");
                }
                let Built::Term(element) = *element else { return refuse("the position in a list of objects") };
                if has_hops(&element) {
                    return refuse("the position in a list of what relations lead to");
                }
                let Some(position) = position(index) else { return Ok(Built::Unknown) };
                let within = self.ordered(
                    Op::Gt,
                    Built::Term(Term::Count(rows.clone(), Box::new(included.clone()))),
                    Built::Term(Term::Number(index)),
                )?;
                let sound = Cond::and([all_sound(&rows, &sound), within]);
                let term = Term::At { rows, included: Box::new(included), element: Box::new(element), index: position };
                Ok(given(Built::Term(term), sound))
            }
            (Built::List(List::Items { items, sound, vague: false }), Built::Term(Term::Number(index)))
                if items.iter().all(|(included, _)| matches!(included, Cond::Known(true))) =>
            {
                let item = position(index).and_then(|at| items.into_iter().nth(usize::try_from(at).ok()?));
                Ok(item.map_or(Built::Unknown, |(_, item)| given(item, sound)))
            }
            (of, at) => refuse(format!("{} at {}", of.name(), at.name())),
        }
    }

    /// Whether a value is an element. Other types are merely unequal.
    fn among(&self, value: Built, of: List, scope: &Scope) -> Result<Cond> {
        value.each(&mut |value| self.among_one(value, &of, scope).map(Built::Cond))?.condition()
    }

    fn among_one(&self, value: Built, of: &List, scope: &Scope) -> Result<Cond> {
        if let (Built::Term(term), List::Items { items, sound: Cond::Known(true), .. }) = (&value, of)
            && term.kind() == Kind::Text
            && !matches!(term, Term::Text(_))
        {
            // Many literals are one comparison.
            let mut texts = Vec::new();
            let mut others = Vec::new();
            for (included, item) in items {
                match (included, item) {
                    (Cond::Known(true), Built::Term(Term::Text(text))) => texts.push(text.clone()),
                    other => others.push(other),
                }
            }
            if texts.len() > 1 {
                let mut any = vec![Cond::OneOf(term.clone(), texts)];
                if term.nullable() {
                    any = vec![Cond::and([Cond::Null(term.clone()).negated(), any.remove(0)])];
                }
                for (included, item) in others {
                    any.push(Cond::and([included.clone(), self.equal_each(value.clone(), item.clone(), scope)?]));
                }
                return Ok(Cond::or(any));
            }
        }
        let known = value.has()?;
        let found = self.any(of, scope, &|each, scope| self.equal_each(value.clone(), each, scope))?;
        Ok(found.given(known))
    }

    fn equal_each(&self, a: Built, b: Built, scope: &Scope) -> Result<Cond> {
        a.each(&mut |a| b.clone().each(&mut |b| self.equal(a.clone(), b, scope).map(Built::Cond)))?.condition()
    }

    /// Equality as a policy writes it. Where it mixes what may be missing with what may be null, it was
    /// hardly meant as it is: refused, although it could be told.
    fn told_apart(&self, a: Built, b: Built, scope: &Scope) -> Result<Cond> {
        let missing = |built: &Built| match built {
            Built::Term(Term::Field(field)) if field.value.null == Null::Missing => Some(path_of(field)),
            _ => None,
        };
        let may_be_null = |built: &Built| matches!(built, Built::Null) || matches!(built, Built::Term(term) if term.nullable());
        for (one, other) in [(&a, &b), (&b, &a)] {
            if let (Some(name), true) = (missing(one), may_be_null(other)) {
                return refuse(format!("{name}, which is missing and never null, beside what may be null"));
            }
        }
        self.equal(a, b, scope)
    }

    fn equal(&self, a: Built, b: Built, scope: &Scope) -> Result<Cond> {
        Ok(match (a, b) {
            (Built::Null, Built::Null) => Cond::Known(true),
            (Built::Null, Built::Term(term)) | (Built::Term(term), Built::Null) => match &term {
                term if term.nullable() => Cond::Null(term.clone()),
                term => Cond::Known(false).given(Cond::has(term)),
            },
            (Built::Null, other @ (Built::Cond(_) | Built::Bool(_) | Built::Span(_)))
            | (other @ (Built::Cond(_) | Built::Bool(_) | Built::Span(_)), Built::Null) => Cond::Known(false).given(other.has()?),
            (Built::Term(a), Built::Term(b)) => equal_terms(a, b)?,
            (a @ (Built::Cond(_) | Built::Bool(_)), b) | (a, b @ (Built::Cond(_) | Built::Bool(_))) => {
                self.equal_conditions(a, b)?
            }
            (a @ (Built::Gap(..) | Built::Span(_)), b @ (Built::Gap(..) | Built::Span(_))) => return self.ordered(Op::Eq, a, b),
            (Built::List(a), Built::List(b)) => self.equal_lists(a, b, scope)?,
            (Built::Struct(a), Built::Struct(b)) => {
                if a.len() != b.len() || a.keys().ne(b.keys()) {
                    return Ok(Cond::Known(false));
                }
                let pairs = a.into_values().zip(b.into_values());
                Cond::and(pairs.map(|(a, b)| self.equal_each(a, b, scope)).collect::<Result<Vec<_>>>()?)
            }
            (Built::Path(a), Built::Path(b)) if a.separator == b.separator => equal_terms(a.text, b.text)?,
            (a, b) => return refuse(format!("{} == {}", a.name(), b.name())),
        })
    }

    fn equal_conditions(&self, a: Built, b: Built) -> Result<Cond> {
        let boolean = |built: &Built| match built {
            Built::Cond(_) | Built::Bool(_) => true,
            Built::Term(term) => term.kind() == Kind::Bool,
            _ => false,
        };
        if !boolean(&a) || !boolean(&b) {
            return Ok(Cond::Known(false).given(Cond::and([a.has()?, b.has()?])));
        }
        // A null is neither true nor false, and no error.
        let not_null = |built: &Built| match built {
            Built::Term(term) if term.nullable() => Some(Cond::Null(term.clone()).negated()),
            _ => None,
        };
        let guards: Vec<_> = [not_null(&a), not_null(&b)].into_iter().flatten().collect();
        let (a, b) = (a.condition()?, b.condition()?);
        let same = match (a, b) {
            (Cond::Known(true), other) | (other, Cond::Known(true)) => other,
            (Cond::Known(false), other) | (other, Cond::Known(false)) => other.negated(),
            (a, b) => Cond::choose(a, b.clone(), b.negated()),
        };
        Ok(Cond::and(guards.into_iter().chain([same])))
    }

    fn equal_lists(&self, a: List, b: List, scope: &Scope) -> Result<Cond> {
        let (rows, items, items_sound) = match (a, b) {
            (rows @ List::Rows { .. }, List::Items { items, sound, vague: false })
            | (List::Items { items, sound, vague: false }, rows @ List::Rows { .. }) => (rows, items, sound),
            (List::Items { items: a, sound: sa, vague: false }, List::Items { items: b, sound: sb, vague: false }) => {
                let certain = |all: &[(Cond, Built)]| all.iter().all(|(included, _)| matches!(included, Cond::Known(true)));
                if !certain(&a) || !certain(&b) {
                    return refuse("the equality of filtered lists");
                }
                let same = if a.len() == b.len() {
                    let pairs = a.into_iter().zip(b);
                    Cond::and(pairs.map(|((_, a), (_, b))| self.equal_each(a, b, scope)).collect::<Result<Vec<_>>>()?)
                } else {
                    Cond::Known(false)
                };
                return Ok(same.given(Cond::and([sa, sb])));
            }
            _ => return refuse("the equality of two stored lists"),
        };
        if items.iter().any(|(included, _)| !matches!(included, Cond::Known(true))) {
            return refuse("the equality of filtered lists");
        }
        #[expect(clippy::cast_precision_loss, reason = "a plan's list is shorter than 2^52")]
        let length = Built::Term(Term::Number(items.len() as f64));
        let mut all = vec![
            self.size(rows.clone())?
                .each(&mut |size| self.ordered(Op::Eq, size, length.clone()).map(Built::Cond))?
                .condition()?,
        ];
        for (index, (_, item)) in items.into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a plan's list is shorter than 2^52")]
            let at = self.at(Built::List(rows.clone()), Built::Term(Term::Number(index as f64)))?;
            all.push(self.equal_each(at, item, scope)?);
        }
        Ok(Cond::and(all).given(items_sound))
    }

    fn ordered(&self, op: Op, a: Built, b: Built) -> Result<Cond> {
        use Built::{Gap, Span};
        let time = |op, a: Term, b: Term| Ok(Cond::Compare(op, a, b));
        match (a, b) {
            (Built::Term(a), Built::Term(b)) => compare(op, a, b),
            (Span(a), Span(b)) => Ok(Cond::Known(op.holds(a.cmp(&b)))),
            // a - b < d  ⇔  a < b + d
            (Gap(a, b), Span(d)) => match moved(b, d)? {
                Term::Time(limit) => compare(op, a, Term::Time(limit)),
                limit => match a {
                    // Literals may be finer than what is stored: the stored side stays as it is.
                    Term::Time(at) => match limit {
                        Term::Moved(stored, d) => compare(op.mirrored(), *stored, moved(Term::Time(at), -d)?),
                        stored => compare(op.mirrored(), stored, Term::Time(at)),
                    },
                    Term::Now => match limit {
                        Term::Moved(stored, d) => time(op.mirrored(), *stored, moved(Term::Now, -d)?),
                        stored => time(op.mirrored(), stored, Term::Now),
                    },
                    a => time(op, a, limit),
                },
            },
            (Span(d), Gap(a, b)) => self.ordered(op.mirrored(), Gap(a, b), Span(d)),
            (a, b) => refuse(format!("the order of {} and {}", a.name(), b.name())),
        }
    }
}

impl List {
    fn vague(mut self) -> List {
        match &mut self {
            List::Rows { vague, .. } | List::Items { vague, .. } => *vague = true,
        }
        self
    }
}

fn all_sound(rows: &Rows, sound: &Cond) -> Cond {
    match sound {
        Cond::Known(true) => Cond::Known(true),
        sound => Cond::exists(rows.clone(), sound.clone().negated()).negated(),
    }
}

fn list(built: Built) -> Result<List> {
    match built {
        Built::List(list) => Ok(list),
        other => refuse(format!("{} as a list", other.name())),
    }
}

/// This where a condition holds; else an error.
fn given(built: Built, sound: Cond) -> Built {
    match sound {
        Cond::Known(true) => built,
        sound => Built::If(Box::new(sound), Box::new(built), Box::new(Built::Unknown)),
    }
}

fn position(index: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in the same line")]
    (index >= 0.0 && index.fract() == 0.0 && index < 4_294_967_296.0).then_some(index as u64)
}

fn has_hops(term: &Term) -> bool {
    match term {
        Term::Field(field) | Term::Instant(field) | Term::Whole(field) => !field.place.hops.is_empty(),
        Term::Text(_) | Term::Number(_) | Term::Time(_) | Term::Now => false,
        Term::Concat(a, b) | Term::Math(_, _, a, b) => has_hops(a) || has_hops(b),
        Term::Lower(a) | Term::Upper(a) | Term::Length(a) | Term::Digits(a) | Term::Double(a) | Term::Moved(a, _) => has_hops(a),
        Term::Part(_, a) => has_hops(a),
        Term::Count(..) | Term::Tally(_) | Term::At { .. } => true,
    }
}

fn path_of(field: &Field) -> String {
    field.place.names.join(".")
}

fn text(built: Built) -> Result<Term> {
    match built {
        Built::Term(term) if term.kind() == Kind::Text => Ok(term),
        other => refuse(format!("{} as a text", other.name())),
    }
}

fn textual(op: &TextOp, a: Built, b: Built) -> Result<Cond> {
    Ok(Cond::Text(op.clone(), text(a)?, text(b)?))
}

fn path(built: Built, separator: &str) -> Result<Path> {
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

fn lineage(above: Built, below: Built, op: fn(String) -> TextOp) -> Result<Built> {
    match (above, below) {
        (Built::Path(above), Built::Path(below)) if above.separator == below.separator => {
            Ok(Built::Cond(Cond::Text(op(above.separator), above.text, below.text)))
        }
        (Built::Path(_), Built::Path(_)) => refuse("hierarchies of two separators"),
        (a, b) => refuse(format!("the lineage of {} and {}", a.name(), b.name())),
    }
}

fn part(operator: &str) -> Part {
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

/// As the planner writes them, in seconds, and as people do: `1h30m`, `250ms`.
fn duration(text: &str) -> Result<TimeDelta> {
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

fn add(a: Built, b: Built) -> Result<Built> {
    match (a, b) {
        (Built::Term(a), Built::Term(b)) if a.kind() == Kind::Text && b.kind() == Kind::Text => Ok(Built::Term(match (a, b) {
            (Term::Text(a), Term::Text(b)) => Term::Text(a + &b),
            (a, b) => Term::Concat(Box::new(a), Box::new(b)),
        })),
        (Built::Term(time), Built::Span(span)) | (Built::Span(span), Built::Term(time)) if time.kind() == Kind::Time => {
            moved(time, span).map(Built::Term)
        }
        (Built::Span(a), Built::Span(b)) => {
            a.checked_add(&b).map(Built::Span).ok_or(crate::Refused("a duration too long".into()))
        }
        (a, b) => math(Math::Add, a, b),
    }
}

fn sub(a: Built, b: Built) -> Result<Built> {
    match (a, b) {
        (Built::Term(time), Built::Span(span)) if time.kind() == Kind::Time => moved(time, -span).map(Built::Term),
        (Built::Term(a), Built::Term(b)) if a.kind() == Kind::Time && b.kind() == Kind::Time => Ok(Built::Gap(a, b)),
        (Built::Span(a), Built::Span(b)) => {
            a.checked_sub(&b).map(Built::Span).ok_or(crate::Refused("a duration too long".into()))
        }
        (a, b) => math(Math::Sub, a, b),
    }
}

fn moved(time: Term, by: TimeDelta) -> Result<Term> {
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

fn math(op: Math, a: Built, b: Built) -> Result<Built> {
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

/// The planner folds these, save what would be no ordinary number; lambdas over literals make more.
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

fn numeric(kind: Kind) -> bool {
    matches!(kind, Kind::Number | Kind::Double | Kind::Whole)
}

fn comparable(a: Kind, b: Kind) -> bool {
    a == b && matches!(a, Kind::Text | Kind::Time) || numeric(a) && numeric(b)
}

/// Literals to the right.
fn compare(op: Op, a: Term, b: Term) -> Result<Cond> {
    let literal = |term: &Term| matches!(term, Term::Text(_) | Term::Number(_) | Term::Time(_));
    if !comparable(a.kind(), b.kind()) {
        return refuse(format!("a comparison of {} with {}", Built::Term(a.clone()).name(), Built::Term(b.clone()).name()));
    }
    Ok(match (&a, &b) {
        (Term::Number(x), Term::Number(y)) => match x.partial_cmp(y) {
            Some(order) => Cond::Known(op.holds(order)),
            None if op == Op::Eq => Cond::Known(false),
            None => Cond::Unknown,
        },
        (Term::Text(x), Term::Text(y)) => Cond::Known(op.holds(x.cmp(y))),
        (Term::Time(x), Term::Time(y)) => Cond::Known(op.holds(x.cmp(y))),
        _ if literal(&a) => Cond::Compare(op.mirrored(), b, a),
        _ => match (a, b) {
            // The stored side stays as it is, so that an index is used and a fine literal compared rightly.
            (Term::Moved(stored, by), Term::Time(at)) => Cond::Compare(op, *stored, moved(Term::Time(at), -by)?),
            (a, b) => Cond::Compare(op, a, b),
        },
    })
}

fn equal_terms(a: Term, b: Term) -> Result<Cond> {
    let (ka, kb) = (a.kind(), b.kind());
    if ka == Kind::Stamp || kb == Kind::Stamp {
        return refuse("a timestamp that was not read by timestamp()");
    }
    if ka == Kind::Bool && kb == Kind::Bool {
        let (Term::Field(x), Term::Field(y)) = (&a, &b) else { return refuse("the equality of positions") };
        let (x, y) = (Cond::Flag(x.clone()), Cond::Flag(y.clone()));
        let same = Cond::choose(x, y.clone(), y.negated());
        return nulls(a, b, same);
    }
    if !comparable(ka, kb) {
        return Ok(Cond::Known(false).given(Cond::and([Cond::has(&a), Cond::has(&b)])));
    }
    let same = compare(Op::Eq, a.clone(), b.clone())?;
    nulls(a, b, same)
}

/// What equality says of nulls, around what it says of values.
fn nulls(a: Term, b: Term, same: Cond) -> Result<Cond> {
    Ok(match (a.nullable(), b.nullable()) {
        (false, false) => same,
        (true, true) => {
            let (a, b) = (Cond::Null(a), Cond::Null(b));
            Cond::choose(a, b.clone(), Cond::and([b.negated(), same]))
        }
        (first, _) => {
            let (null, other) = if first { (a, b) } else { (b, a) };
            Cond::and([Cond::Null(null).negated(), same]).given(Cond::has(&other))
        }
    })
}
