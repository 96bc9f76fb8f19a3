//! The rows that a condition refers to: their aliases, and the joins that lead to them.

use super::Sql;
use crate::{
    Result,
    form::{ColumnPath, Cond, Rows, Term, Var},
    mapping::Link,
    refuse,
};
use sea_query::{Alias, Expr, ExprTrait, IntoIden, Query, SelectStatement};

/// The aliases of rows, and of the rows that to-one relations lead to.
#[derive(Clone)]
pub struct Scope {
    rows: Vec<(Var, String)>,
    hops: Vec<(Var, Vec<*const Link>, String)>,
}

impl Scope {
    pub fn of(alias: &str) -> Scope {
        Scope { rows: vec![(Var(0), alias.to_owned())], hops: Vec::new() }
    }

    pub fn alias(&self, var: Var, hops: &[&'static Link]) -> Result<&str> {
        let way: Vec<*const Link> = hops.iter().map(|link| std::ptr::from_ref(*link)).collect();
        let found = if way.is_empty() {
            self.rows.iter().find(|(known, _)| *known == var).map(|(_, alias)| alias)
        } else {
            self.hops.iter().find(|(known, hops, _)| *known == var && *hops == way).map(|(_, _, alias)| alias)
        };
        found.map_or_else(|| refuse("a row that is not in scope"), |alias| Ok(alias.as_str()))
    }
}

impl Sql<'_> {
    fn alias(&self) -> String {
        self.next.set(self.next.get() + 1);
        format!("q{}", self.next.get())
    }

    /// A leaf, within the rows that its to-one relations lead to. Where such a row is missing, the expression is not TRUE from
    /// either side.
    pub(super) fn lifted(&self, leaf: &Cond, scope: &Scope, say: impl FnOnce(&Scope) -> Result<Expr>) -> Result<Expr> {
        let mut places = Vec::new();
        places_of(leaf, &mut places);
        let mut inner = scope.clone();
        let mut select: Option<SelectStatement> = None;
        for place in places {
            for length in 1..=place.hops.len() {
                let way: Vec<*const Link> = place.hops[..length].iter().map(|link| std::ptr::from_ref(*link)).collect();
                if inner.hops.iter().any(|(var, known, _)| *var == place.var && *known == way) {
                    continue;
                }
                let from = inner.alias(place.var, &place.hops[..length - 1])?.to_owned();
                let alias = self.alias();
                let select = select.get_or_insert_with(one);
                self.follow(select, &from, place.hops[length - 1], &alias)?;
                inner.hops.push((place.var, way, alias));
            }
        }
        let said = say(&inner)?;
        Ok(match select {
            None => said,
            Some(mut select) => Expr::exists(select.and_where(said).take()),
        })
    }

    /// Joins the tables of a link to a selection.
    fn follow(&self, select: &mut SelectStatement, from: &str, link: &'static Link, alias: &str) -> Result<()> {
        let mut before = from.to_owned();
        let hops = link.through.iter().map(|hop| (hop.table, hop.on, self.alias()));
        let hops: Vec<_> = hops.chain([(link.to.table, link.on, alias.to_owned())]).collect();
        for (table, on, name) in hops {
            select.from_as(Alias::new(table), Alias::new(name.clone()));
            for (mine, theirs) in on {
                select.and_where(column(&before, mine).eq(column(&name, theirs)));
            }
            before = name;
        }
        for (mine, binding) in link.bound {
            select.and_where(column(alias, mine).eq(self.binding(binding)?));
        }
        Ok(())
    }

    pub(super) fn rows(&self, rows: &Rows, scope: &Scope, test: impl FnOnce(&Scope) -> Result<Expr>) -> Result<SelectStatement> {
        let from = scope.alias(rows.place.var, &rows.place.hops)?.to_owned();
        let alias = self.alias();
        let mut select = one();
        self.follow(&mut select, &from, rows.link, &alias)?;
        let mut inner = scope.clone();
        // The same list may be open further out. Inside, its rows are the inner ones.
        inner.rows.retain(|(var, _)| *var != rows.var);
        inner.hops.retain(|(var, _, _)| *var != rows.var);
        inner.rows.push((rows.var, alias));
        select.and_where(test(&inner)?);
        Ok(select)
    }
}

/// The paths that a leaf itself refers to, without those in the conditions below it.
fn places_of<'a>(leaf: &'a Cond, into: &mut Vec<&'a ColumnPath>) {
    match leaf {
        Cond::Has(term) | Cond::Null(term) | Cond::OneOf(term, _) => places_in(term, into),
        Cond::Compare(_, a, b) | Cond::Text(_, a, b) => {
            places_in(a, into);
            places_in(b, into);
        }
        Cond::Flag(field) => into.push(&field.place),
        Cond::Exists(rows, _) => into.push(&rows.place),
        Cond::Known(_)
        | Cond::Unknown
        | Cond::And(_)
        | Cond::Or(_)
        | Cond::Not(_)
        | Cond::If(..)
        | Cond::Same(..)
        | Cond::Determined(_) => {}
    }
}

fn places_in<'a>(term: &'a Term, into: &mut Vec<&'a ColumnPath>) {
    match term {
        Term::Field(field) | Term::Instant(field) | Term::Whole(field) => into.push(&field.place),
        Term::Count(rows, _) | Term::At { rows, .. } => into.push(&rows.place),
        Term::Concat(a, b) | Term::Math(_, _, a, b) => {
            places_in(a, into);
            places_in(b, into);
        }
        Term::Lower(a) | Term::Upper(a) | Term::Length(a) | Term::Double(a) | Term::Digits(a) => places_in(a, into),
        Term::Moved(a, _) | Term::Part(_, a) => places_in(a, into),
        Term::Text(_) | Term::Number(_) | Term::Time(_) | Term::Now | Term::Tally(_) => {}
    }
}

fn one() -> SelectStatement {
    Query::select().expr(Expr::cust("1")).take()
}

pub fn column(alias: &str, name: &str) -> Expr {
    Expr::col((Alias::new(alias).into_iden(), Alias::new(name).into_iden()))
}
