//! Seats: how many of something one holder may have at a time, in this process.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

pub struct Seats<K> {
    most: usize,
    taken: Mutex<HashMap<K, Weak<()>>>,
}

/// One of them, until this is dropped.
pub struct Seat(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl<K: Hash + Eq> Seats<K> {
    pub fn new(most: usize) -> Seats<K> {
        Seats { most, taken: Mutex::default() }
    }

    /// A seat for one more, if one is left.
    pub fn sit(&self, holder: K) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let known = taken.get(&holder).and_then(Weak::upgrade);
        let seats = known.unwrap_or_else(|| {
            if taken.len() >= 64 && taken.len().is_power_of_two() {
                taken.retain(|_, seats| seats.strong_count() > 0);
            }
            let seats = Arc::new(());
            taken.insert(holder, Arc::downgrade(&seats));
            seats
        });
        // One count is this look's.
        (Arc::strong_count(&seats) <= self.most).then_some(Seat(seats))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_once_it_is_left() {
        let seats = Seats::new(2);
        let held: Vec<Seat> = (0..3).filter_map(|_| seats.sit("one")).collect();
        assert_eq!(held.len(), 2);
        assert!(seats.sit("other").is_some());
        drop(held);
        assert!(seats.sit("one").is_some());
    }
}
