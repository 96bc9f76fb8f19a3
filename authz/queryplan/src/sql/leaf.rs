//! Leaves of a condition: comparisons, texts, lists of rows.

use super::{
    Sql, cust, known, never, not, or,
    rows::Scope,
    term::{floor, whole},
};
use crate::{
    Result,
    form::{Cond, Kind, Op, Term, TextOp},
    mapping::{Null, ScalarType},
    refuse,
};
use sea_query::{ArrayType, Expr, ExprTrait, Value};

/// The limit below which a double can hold every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;
impl Sql<'_> {
    /// An expression that is TRUE where the leaf is as asked for, true or false.
    pub(super) fn leaf(&self, leaf: &Cond, asked: bool, scope: &Scope) -> Result<Expr> {
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

    /// The expression of a comparison. A literal stands to the right.
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
                // Stored times have microseconds, so each lies on one side of a finer time.
                Ok(match op {
                    Op::Eq => never(a),
                    Op::Lt | Op::Le => plain(Op::Le, a, Expr::val(limit)),
                    Op::Gt | Op::Ge => plain(Op::Gt, a, Expr::val(limit)),
                })
            }
            _ => {
                // A stored integer is compared as one, so that an index can be used, where the result is the same.
                let integer = match a {
                    Term::Field(field) if field.value.stored == ScalarType::Integer => Some(self.column(field, scope)?),
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
            Term::Field(field) if field.value.stored == ScalarType::Double => self.column(field, scope).map(Some),
            _ => Ok(None),
        }
    }

    fn equal_texts(&self, a: &Term, b: &Term, scope: &Scope) -> Result<Expr> {
        if let (Term::Field(field), Term::Text(text)) = (a, b) {
            let column = self.column(field, scope)?;
            match field.value.stored {
                ScalarType::Uuid => {
                    return Ok(match canonical(text) {
                        Some(id) => column.eq(id),
                        None => never(column),
                    });
                }
                ScalarType::Choice { binding, equal, other } if self.bindings.equal.contains_key(binding) => {
                    return Ok(known(text == if self.bindings.equal[binding] { equal } else { other }));
                }
                ScalarType::Choice { binding, equal, .. } if equal == text => return Ok(column.eq(self.binding(binding)?)),
                ScalarType::Choice { binding, other, .. } if other == text => return Ok(column.ne(self.binding(binding)?)),
                ScalarType::Choice { .. } => return Ok(never(column)),
                _ => {}
            }
        }
        if let (Term::Field(x), Term::Field(y)) = (a, b)
            && (x.value.stored, y.value.stored) == (ScalarType::Uuid, ScalarType::Uuid)
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
            Some((ScalarType::Uuid, column)) => {
                let ids: Vec<Value> = texts.iter().filter_map(|text| canonical(text)).map(Value::from).collect();
                if ids.is_empty() {
                    return Ok(never(column));
                }
                Ok(cust("($1 = ANY($2))", [column, Expr::val(Value::Array(ArrayType::Uuid, Some(Box::new(ids))))]))
            }
            Some((ScalarType::Choice { .. }, _)) => {
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

/// The UUID of a text that is written as UUIDs are; every other text equals none.
fn canonical(text: &str) -> Option<uuid::Uuid> {
    text.parse::<uuid::Uuid>().ok().filter(|id| id.hyphenated().to_string() == text)
}

fn may_be_nan(term: &Term) -> bool {
    match term {
        Term::Field(field) => field.value.stored == ScalarType::Double,
        Term::Number(number) => number.is_nan(),
        Term::Math(_, kind, ..) => *kind == Kind::Double,
        Term::At { element, .. } => may_be_nan(element),
        _ => false,
    }
}
