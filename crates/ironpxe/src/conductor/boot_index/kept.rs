//! What is kept, within a number of bytes.
//!
//! In each of several shards, what came first goes first, unless it was used since it was looked
//! at last: then it has a second chance. So a use costs one mark, and all the room is used.

use std::collections::{HashMap, VecDeque};
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
    /// The most bytes of a shard.
    most: usize,
}

#[derive(Debug)]
struct Shard<K, C, P> {
    entries: HashMap<K, Entry<C, P>>,
    /// The keys of all entries, each once; the next to go in front.
    order: VecDeque<K>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<C, P> {
    content: Arc<C>,
    proof: P,
    bytes: usize,
    used: bool,
}

impl<K: Copy + Eq + Hash, C, P: Copy> Shelf<K, C, P> {
    /// With room for about so many bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    entries: HashMap::new(),
                    order: VecDeque::new(),
                    bytes: 0,
                })
            }),
            hasher: RandomState::new(),
            most: capacity / SHARDS,
        }
    }

    /// What is kept under a key.
    pub(super) fn get(&self, key: &K) -> Option<Kept<C, P>> {
        let mut shard = self.shard(key)?;
        let entry = shard.entries.get_mut(key)?;
        entry.used = true;
        Some(Kept {
            content: Arc::clone(&entry.content),
            proof: entry.proof,
        })
    }

    /// Keeps a content of `bytes`, instead of what was there. What is too large is not kept.
    pub(super) fn put(&self, key: K, content: Arc<C>, proof: P, bytes: usize) {
        // A map, and a queue, have up to twice as many places as they need.
        let bytes = bytes + 2 * size_of::<(K, K, Entry<C, P>)>() + OVERHEAD;
        let Some(mut shard) = self.shard(&key) else {
            return;
        };
        if bytes > self.most {
            shard.forget(&key);
            return;
        }
        let entry = Entry {
            content,
            proof,
            bytes,
            used: false,
        };
        shard.bytes += bytes;
        match shard.entries.insert(key, entry) {
            Some(before) => shard.bytes = shard.bytes.saturating_sub(before.bytes),
            None => shard.order.push_back(key),
        }
        shard.shrink(self.most);
    }

    /// Gives a content a newer proof, if it is still the one that is kept.
    pub(super) fn prove(&self, key: &K, content: &Arc<C>, proof: P) {
        if let Some(mut shard) = self.shard(key)
            && let Some(entry) = shard.entries.get_mut(key)
            && Arc::ptr_eq(&entry.content, content)
        {
            entry.proof = proof;
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
    /// Lets go what was not used for the longest time, about, until the rest fits.
    fn shrink(&mut self, most: usize) {
        while self.bytes > most
            && let Some(key) = self.order.pop_front()
        {
            match self.entries.get_mut(&key) {
                Some(entry) if entry.used => {
                    entry.used = false;
                    self.order.push_back(key);
                }
                _ => {
                    let gone = self.entries.remove(&key).map_or(0, |entry| entry.bytes);
                    self.bytes = self.bytes.saturating_sub(gone);
                }
            }
        }
    }

    fn forget(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.order.retain(|other| other != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(shelf: &Shelf<u32, u32, u8>, keys: std::ops::Range<u32>) -> usize {
        keys.filter(|key| shelf.get(key).is_some()).count()
    }

    fn bytes(shelf: &Shelf<u32, u32, u8>) -> usize {
        let of = |shard: &Mutex<Shard<u32, u32, u8>>| -> usize {
            let shard = shard.lock().unwrap();
            assert_eq!(shard.order.len(), shard.entries.len());
            let bytes = shard.entries.values().map(|entry| entry.bytes).sum();
            assert_eq!(shard.bytes, bytes);
            bytes
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
        assert!(keys(&shelf, 9_900..10_000) >= 99, "the last ones");
        let kept = keys(&shelf, 0..10_000);
        assert!((600..1000).contains(&kept), "{kept}");
        assert!(bytes(&shelf) <= 1 << 20);
    }

    #[test]
    fn a_content_that_is_put_again_takes_its_bytes_once() {
        let shelf = Shelf::new(1 << 20);
        for key in (0..100).cycle().take(10_000) {
            shelf.put(key, Arc::new(key), 0, 1000);
        }
        assert_eq!(keys(&shelf, 0..100), 100);
        assert!(bytes(&shelf) < 150_000);
    }

    #[test]
    fn what_is_larger_than_all_room_replaces_what_was_there_by_nothing() {
        let shelf = Shelf::new(1 << 20);
        shelf.put(1, Arc::new(1), 0, 10);
        shelf.put(1, Arc::new(2), 0, 1 << 20);
        assert!(shelf.get(&1).is_none());
        assert_eq!(bytes(&shelf), 0);
    }

    #[test]
    fn a_proof_is_of_the_content_it_was_made_for() {
        let shelf = Shelf::new(1 << 20);
        let (old, new) = (Arc::new(1), Arc::new(2));
        shelf.put(7, Arc::clone(&old), 1, 10);
        shelf.put(7, Arc::clone(&new), 2, 10);
        shelf.prove(&7, &old, 3);
        assert_eq!(shelf.get(&7).unwrap().proof, 2);
        shelf.prove(&7, &new, 4);
        assert_eq!(shelf.get(&7).unwrap().proof, 4);
    }
}
