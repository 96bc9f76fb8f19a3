//! A cache of recent results, in two generations: the newest, and those before them.

use std::{collections::HashMap, hash::Hash};

pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    /// A cache that keeps at least the last `most` results, and at most twice as many.
    pub fn new(most: usize) -> Self {
        Recent { young: HashMap::new(), old: HashMap::new(), most }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_kept() {
        let mut recent = Recent::new(3);
        for n in 0..10_u32 {
            recent.put(n, n * n);
            assert!((n.saturating_sub(2)..=n).all(|known| recent.get(&known) == Some(&(known * known))), "{n}");
            assert!(recent.young.len() + recent.old.len() <= 6);
        }
        assert_eq!(recent.get(&0), None);
    }
}
