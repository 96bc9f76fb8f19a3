//! Time and chance are arguments: no code below reads the ambient ones.

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> DateTime<Utc>;
}

pub trait Chance: Send + Sync + 'static {
    /// A fresh id that sorts by `now`.
    fn id(&self, now: DateTime<Utc>) -> Uuid;
}

#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the ambient clock")]
    /// The current time, as fine as PostgreSQL stores it.
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

#[derive(Debug, Default)]
pub struct RandomIds;

impl Chance for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws ambient randomness for ids")]
    fn id(&self, now: DateTime<Utc>) -> Uuid {
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()))
    }
}
