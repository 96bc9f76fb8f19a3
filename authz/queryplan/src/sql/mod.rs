//! The typed form as a condition for PostgreSQL.
//!
//! Two functions translate the same condition: [`Sql::truth`] to an expression that is TRUE exactly where the condition is true,
//! and [`Sql::falsity`] to one that is TRUE exactly where it is false. Elsewhere both may be FALSE or NULL. The pair is enough to
//! keep the third value, and a filter stays plain: `NOT`, `CASE` and `IS` appear only where the policy needs them.

mod leaf;
mod rows;
mod term;

use crate::{Result, deeper, form::Cond, refuse};
use chrono::{DateTime, Utc};
use rows::Scope;
use sea_query::{Expr, Value};
use std::{cell::Cell, collections::HashMap};

/// Values that are known only when a query is made.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    /// The values, by binding, that a [`ScalarType::Choice`](crate::ScalarType::Choice) and the bound columns of a link compare
    /// with.
    pub values: HashMap<&'static str, Value>,
    /// The bindings whose comparison is known: true where all rows that the query can meet equal the value, false where none
    /// does. The query sees to that by itself.
    pub equal: HashMap<&'static str, bool>,
    pub now: Option<DateTime<Utc>>,
}

pub fn condition(cond: &Cond, alias: &str, bindings: &Bindings) -> Result<Expr> {
    Sql { bindings, next: Cell::new(0), written: Cell::new(0) }.truth(cond, &Scope::of(alias))
}

struct Sql<'a> {
    bindings: &'a Bindings,
    next: Cell<usize>,
    written: Cell<usize>,
}

fn cust<const N: usize>(text: &'static str, parts: [Expr; N]) -> Expr {
    Expr::cust_with_exprs(text, parts)
}

fn and(a: Expr, b: Expr) -> Expr {
    cust("($1 AND $2)", [a, b])
}

fn or(a: Expr, b: Expr) -> Expr {
    cust("($1 OR $2)", [a, b])
}

fn not(a: Expr) -> Expr {
    cust("(NOT $1)", [a])
}

/// FALSE where the expression is not NULL; NULL where it is.
fn never(a: Expr) -> Expr {
    cust("($1 IS NULL AND NULL)", [a])
}

fn known(value: bool) -> Expr {
    Expr::cust(if value { "TRUE" } else { "FALSE" })
}

/// The most parts that a filter may have; a longer one is refused.
const LIMIT: usize = 50_000;

impl Sql<'_> {
    /// Counts a part that is written. A condition may be needed from both sides, and so each below it.
    fn spend(&self) -> Result<()> {
        self.written.set(self.written.get() + 1);
        if self.written.get() > LIMIT { refuse(format!("a condition of more than {LIMIT} parts")) } else { Ok(()) }
    }

    fn truth(&self, cond: &Cond, scope: &Scope) -> Result<Expr> {
        self.spend()?;
        deeper(|| self.true_where(cond, scope))
    }

    fn falsity(&self, cond: &Cond, scope: &Scope) -> Result<Expr> {
        self.spend()?;
        deeper(|| self.false_where(cond, scope))
    }

    fn true_where(&self, cond: &Cond, scope: &Scope) -> Result<Expr> {
        Ok(match cond {
            Cond::Known(value) => known(*value),
            Cond::Unknown => known(false),
            Cond::And(all) => self.joined(all, scope, Self::truth, and)?,
            Cond::Or(all) => self.joined(all, scope, Self::truth, or)?,
            Cond::Not(inner) => self.falsity(inner, scope)?,
            Cond::If(condition, then, otherwise) => {
                let first = and(self.truth(condition, scope)?, self.truth(then, scope)?);
                match **otherwise {
                    Cond::Unknown | Cond::Known(false) => first,
                    _ => or(first, and(self.falsity(condition, scope)?, self.truth(otherwise, scope)?)),
                }
            }
            Cond::Same(a, b) => {
                or(and(self.truth(a, scope)?, self.truth(b, scope)?), and(self.falsity(a, scope)?, self.falsity(b, scope)?))
            }
            Cond::Determined(inner) => {
                let (truth, falsity) = (self.truth(inner, scope)?, self.falsity(inner, scope)?);
                cust("($1 IS TRUE OR $2 IS TRUE)", [truth, falsity])
            }
            leaf => self.lifted(leaf, scope, |scope| self.leaf(leaf, true, scope))?,
        })
    }

    fn false_where(&self, cond: &Cond, scope: &Scope) -> Result<Expr> {
        Ok(match cond {
            Cond::Known(value) => known(!*value),
            Cond::Unknown => known(false),
            Cond::And(all) => self.joined(all, scope, Self::falsity, or)?,
            Cond::Or(all) => self.joined(all, scope, Self::falsity, and)?,
            Cond::Not(inner) => self.truth(inner, scope)?,
            Cond::If(condition, then, otherwise) => {
                let first = and(self.truth(condition, scope)?, self.falsity(then, scope)?);
                match **otherwise {
                    Cond::Unknown | Cond::Known(true) => first,
                    _ => or(first, and(self.falsity(condition, scope)?, self.falsity(otherwise, scope)?)),
                }
            }
            Cond::Same(a, b) => {
                or(and(self.truth(a, scope)?, self.falsity(b, scope)?), and(self.falsity(a, scope)?, self.truth(b, scope)?))
            }
            // These are never unknown.
            Cond::Determined(_) | Cond::Has(_) => not(self.truth(cond, scope)?),
            Cond::Exists(rows, body) => self.lifted(cond, scope, |scope| {
                let each = self.rows(rows, scope, |inner| Ok(cust("$1 IS NOT TRUE", [self.falsity(body, inner)?])))?;
                Ok(Expr::not_exists(each))
            })?,
            leaf => self.lifted(leaf, scope, |scope| self.leaf(leaf, false, scope))?,
        })
    }

    fn joined(
        &self,
        all: &[Cond],
        scope: &Scope,
        side: fn(&Self, &Cond, &Scope) -> Result<Expr>,
        join: fn(Expr, Expr) -> Expr,
    ) -> Result<Expr> {
        let mut parts = all.iter().map(|each| side(self, each, scope));
        let first = parts.next().unwrap_or_else(|| refuse("a junction of nothing"))?;
        parts.try_fold(first, |joined, part| Ok(join(joined, part?)))
    }
}
