//! From a plan's operands to the typed form.

mod built;
mod equality;
mod lists;
mod names;
mod operators;
mod scalars;

use crate::{
    Result, deeper,
    form::{Cond, Rows, Term, Var},
    mapping::Resource,
    operand::{Literal, Operand},
    refuse,
};
use built::Built;
use lists::List;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

/// The most parts that a plan may become; one that unrolls further is refused.
const LIMIT: usize = 50_000;

/// The condition, and the bindings of the links that it follows.
pub fn condition(operand: &Operand, resource: &'static Resource, principal: &Literal) -> Result<(Cond, BTreeSet<&'static str>)> {
    let builder = Builder { resource, principal, rows: Cell::new(1), built: Cell::new(0), bound: RefCell::default() };
    let cond = builder.build(operand, &Scope::default())?.condition()?;
    Ok((cond, builder.bound.into_inner()))
}

struct Builder<'a> {
    resource: &'static Resource,
    principal: &'a Literal,
    rows: Cell<usize>,
    built: Cell<usize>,
    bound: RefCell<BTreeSet<&'static str>>,
}

/// The meanings of the lambdas' variables, and the lists that are open.
#[derive(Default, Clone)]
struct Scope {
    names: Vec<(String, Built)>,
    open: Vec<Var>,
}

impl Scope {
    fn with(&self, name: &str, built: Built) -> Scope {
        let mut scope = self.clone();
        scope.names.push((name.to_owned(), built));
        scope
    }

    /// The scope inside a list. A list's rows are bound once at a time, so the same list cannot be opened anew inside.
    fn opening(&self, rows: &Rows) -> Result<Scope> {
        if self.open.contains(&rows.var) {
            return refuse("a list inside itself");
        }
        let mut scope = self.clone();
        scope.open.push(rows.var);
        Ok(scope)
    }
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

    /// Counts a part: lambdas over literals, and choices, multiply parts.
    fn spend(&self) -> Result<()> {
        self.built.set(self.built.get() + 1);
        if self.built.get() > LIMIT { refuse(format!("a plan of more than {LIMIT} parts")) } else { Ok(()) }
    }

    /// A refusal with the name of the innermost operator.
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
}
