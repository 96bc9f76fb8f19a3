//! The operators of the policy language, by their names.

use super::{
    Builder, Built, Scope,
    built::Path,
    equality::ordered,
    lists::{List, given, list, unnumbered},
    scalars::{add, duration, lineage, math, not_null, part, path, sub, text, textual},
};
use crate::{
    Result,
    form::{Cond, Kind, Math, Op, Term, TextOp},
    mapping::ScalarType,
    operand::{Literal, Operand},
    refuse,
};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// The operands, as many as the operator takes. Any other number is refused with the operator's name.
fn exactly<'a, const N: usize>(operator: &str, operands: &'a [Operand]) -> Result<&'a [Operand; N]> {
    operands.try_into().or_else(|_| refuse(format!("{operator} with {} operands", operands.len())))
}
impl Builder<'_> {
    pub(super) fn expression(&self, operator: &str, operands: &[Operand], scope: &Scope) -> Result<Built> {
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
                Built::Term(Term::Field(field)) if field.value.stored == ScalarType::Integer => {
                    Ok(Built::Term(Term::Whole(field)))
                }
                Built::Term(term) if term.kind() == Kind::Whole => Ok(Built::Term(term)),
                Built::Term(Term::Number(number)) if number.fract() == 0.0 => Ok(Built::Term(Term::Number(number))),
                other => refuse(format!("int() of {} that may not be whole", other.name())),
            }),
            "timestamp" => unary(&|a| match a {
                Built::Term(Term::Field(field)) if field.value.stored == ScalarType::Timestamp => {
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
            // The planner writes these names out itself, so a variable of the same name would stand for two things.
            if name.contains('.') || ["request", "R", "P"].contains(&name.as_str()) {
                return refuse(format!("the lambda's variable {name}"));
            }
            return Ok((name, body));
        }
        refuse("a lambda that has not one variable")
    }
}
