//! Cerbos query plans as SQL conditions, and as an evaluator over loaded rows.
//!
//! A plan says which resources a principal may act on, as an expression over their attributes. This
//! crate turns it into a typed form ([`Cond`]) with the help of a [`Resource`], which declares where
//! each attribute is stored. Two backends read that form: [`sql`] makes a condition for PostgreSQL,
//! [`eval`] decides on one resource in memory. Both answer what the PDP's own check would answer.
//!
//! The policy language knows three values: true, false and error. A missing attribute is an error;
//! an error is absorbed by `false &&` and `true ||`, stays an error under `!`, and denies. The typed
//! form keeps all three, everywhere.
//!
//! Unknown operators and variables are refused by their names, and so are uses of an attribute that SQL would answer otherwise.
//! Nothing is ever guessed, and nothing unknown ever allows.

mod build;
mod eval;
mod form;
mod mapping;
mod operand;
mod sql;
#[cfg(test)]
mod tests;

pub use form::{ColumnPath, Cond, Field, Op, Rows, Term, TextOp, Var};
pub use mapping::{Attribute, Elements, Hop, Link, Null, Of, Record, Resource, Scalar, ScalarType};
pub use operand::{Filter, Literal, Operand, Plan};
pub use sql::Bindings;

use chrono::{DateTime, Utc};
use std::{collections::BTreeSet, fmt};

/// The reason why a plan could not be translated: an operator, variable or use that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Refused {}

pub type Result<T> = std::result::Result<T, Refused>;

pub(crate) fn refuse<T>(what: impl Into<String>) -> Result<T> {
    Err(Refused(what.into()))
}

/// Runs a step of a walk through a plan with all the stack that it needs: plans nest as deep as their author pleases.
pub(crate) fn deeper<T>(walk: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(256 * 1024, 1024 * 1024, walk)
}

/// A plan in its typed form, for one kind of resource.
#[derive(Debug, Clone)]
pub struct Rule {
    cond: Cond,
    bound: BTreeSet<&'static str>,
}

impl Rule {
    /// Reads a plan by the resource's declarations. The principal, `{"id", "roles", "attr"}`, is the one that the plan was made
    /// for.
    pub fn new(plan: &Plan, resource: &'static Resource, principal: &Literal) -> Result<Rule> {
        let (cond, bound) = match (plan.kind, &plan.condition) {
            (Filter::AlwaysAllowed, None) => (Cond::Known(true), BTreeSet::new()),
            (Filter::AlwaysDenied, None) => (Cond::Known(false), BTreeSet::new()),
            (Filter::Conditional, Some(condition)) => build::condition(condition, resource, principal)?,
            (kind, _) => return refuse(format!("a plan {kind:?} that has, or lacks, a condition")),
        };
        Ok(Rule { cond, bound })
    }

    /// Whether the rule looks at rows that are bound to this value. Its condition is then another one for another value.
    pub fn looks_by(&self, binding: &str) -> bool {
        self.bound.contains(binding)
    }

    pub fn cond(&self) -> &Cond {
        &self.cond
    }

    /// The rule as a condition on a row of the resource's table, which the query calls `alias`.
    pub fn condition(&self, alias: &str, bindings: &Bindings) -> Result<sea_query::Expr> {
        sql::condition(&self.cond, alias, bindings)
    }

    /// Whether the resource `{"id": …, "attr": {…}}`, as a check would be sent it, is allowed.
    pub fn allows(&self, resource: &serde_json::Value, now: DateTime<Utc>) -> bool {
        eval::allows(&self.cond, resource, now)
    }
}
