//! What is kept, within a number of bytes.
//!
//! Two generations in each of several shards: what is used moves to the young one, and when that
//! is half of all, the old one is let go. So what was used last stays, without an order that each
//! use would have to change.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Enough that threads seldom meet in one.
const SHARDS: usize = 16;
/// What the allocation of an entry takes besides its content.
const OVERHEAD: usize = 64;

/// A content that is kept, and what proves it.
#[derive(Debug)]
pub(super) struct Kept<C, P> {
    pub(super) content: Arc<C>,
    pub(super) proof: P,
}

/// All that is kept.
#[derive(Debug)]
pub(super) struct Shelf<K, C, P> {
    shards: [Mutex<Shard<K, C, P>>; SHARDS],
    hasher: RandomState,
    /// The most bytes of a young generation.
    young: usize,
}

#[derive(Debug)]
struct Shard<K, C, P> {
    young: HashMap<K, Entry<C, P>>,
    old: HashMap<K, Entry<C, P>>,
    /// Of the young ones.
    bytes: usize,
}

#[derive(Debug)]
struct Entry<C, P> {
    content: Arc<C>,
    proof: P,
    bytes: usize,
}

impl<C, P: Copy> Entry<C, P> {
    fn kept(&self) -> Kept<C, P> {
        Kept {
            content: Arc::clone(&self.content),
            proof: self.proof,
        }
    }
}

impl<K: Copy + Eq + Hash, C, P: Copy> Shelf<K, C, P> {
    /// With room for about so many bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    young: HashMap::new(),
                    old: HashMap::new(),
                    bytes: 0,
                })
            }),
            hasher: RandomState::new(),
            young: capacity / SHARDS / 2,
        }
    }

    /// What is kept under a key.
    pub(super) fn get(&self, key: &K) -> Option<Kept<C, P>> {
        let mut shard = self.shard(key)?;
        if let Some(entry) = shard.young.get(key) {
            return Some(entry.kept());
        }
        let entry = shard.old.remove(key)?;
        let kept = entry.kept();
        shard.add(*key, entry, self.young);
        Some(kept)
    }

    /// Keeps a content of `bytes`, instead of what was there. What is too large is not kept.
    pub(super) fn put(&self, key: K, content: Arc<C>, proof: P, bytes: usize) {
        // A map has up to twice as many places as it needs.
        let bytes = bytes + 2 * size_of::<(K, Entry<C, P>)>() + OVERHEAD;
        let Some(mut shard) = self.shard(&key) else {
            return;
        };
        shard.forget(&key);
        if bytes <= self.young {
            let entry = Entry {
                content,
                proof,
                bytes,
            };
            shard.add(key, entry, self.young);
        }
    }

    /// Gives a content a newer proof, if it is still the one that is kept.
    pub(super) fn prove(&self, key: &K, content: &Arc<C>, proof: P) {
        if let Some(mut shard) = self.shard(key)
            && let Some(entry) = shard.entry(key)
            && Arc::ptr_eq(&entry.content, content)
        {
            entry.proof = proof;
        }
    }

    /// Lets a content go, if it is still the one that is kept.
    pub(super) fn remove(&self, key: &K, content: &Arc<C>) {
        if let Some(mut shard) = self.shard(key)
            && let Some(entry) = shard.entry(key)
            && Arc::ptr_eq(&entry.content, content)
        {
            shard.forget(key);
        }
    }

    /// `None` never happens.
    fn shard(&self, key: &K) -> Option<MutexGuard<'_, Shard<K, C, P>>> {
        let number = self.hasher.hash_one(key) % self.shards.len() as u64;
        let shard = self.shards.get(usize::try_from(number).ok()?)?;
        // Nothing can panic while it is locked, but for want of memory.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Copy + Eq + Hash, C, P> Shard<K, C, P> {
    fn entry(&mut self, key: &K) -> Option<&mut Entry<C, P>> {
        match self.young.get_mut(key) {
            Some(entry) => Some(entry),
            None => self.old.get_mut(key),
        }
    }

    fn add(&mut self, key: K, entry: Entry<C, P>, most: usize) {
        if self.bytes + entry.bytes > most {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += entry.bytes;
        self.young.insert(key, entry);
    }

    fn forget(&mut self, key: &K) {
        if let Some(entry) = self.young.remove(key) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
        }
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(shelf: &Shelf<u32, u32, u8>, keys: std::ops::Range<u32>) -> usize {
        keys.filter(|key| shelf.get(key).is_some()).count()
    }

    fn bytes(shelf: &Shelf<u32, u32, u8>) -> usize {
        let of = |shard: &Mutex<Shard<u32, u32, u8>>| {
            let shard = shard.lock().unwrap();
            let all = shard.young.values().chain(shard.old.values());
            all.map(|entry| entry.bytes).sum::<usize>()
        };
        shelf.shards.iter().map(of).sum()
    }

    #[test]
    fn it_stays_within_its_bytes_and_keeps_what_is_used() {
        let shelf = Shelf::new(1 << 20);
        for key in 0..10_000 {
            shelf.put(key, Arc::new(key), 0, 1000);
            assert!(shelf.get(&0).is_some(), "used all the time, after {key}");
        }
        assert_eq!(keys(&shelf, 9_900..10_000), 100, "the last ones");
        let kept = keys(&shelf, 0..10_000);
        assert!((200..1000).contains(&kept), "{kept}");
        assert!(bytes(&shelf) <= 1 << 20);
    }

    #[test]
    fn a_content_that_is_put_again_takes_its_bytes_once() {
        let shelf = Shelf::new(1 << 20);
        for key in (0..100).cycle().take(10_000) {
            shelf.put(key, Arc::new(key), 0, 1000);
        }
        assert_eq!(keys(&shelf, 0..100), 100);
    }

    #[test]
    fn what_is_larger_than_all_room_replaces_what_was_there_by_nothing() {
        let shelf = Shelf::new(1 << 20);
        shelf.put(1, Arc::new(1), 0, 10);
        shelf.put(1, Arc::new(2), 0, 1 << 20);
        assert!(shelf.get(&1).is_none());
    }

    #[test]
    fn a_proof_is_of_the_content_it_was_made_for() {
        let shelf = Shelf::new(1 << 20);
        let (old, new) = (Arc::new(1), Arc::new(2));
        shelf.put(7, Arc::clone(&old), 1, 10);
        shelf.put(7, Arc::clone(&new), 2, 10);
        shelf.prove(&7, &old, 3);
        assert_eq!(shelf.get(&7).unwrap().proof, 2);
        shelf.remove(&7, &old);
        shelf.prove(&7, &new, 4);
        assert_eq!(shelf.get(&7).unwrap().proof, 4);
        shelf.remove(&7, &new);
        assert!(shelf.get(&7).is_none());
    }
}
