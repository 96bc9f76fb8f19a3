//! Lists: stored rows or literal items, after the filters and maps on them.

use super::{Builder, Built, Scope, equality::ordered};
use crate::{
    Result,
    form::{Cond, Kind, Op, Rows, Term},
    refuse,
};

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there are few, and only while a plan is read")]
pub enum List {
    Rows {
        rows: Rows,
        /// The condition of the rows that filters keep.
        included: Cond,
        /// A condition on every row. Where it is not true for a row, the list itself is an error.
        sound: Cond,
        element: Box<Built>,
        /// Whether only the elements are known, and not how often each is in the list.
        vague: bool,
    },
    Items {
        items: Vec<(Cond, Built)>,
        sound: Cond,
        vague: bool,
    },
}

impl Builder<'_> {
    /// The condition that a test is true for one element.
    pub(super) fn any(&self, of: &List, scope: &Scope, test: &dyn Fn(Built, &Scope) -> Result<Cond>) -> Result<Cond> {
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

    /// The list of the elements that pass a test. An error for one element is an error of the whole.
    pub(super) fn filter(&self, of: List, scope: &Scope, test: &dyn Fn(Built, &Scope) -> Result<Cond>) -> Result<List> {
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

    pub(super) fn map(&self, of: List, scope: &Scope, make: &dyn Fn(Built, &Scope) -> Result<Built>) -> Result<List> {
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

    pub(super) fn size(&self, of: List) -> Result<Built> {
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

    pub(super) fn at(&self, of: Built, at: Built) -> Result<Built> {
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
                let within = ordered(
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

    /// The condition that a value is an element. Other types are merely unequal.
    pub(super) fn among(&self, value: Built, of: List, scope: &Scope) -> Result<Cond> {
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

    pub(super) fn equal_each(&self, a: Built, b: Built, scope: &Scope) -> Result<Cond> {
        a.each(&mut |a| b.clone().each(&mut |b| self.equal(a.clone(), b, scope).map(Built::Cond)))?.condition()
    }
}

impl List {
    pub fn vague(mut self) -> List {
        match &mut self {
            List::Rows { vague, .. } | List::Items { vague, .. } => *vague = true,
        }
        self
    }
}

pub fn all_sound(rows: &Rows, sound: &Cond) -> Cond {
    match sound {
        Cond::Known(true) => Cond::Known(true),
        sound => Cond::exists(rows.clone(), sound.clone().negated()).negated(),
    }
}

/// A list without numbers; one with numbers is refused. The PDP tells 1 from 1.0 where lists are long, and a plan does not.
pub fn unnumbered(list: List) -> Result<List> {
    let number =
        |built: &Built| matches!(built, Built::Term(term) if matches!(term.kind(), Kind::Number | Kind::Double | Kind::Whole));
    let found = match &list {
        List::Rows { element, .. } => number(element),
        List::Items { items, .. } => items.iter().any(|(_, item)| number(item)),
    };
    if found { refuse("numbers") } else { Ok(list) }
}

pub fn list(built: Built) -> Result<List> {
    match built {
        Built::List(list) => Ok(list),
        other => refuse(format!("{} as a list", other.name())),
    }
}

/// The operand where a condition holds; else an error.
pub fn given(built: Built, sound: Cond) -> Built {
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
