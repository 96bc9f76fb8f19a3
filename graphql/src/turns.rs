//! A limit on the work for subscribers at a time, so that requests find connections. One organization takes no more than its
//! share, so that nobody waits for a neighbour.

use schema::{Error, OrganizationId, Result};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub struct Turns {
    all: Arc<Semaphore>,
    share: usize,
    each: Mutex<HashMap<OrganizationId, Weak<Semaphore>>>,
}

/// The permit to work, held for as long as the work takes.
pub struct Turn(#[expect(dead_code, reason = "they are held")] [OwnedSemaphorePermit; 2]);

impl Turns {
    pub fn new(many: usize) -> Turns {
        Turns { all: Arc::new(Semaphore::new(many)), share: many.div_ceil(2), each: Mutex::default() }
    }

    pub async fn take(&self, organization: OrganizationId) -> Result<Turn> {
        // The organization's own permit comes first: while waiting for it, no permit is kept from others.
        let own = self.of(organization).acquire_owned().await.map_err(Error::internal)?;
        let all = Arc::clone(&self.all).acquire_owned().await.map_err(Error::internal)?;
        Ok(Turn([own, all]))
    }

    fn of(&self, organization: OrganizationId) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = each.get(&organization).and_then(Weak::upgrade) {
            return known;
        }
        if each.len() >= 64 && each.len().is_power_of_two() {
            each.retain(|_, held| held.strong_count() > 0);
        }
        let own = Arc::new(Semaphore::new(self.share));
        each.insert(organization, Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use uuid::Uuid;

    #[test]
    fn nobody_takes_all_turns() {
        let turns = Turns::new(4);
        let (one, other) = (OrganizationId(Uuid::from_u128(1)), OrganizationId(Uuid::from_u128(2)));
        let taken: Vec<_> = (0..10).filter_map(|_| turns.take(one).now_or_never()).collect();
        assert_eq!(taken.len(), 2);
        assert!(turns.take(other).now_or_never().is_some());
        drop(taken);
        assert!(turns.take(one).now_or_never().is_some());
    }
}
