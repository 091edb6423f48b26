//! The one bounded cache: a map whose entries weigh no more together than it allows, and may expire.
//!
//! A new entry takes the place of the oldest ones, and of no more than it needs: a crowd of strangers costs those who were
//! here before one entry each, not all of them at once. An expired entry stays readable until it is replaced, for callers
//! that prefer old news to none.

use std::borrow::Borrow;
use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A bounded map.
#[derive(Debug, Clone)]
pub struct Cache<K, V> {
    most: usize,
    weight: usize,
    entries: HashMap<K, Entry<V>>,
    /// Keys, the oldest first.
    order: BTreeMap<u64, K>,
    next: u64,
}

#[derive(Debug, Clone)]
struct Entry<V> {
    /// Its place in the order.
    at: u64,
    weight: usize,
    until: i64,
    value: V,
}

impl<K: Clone + Eq + Hash, V> Cache<K, V> {
    /// A cache whose entries together weigh at most `most`. An entry weighs 1 unless its insertion says otherwise.
    pub fn new(most: usize) -> Self {
        Self { most, weight: 0, entries: HashMap::new(), order: BTreeMap::new(), next: 0 }
    }

    /// The value of a key, expired or not.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// The value of a key, unless it has expired.
    pub fn fresh<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: i64) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).filter(|entry| now < entry.until).map(|entry| &entry.value)
    }

    /// The value of a key, which becomes the newest entry.
    pub fn touch<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.get_mut(key)?;
        if let Some(key) = self.order.remove(&entry.at) {
            entry.at = self.next;
            self.order.insert(self.next, key);
            self.next = self.next.wrapping_add(1);
        }
        Some(&mut entry.value)
    }

    /// The value of a key, which becomes the newest entry; `make` makes it if there is none.
    pub fn touch_or_insert(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if self.touch(&key).is_none() {
            self.make_room(1);
        }
        match self.entries.entry(key) {
            Slot::Occupied(known) => &mut known.into_mut().value,
            Slot::Vacant(free) => {
                let at = self.next;
                self.next = at.wrapping_add(1);
                self.weight = self.weight.saturating_add(1);
                self.order.insert(at, free.key().clone());
                &mut free.insert(Entry { at, weight: 1, until: i64::MAX, value: make() }).value
            }
        }
    }

    /// Stores a value that does not expire.
    pub fn insert(&mut self, key: K, value: V) {
        self.store(key, value, 1, i64::MAX);
    }

    /// Stores a value that expires at `until`.
    pub fn insert_until(&mut self, key: K, value: V, until: i64) {
        self.store(key, value, 1, until);
    }

    /// Stores a value that weighs so much. One that is heavier than the cache allows is its only entry.
    pub fn insert_weighing(&mut self, key: K, value: V, weight: usize) {
        self.store(key, value, weight, i64::MAX);
    }

    fn store(&mut self, key: K, value: V, weight: usize, until: i64) {
        self.remove(&key);
        self.make_room(weight);
        let at = self.next;
        self.next = at.wrapping_add(1);
        self.weight = self.weight.saturating_add(weight);
        self.order.insert(at, key.clone());
        self.entries.insert(key, Entry { at, weight, until, value });
    }

    fn make_room(&mut self, weight: usize) {
        while self.weight.saturating_add(weight) > self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            if let Some(entry) = self.entries.remove(&oldest) {
                self.weight = self.weight.saturating_sub(entry.weight);
            }
        }
    }

    /// Makes a key's value expire now.
    pub fn expire<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.until = i64::MIN;
        }
    }

    /// Removes a key.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.at);
            self.weight = self.weight.saturating_sub(entry.weight);
        }
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
        self.weight = 0;
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

    #[test]
    fn an_expired_entry_is_not_fresh_but_still_there() {
        let mut cache = Cache::new(2);
        cache.insert_until("a", 1, 100);
        cache.insert("b", 2);
        assert_eq!((cache.fresh("a", 99), cache.fresh("a", 100), cache.get("a")), (Some(&1), None, Some(&1)));
        assert_eq!(cache.fresh("b", i64::MAX - 1), Some(&2));
        cache.expire("b");
        assert_eq!((cache.fresh("b", i64::MIN), cache.get("b")), (None, Some(&2)));
    }

    #[test]
    fn what_is_used_stays_and_what_is_heavy_takes_the_place_of_several() {
        let mut cache = Cache::new(10);
        for n in 0..3 {
            cache.insert_weighing(n, n, 3);
        }
        assert_eq!(cache.touch(&0), Some(&mut 0));
        cache.insert_weighing(3, 3, 4);
        assert_eq!([0, 1, 2, 3].map(|n| cache.get(&n).is_some()), [true, false, true, true]);
        cache.insert_weighing(4, 4, 11);
        assert_eq!((cache.len(), cache.get(&4)), (1, Some(&4)), "it is heavier than all may be");
        assert_eq!(*cache.touch_or_insert(5, || 5), 5);
        assert_eq!((cache.len(), cache.get(&4), cache.weight), (1, None, 1));
    }

    #[derive(Debug, Clone)]
    enum Act {
        Insert(u8, usize),
        Touch(u8),
        TouchOrInsert(u8),
        Remove(u8),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0u8..12, 1usize..5).prop_map(|(key, weight)| Act::Insert(key, weight)),
            (0u8..12).prop_map(Act::Touch),
            (0u8..12).prop_map(Act::TouchOrInsert),
            (0u8..12).prop_map(Act::Remove),
        ]
    }

    proptest! {
        /// Against a plain list, the oldest first.
        #[test]
        fn it_is_bounded_and_holds_the_newest(most in 1usize..12, acts in proptest::collection::vec(act(), 0..60)) {
            let mut cache = Cache::new(most);
            let mut list: Vec<(u8, usize)> = Vec::new();
            for act in acts {
                let (key, weight) = match act {
                    Act::Insert(key, weight) => {
                        cache.insert_weighing(key, key, weight);
                        (key, Some(weight))
                    }
                    Act::Touch(key) => {
                        cache.touch(&key);
                        (key, list.iter().find(|one| one.0 == key).map(|one| one.1))
                    }
                    Act::TouchOrInsert(key) => {
                        cache.touch_or_insert(key, || key);
                        (key, Some(list.iter().find(|one| one.0 == key).map_or(1, |one| one.1)))
                    }
                    Act::Remove(key) => {
                        cache.remove(&key);
                        (key, None)
                    }
                };
                list.retain(|one| one.0 != key);
                if let Some(weight) = weight {
                    while !list.is_empty() && list.iter().map(|one| one.1).sum::<usize>() + weight > most {
                        list.remove(0);
                    }
                    list.push((key, weight));
                }
                let order: Vec<u8> = cache.order.values().copied().collect();
                prop_assert_eq!(order, list.iter().map(|one| one.0).collect::<Vec<_>>());
                prop_assert_eq!(cache.weight, list.iter().map(|one| one.1).sum::<usize>());
                prop_assert_eq!(cache.len(), list.len());
                prop_assert!(list.iter().all(|one| cache.get(&one.0) == Some(&one.0)));
            }
        }
    }
}
