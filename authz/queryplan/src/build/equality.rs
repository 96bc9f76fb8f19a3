//! Equality, which any two values have, and order, which some have.

use super::{Builder, Built, Scope, lists::List, scalars::moved};
use crate::{
    Result,
    form::{Cond, Field, Kind, Op, Term},
    mapping::Null,
    refuse,
};

impl Builder<'_> {
    /// Equality as a policy writes it. A comparison of a value that may be missing with one that may be null is refused: it could
    /// be decided, but was hardly meant as it is written.
    pub(super) fn told_apart(&self, a: Built, b: Built, scope: &Scope) -> Result<Cond> {
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

    pub(super) fn equal(&self, a: Built, b: Built, scope: &Scope) -> Result<Cond> {
        Ok(match (a, b) {
            (Built::Null, Built::Null) => Cond::Known(true),
            (Built::Null, Built::Term(term)) | (Built::Term(term), Built::Null) => match &term {
                term if term.nullable() => Cond::Null(term.clone()),
                term => Cond::Known(false).given(Cond::has(term)),
            },
            (Built::Null, other @ (Built::Cond(_) | Built::Bool(_) | Built::Span(_) | Built::List(_)))
            | (other @ (Built::Cond(_) | Built::Bool(_) | Built::Span(_) | Built::List(_)), Built::Null) => {
                Cond::Known(false).given(other.has()?)
            }
            (Built::Term(a), Built::Term(b)) => equal_terms(a, b)?,
            (a @ (Built::Cond(_) | Built::Bool(_)), b) | (a, b @ (Built::Cond(_) | Built::Bool(_))) => {
                self.equal_conditions(a, b)?
            }
            (a @ (Built::Gap(..) | Built::Span(_)), b @ (Built::Gap(..) | Built::Span(_))) => return ordered(Op::Eq, a, b),
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
        let known = Cond::and([a.has()?, b.has()?]);
        let same = Cond::same(a.condition()?, b.condition()?);
        let known = if guards.is_empty() { Cond::Known(true) } else { known };
        Ok(Cond::and(guards.into_iter().chain([same])).given(known))
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
        let mut all =
            vec![self.size(rows.clone())?.each(&mut |size| ordered(Op::Eq, size, length.clone()).map(Built::Cond))?.condition()?];
        for (index, (_, item)) in items.into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a plan's list is shorter than 2^52")]
            let at = self.at(Built::List(rows.clone()), Built::Term(Term::Number(index as f64)))?;
            all.push(self.equal_each(at, item, scope)?);
        }
        Ok(Cond::and(all).given(items_sound))
    }
}

pub fn ordered(op: Op, a: Built, b: Built) -> Result<Cond> {
    use Built::{Gap, Span};
    let time = |op, a: Term, b: Term| Ok(Cond::Compare(op, a, b));
    match (a, b) {
        (Built::Term(a), Built::Term(b)) => compare(op, a, b),
        (Span(a), Span(b)) => Ok(Cond::Known(op.holds(a.cmp(&b)))),
        // a - b < d  ⇔  a < b + d
        (Gap(a, b), Span(d)) => match moved(b, d)? {
            Term::Time(limit) => compare(op, a, Term::Time(limit)),
            limit => match a {
                // Literals may be finer than stored times, so the stored side stays as it is.
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
        (Span(d), Gap(a, b)) => ordered(op.mirrored(), Gap(a, b), Span(d)),
        (a, b) => refuse(format!("the order of {} and {}", a.name(), b.name())),
    }
}

fn path_of(field: &Field) -> String {
    field.place.names.join(".")
}

fn numeric(kind: Kind) -> bool {
    matches!(kind, Kind::Number | Kind::Double | Kind::Whole)
}

fn comparable(a: Kind, b: Kind) -> bool {
    a == b && matches!(a, Kind::Text | Kind::Time) || numeric(a) && numeric(b)
}

/// A comparison, with a literal to the right.
pub fn compare(op: Op, a: Term, b: Term) -> Result<Cond> {
    let literal = |term: &Term| matches!(term, Term::Text(_) | Term::Number(_) | Term::Time(_));
    if !comparable(a.kind(), b.kind()) {
        return refuse(format!("a comparison of {} with {}", Built::Term(a.clone()).name(), Built::Term(b.clone()).name()));
    }
    for (one, other) in [(&a, &b), (&b, &a)] {
        if let (Kind::Whole, Term::Number(number)) = (one.kind(), other)
            && number.abs() >= 9_007_199_254_740_992.0
        {
            return refuse("a whole number that a plan does not tell exactly");
        }
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
        let same = Cond::same(Cond::Flag(x.clone()), Cond::Flag(y.clone()));
        return nulls(a, b, same);
    }
    if !comparable(ka, kb) {
        return Ok(Cond::Known(false).given(Cond::and([Cond::has(&a), Cond::has(&b)])));
    }
    let same = compare(Op::Eq, a.clone(), b.clone())?;
    nulls(a, b, same)
}

/// The equality of two terms that may be null, around the equality of their values.
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
