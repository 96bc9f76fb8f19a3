//! The agreement of the gateway's clock with the database's. Rights have terms, outcomes expire and deadlines come by the gateway's
//! clock: if it is wrong, nothing of that is done, and nobody is served.

use crate::{Error, Result};
use chrono::{DateTime, Utc};
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

pub struct Drift {
    /// The most that the clocks may differ by. None: they are not compared, where a test sets one of them.
    bound: Option<Duration>,
    off: AtomicBool,
}

impl Drift {
    pub fn within(bound: Option<Duration>) -> Drift {
        Drift { bound, off: AtomicBool::new(false) }
    }

    /// Whether the clocks are compared.
    pub fn watched(&self) -> bool {
        self.bound.is_some()
    }

    /// Compares the database's time with the gateway's before and after it was asked.
    pub fn compare(&self, before: DateTime<Utc>, theirs: DateTime<Utc>, after: DateTime<Utc>) -> Result<()> {
        let Some(bound) = self.bound else { return Ok(()) };
        let ahead = before - theirs;
        let behind = theirs - after;
        let off = [ahead, behind].into_iter().any(|by| by.to_std().is_ok_and(|by| by > bound));
        if self.off.swap(off, Relaxed) != off {
            let seconds = if ahead > behind { ahead.num_seconds() } else { -behind.num_seconds() };
            if off {
                tracing::error!(seconds, "the clock is ahead of the database's by this: nobody is served until they agree");
            } else {
                tracing::warn!("the clock agrees with the database's again");
            }
        }
        self.ensure()
    }

    /// Refuses work while the clocks disagree.
    pub fn ensure(&self) -> Result<()> {
        if self.off.load(Relaxed) {
            return Err(Error::unavailable("the clock differs from the database's"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_agree_within_a_bound() {
        let drift = Drift::within(Some(Duration::from_secs(5)));
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time");
        for (before, theirs, after, agree) in [
            (0, 0, 0, true),
            (0, 5, 0, true),
            (0, 6, 0, false),
            (0, 9, 4, true),
            (6, 0, 6, false),
            (5, 0, 60, true),
            (40 * 86_400, 0, 40 * 86_400, false),
            (-200 * 86_400, 0, -200 * 86_400, false),
        ] {
            assert_eq!(drift.compare(at(before), at(theirs), at(after)).is_ok(), agree, "{before} {theirs} {after}");
            assert_eq!(drift.ensure().is_ok(), agree);
        }
        assert!(Drift::within(None).compare(at(0), at(100), at(0)).is_ok());
    }
}
