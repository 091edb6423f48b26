//! What is remembered for a while: a map that holds a bounded number of entries.
//!
//! Where it is full, a new entry takes the place of the oldest one, and of no other: a crowd of strangers costs those who
//! were here before one entry each, not all of them at once.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A bounded map.
#[derive(Debug, Clone)]
pub struct Cache<K, V> {
    most: usize,
    entries: HashMap<K, (u64, V)>,
    /// Keys by when they came.
    order: BTreeMap<u64, K>,
    next: u64,
}

impl<K: Clone + Eq + Hash, V> Cache<K, V> {
    /// A map of at most so many entries.
    pub fn new(most: usize) -> Self {
        Self { most, entries: HashMap::new(), order: BTreeMap::new(), next: 0 }
    }

    /// The value of a key.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// Remembers a value: it is the newest entry.
    pub fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.entries.len() >= self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.order.insert(self.next, key.clone());
        self.entries.insert(key, (self.next, value));
        self.next = self.next.wrapping_add(1);
    }

    /// Forgets a key.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some((at, _)) = self.entries.remove(key) {
            self.order.remove(&at);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_new_entry_takes_the_place_of_the_oldest_one_only() {
        let mut cache = Cache::new(3);
        for n in 0..3 {
            cache.insert(n, n);
        }
        cache.insert(0, 10);
        cache.insert(3, 3);
        assert_eq!(
            [cache.get(&0), cache.get(&1), cache.get(&2), cache.get(&3)],
            [Some(&10), None, Some(&2), Some(&3)]
        );
        cache.remove(&2);
        cache.insert(4, 4);
        assert_eq!(cache.len(), 3);
        assert!(cache.get(&0).is_some(), "there was room");
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_holds_the_newest(most in 1usize..8, keys in proptest::collection::vec((0u8..12, any::<bool>()), 0..60)) {
            let mut cache = Cache::new(most);
            for (key, removes) in keys {
                if removes { cache.remove(&key) } else { cache.insert(key, key) }
                prop_assert!(cache.len() <= most);
                prop_assert_eq!(cache.entries.len(), cache.order.len());
                prop_assert_eq!(cache.get(&key).is_some(), !removes);
            }
        }
    }
}
