//! Equal keys take turns in this process, before they take a connection: a hundred equal calls
//! cost one insert and ninety-nine cheap reads.

use crate::OrganizationId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

type Key = (OrganizationId, &'static str, Uuid);

#[derive(Default)]
pub struct Flights(Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>);

pub struct Turn {
    flights: Arc<Flights>,
    key: Key,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Flights {
    /// The turn of a key. None if others had not finished within the limit.
    pub async fn turn(self: &Arc<Self>, key: Key, limit: Duration) -> Option<Turn> {
        let lane = {
            let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match lanes.get(&key).and_then(Weak::upgrade) {
                Some(lane) => lane,
                None => {
                    let lane = Arc::new(tokio::sync::Mutex::new(()));
                    lanes.insert(key, Arc::downgrade(&lane));
                    lane
                }
            }
        };
        let guard = tokio::time::timeout(limit, lane.lock_owned()).await.ok()?;
        Some(Turn { flights: Arc::clone(self), key, guard: Some(guard) })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard.take();
        let mut lanes = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.get(&self.key).is_some_and(|lane| lane.strong_count() == 0) {
            lanes.remove(&self.key);
        }
    }
}
