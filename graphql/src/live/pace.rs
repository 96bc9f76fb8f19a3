//! The pace at which the subscribers of an organization are told something. One event wakes all of them: ten thousand that ran at once
//! would hold up every request. Nobody holds anything while they wait, so that a client who reads slowly keeps nobody waiting.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The time between two subscribers of one organization: some of a core is left for all others.
const BETWEEN: Duration = Duration::from_micros(50);
/// A wait that is shorter than this is none: so many are told at once.
const SHORT: Duration = Duration::from_millis(2);

/// The next free moment of an organization.
#[derive(Default)]
pub struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Waits until the next subscriber may be told something.
    pub async fn keep(&self) {
        let now = Instant::now();
        let mine = {
            let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = next.filter(|next| *next > now).unwrap_or(now);
            *next = Some(mine + BETWEEN);
            mine
        };
        if mine > now + SHORT {
            tokio::time::sleep_until(mine).await;
        }
    }
}

/// The paces of the organizations that have subscribers.
#[derive(Clone, Default)]
pub struct Paces(Arc<Mutex<HashMap<Uuid, Weak<Pace>>>>);

impl Paces {
    pub fn of(&self, organization: Uuid) -> Arc<Pace> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pace) = all.get(&organization).and_then(Weak::upgrade) {
            return pace;
        }
        all.retain(|_, pace| pace.strong_count() > 0);
        let pace = Arc::default();
        all.insert(organization, Arc::downgrade(&pace));
        pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_crowd_is_told_one_after_the_other_and_others_at_once() {
        let paces = Paces::default();
        let (crowd, quiet) = (paces.of(Uuid::from_u128(1)), paces.of(Uuid::from_u128(2)));
        let began = Instant::now();
        let mut all = Box::pin(futures_util::future::join_all((0..2_000).map(|_| crowd.keep())));
        assert!((&mut all).now_or_never().is_none(), "most of the crowd waits");
        assert!(quiet.keep().now_or_never().is_some(), "the other is told at once");
        all.await;
        assert!(began.elapsed() >= BETWEEN * 2_000 - SHORT);
        drop(crowd);
        paces.of(Uuid::from_u128(3));
        assert_eq!(paces.0.lock().expect("no panic holds it").len(), 2);
    }
}
