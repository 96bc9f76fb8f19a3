//! Terms: from when until when a row counts, and who ended it, when and why.

use crate::{Kind, row::ActiveOf};
use schema::{Error, PrincipalId, Result, Time};

/// A row's term, as far as the row says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    pub starts_at: Time,
    pub ends_at: Option<Time>,
    /// Whether the end was noted: by somebody before its time, or by the gateway at that time.
    pub ended: bool,
}

impl Term {
    /// The term of a new row.
    pub fn of(starts_at: Time, ends_at: Option<Time>) -> Self {
        Term { starts_at, ends_at, ended: false }
    }

    /// Whether the last moment has passed, noted or not.
    pub fn over(&self, now: Time) -> bool {
        self.ends_at.is_some_and(|ends| ends <= now)
    }

    /// Whether the term is neither over nor ended. It may begin later.
    pub fn open(&self, now: Time) -> bool {
        !self.ended && !self.over(now)
    }

    /// Whether the term can end at a time: later than now, and later than it begins.
    pub fn can_end(&self, then: Time, now: Time) -> bool {
        then > self.starts_at.max(now)
    }

    /// Refuses a term that is over before it begins, or by now.
    pub fn ensure_ahead(&self, now: Time) -> Result<()> {
        if self.ends_at.is_none_or(|ends| self.can_end(ends, now)) {
            return Ok(());
        }
        Err(Error::invalid("endsAt", "TOO_EARLY", "must be later than now and than startsAt"))
    }
}

/// A kind whose rows count for a term, which somebody may end before its time. `#[kind]` writes it where the columns are.
pub trait Termed: Kind {
    /// The enum of its column `state`; `()` where it has none.
    type State: Send;
    /// The column by which clients see that it was ended.
    const ENDED: &'static str;

    fn term(&self) -> Term;
    fn end(active: &mut ActiveOf<Self>, state: Self::State, by: PrincipalId, why: Option<String>, now: Time);
}

#[cfg(test)]
mod tests {
    use super::Term;
    use schema::Time;

    fn at(second: i64) -> Time {
        chrono::DateTime::from_timestamp(second, 0).expect("a time").into()
    }

    #[test]
    fn a_term_counts_to_before_its_last_moment() {
        let term = Term::of(at(10), Some(at(20)));
        let said = |term: Term| [9, 10, 19, 20].map(|now| (term.open(at(now)), term.over(at(now))));
        assert_eq!(said(term), [(true, false), (true, false), (true, false), (false, true)]);
        assert_eq!(said(Term { ended: true, ..term }), [(false, false), (false, false), (false, false), (false, true)]);
        let endless = Term::of(at(10), None);
        assert!(endless.open(at(10_000)) && !endless.over(at(10_000)));
    }

    #[test]
    fn a_term_ends_later_than_now_and_than_it_begins() {
        for (then, now, can) in [(10, 5, false), (11, 5, true), (15, 15, false), (16, 15, true)] {
            let term = Term::of(at(10), Some(at(then)));
            assert_eq!(term.can_end(at(then), at(now)), can);
            let refused = term.ensure_ahead(at(now)).err();
            let codes = refused.map(|error| error.field_errors().iter().map(|error| error.code).collect::<Vec<_>>());
            assert_eq!(codes, (!can).then(|| vec![schema::FieldCode::TooEarly]));
        }
        assert!(Term::of(at(10), None).ensure_ahead(at(15)).is_ok());
    }
}
