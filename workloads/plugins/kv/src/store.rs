//! The data: a hash map in shards, with a time to live for each key and a bound on the memory.
//!
//! A key that has outlived its time is gone for every reader at once; its memory comes back when somebody asks for
//! it, when the keys are counted, or when memory runs out.
//!
//! Next file to read: `command.rs`.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const SHARDS: usize = 64;
/// What a key costs beside its bytes and those of its value, roughly.
pub(crate) const OVERHEAD: usize = 96;

/// A key's value and its last instant.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    pub(crate) expires: Option<Instant>,
}

impl Entry {
    fn is_alive(&self, now: Instant) -> bool {
        self.expires.is_none_or(|at| now < at)
    }

    /// What is left of its life; `None`: it lives until it is deleted.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        self.expires.map(|at| at.saturating_duration_since(now))
    }
}

type Map = HashMap<Box<[u8]>, Entry>;

/// There is no room for the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfMemory;

/// Keys and values. All methods take the present instant, so that a batch of commands reads the clock once.
#[derive(Debug)]
pub(crate) struct Store {
    shards: Box<[Mutex<Map>]>,
    /// All shards hash with one secret, made at start.
    hasher: RandomState,
    used: AtomicUsize,
    max_memory: usize,
}

/// A locked shard, with the accounts of the store.
pub(crate) struct Shard<'a> {
    map: MutexGuard<'a, Map>,
    used: &'a AtomicUsize,
    max_memory: usize,
    now: Instant,
}

impl Store {
    /// Nothing yet, and no more than so many bytes ever.
    pub(crate) fn new(max_memory: usize) -> Self {
        let hasher = RandomState::new();
        let shards = (0..SHARDS).map(|_| Mutex::new(Map::with_hasher(hasher.clone()))).collect();
        Self { shards, hasher, used: AtomicUsize::new(0), max_memory }
    }

    pub(crate) fn max_memory(&self) -> usize {
        self.max_memory
    }

    /// The memory of keys and values, roughly.
    pub(crate) fn used_memory(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The shard of a key, for one or several operations in one step.
    pub(crate) fn shard(&self, key: &[u8], now: Instant) -> Shard<'_> {
        // The map takes the low bits for the place and the highest for its tags.
        let place = (self.hasher.hash_one(key) >> 32) as usize % SHARDS;
        self.open(place, now)
    }

    fn open(&self, place: usize, now: Instant) -> Shard<'_> {
        let map = self.shards[place].lock().unwrap_or_else(PoisonError::into_inner);
        Shard { map, used: &self.used, max_memory: self.max_memory, now }
    }

    /// Sets a key; where memory has run out, tries once more without the keys that have outlived their time.
    pub(crate) fn set(&self, key: &[u8], entry: Entry, now: Instant) -> Result<(), OutOfMemory> {
        let bytes = Shard::cost(key, &entry.value);
        if self.used_memory().saturating_add(bytes) > self.max_memory {
            self.purge(now);
        }
        self.shard(key, now).set(key, entry)
    }

    /// How many keys are alive.
    pub(crate) fn len(&self, now: Instant) -> usize {
        self.purge(now);
        (0..SHARDS).map(|place| self.open(place, now).map.len()).sum()
    }

    /// Deletes all keys.
    pub(crate) fn clear(&self, now: Instant) {
        (0..SHARDS).for_each(|place| self.open(place, now).retain(|_| false));
    }

    /// Gives back the memory of keys that have outlived their time.
    fn purge(&self, now: Instant) {
        (0..SHARDS).for_each(|place| self.open(place, now).retain(|entry| entry.is_alive(now)));
    }
}

impl Shard<'_> {
    fn cost(key: &[u8], value: &[u8]) -> usize {
        key.len() + value.len() + OVERHEAD
    }

    /// The key's entry, if it is alive.
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&Entry> {
        if self.map.get(key).is_some_and(|entry| !entry.is_alive(self.now)) {
            self.remove(key);
        }
        self.map.get(key)
    }

    /// Sets a key, whatever it was.
    pub(crate) fn set(&mut self, key: &[u8], entry: Entry) -> Result<(), OutOfMemory> {
        let before = self.map.get(key).map_or(0, |old| Self::cost(key, &old.value));
        let after = Self::cost(key, &entry.value);
        // Another shard may fill up at the same time: the bound holds to within one value a thread.
        let used = self.used.load(Ordering::Relaxed).saturating_sub(before);
        if used.saturating_add(after) > self.max_memory {
            return Err(OutOfMemory);
        }
        match self.map.get_mut(key) {
            Some(old) => *old = entry,
            None => {
                self.map.insert(key.into(), entry);
            }
        }
        self.used.fetch_add(after, Ordering::Relaxed);
        self.used.fetch_sub(before, Ordering::Relaxed);
        Ok(())
    }

    /// Changes when the key ends. Whether it was there.
    pub(crate) fn expire(&mut self, key: &[u8], at: Option<Instant>) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        if let Some(entry) = self.map.get_mut(key) {
            entry.expires = at;
        }
        true
    }

    /// Deletes the key. Whether it was there and alive.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        let Some(old) = self.map.remove(key) else { return false };
        self.used.fetch_sub(Self::cost(key, &old.value), Ordering::Relaxed);
        old.is_alive(self.now)
    }

    fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        let used = self.used;
        self.map.retain(|key, entry| {
            let kept = keep(entry);
            if !kept {
                used.fetch_sub(Self::cost(key, &entry.value), Ordering::Relaxed);
            }
            kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &[u8], expires: Option<Instant>) -> Entry {
        Entry { value: value.to_vec(), expires }
    }

    #[test]
    fn a_key_that_has_outlived_its_time_is_gone_and_its_memory_back() {
        let (store, now) = (Store::new(1 << 20), Instant::now());
        let later = now + Duration::from_secs(5);
        store.set(b"short", entry(b"1", Some(later)), now).unwrap();
        store.set(b"long", entry(b"2", None), now).unwrap();
        assert_eq!(store.shard(b"short", now).get(b"short").unwrap().left(now), Some(Duration::from_secs(5)));
        assert!(store.shard(b"short", later).get(b"short").is_none());
        assert_eq!(store.used_memory(), Shard::cost(b"long", b"2"));
        assert!(!store.shard(b"short", later).expire(b"short", None));
        assert!(store.shard(b"long", later).expire(b"long", Some(later)));
        assert!(!store.shard(b"long", later).remove(b"long"), "no longer alive");
        assert_eq!(store.used_memory(), 0);
    }

    #[test]
    fn memory_has_a_bound_and_makes_room_of_the_dead_first() {
        let (store, now) = (Store::new(1000), Instant::now());
        let ends = now + Duration::from_secs(1);
        store.set(b"a", entry(&[0; 500], Some(ends)), now).unwrap();
        assert_eq!(store.set(b"b", entry(&[0; 500], None), now), Err(OutOfMemory));
        store.set(b"a", entry(&[1; 600], Some(ends)), now).unwrap();
        store.set(b"b", entry(&[0; 500], None), ends).unwrap();
        assert_eq!(store.len(ends), 1);
        assert_eq!(store.used_memory(), Shard::cost(b"b", &[0; 500]));
        store.clear(ends);
        assert_eq!((store.len(ends), store.used_memory()), (0, 0));
    }
}
