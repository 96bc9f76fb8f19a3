//! A bounded store that evicts one entry at a time. A hand goes round the entries and evicts the first one that was not asked for
//! since the hand last came by. So entries in use stay, however many others are asked for once.

use std::{collections::HashMap, hash::Hash};

pub struct Ring<K, V> {
    most: usize,
    places: HashMap<K, usize>,
    slots: Vec<Slot<K, V>>,
    hand: usize,
}

struct Slot<K, V> {
    key: K,
    value: V,
    /// Whether the entry was asked for again since the hand came by.
    used: bool,
}

impl<K: Clone + Eq + Hash, V: Clone> Ring<K, V> {
    pub fn new(most: usize) -> Self {
        Ring { most, places: HashMap::new(), slots: Vec::new(), hand: 0 }
    }

    pub fn clear(&mut self) {
        *self = Ring::new(self.most);
    }

    /// The value of this key, made now if it is not kept.
    pub fn of(&mut self, key: K, make: impl FnOnce(&K) -> V) -> V {
        if let Some(place) = self.places.get(&key) {
            let slot = &mut self.slots[*place];
            slot.used = true;
            return slot.value.clone();
        }
        let value = make(&key);
        let slot = Slot { key: key.clone(), value: value.clone(), used: false };
        if self.slots.len() < self.most {
            self.places.insert(key, self.slots.len());
            self.slots.push(slot);
            return value;
        }
        while std::mem::take(&mut self.slots[self.hand].used) {
            self.hand = (self.hand + 1) % self.most;
        }
        let gone = std::mem::replace(&mut self.slots[self.hand], slot);
        self.places.remove(&gone.key);
        self.places.insert(key, self.hand);
        self.hand = (self.hand + 1) % self.most;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_flood_evicts_one_at_a_time_and_nobody_who_comes_again() {
        let mut ring = Ring::new(100);
        let made = Cell::new(0);
        let ask = |ring: &mut Ring<usize, usize>, key: usize| {
            ring.of(key, |key| {
                made.set(made.get() + 1);
                *key
            })
        };
        let regulars: Vec<usize> = (0..20).collect();
        for key in regulars.iter().chain(&regulars) {
            assert_eq!(ask(&mut ring, *key), *key);
        }
        for stranger in 1_000..11_000 {
            ask(&mut ring, stranger);
            // Each of the regulars comes again once in twenty strangers.
            ask(&mut ring, regulars[stranger % regulars.len()]);
            assert_eq!((ring.slots.len(), ring.places.len()), ((stranger - 979).min(100), (stranger - 979).min(100)));
        }
        assert_eq!(made.get(), 10_020, "a regular was let go of");
        // The last strangers are there: only one goes for each that comes.
        for stranger in 10_925..11_000 {
            ask(&mut ring, stranger);
        }
        assert_eq!(made.get(), 10_020);
    }
}
