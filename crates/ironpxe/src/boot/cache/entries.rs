//! A CLOCK cache, bounded by a number of bytes.
//!
//! Each of several shards evicts in FIFO order, but an entry that was used since it was last
//! considered gets a second chance. So a hit only sets a flag, and all of the capacity is used.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ironpxe_core::boot_ident::BootIdent;

use super::{Content, Validator};

/// Enough that threads rarely contend for one.
const SHARDS: usize = 16;
/// The allocation overhead of an entry, in bytes.
const OVERHEAD: usize = 64;

/// A cached content and its validator.
#[derive(Debug)]
pub(super) struct Cached {
    pub(super) content: Arc<Content>,
    pub(super) validator: Validator,
}

/// All entries by machine.
#[derive(Debug)]
pub(super) struct ClockCache {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// The capacity of a shard, in bytes.
    shard_bytes: usize,
}

#[derive(Debug)]
struct Shard {
    entries: HashMap<BootIdent, Entry>,
    /// The keys of all entries, each once; the next candidate for eviction first.
    order: VecDeque<BootIdent>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    content: Arc<Content>,
    validator: Validator,
    bytes: usize,
    used: bool,
}

impl ClockCache {
    /// With a capacity of approximately this many bytes.
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
            shard_bytes: capacity / SHARDS,
        }
    }

    /// The entry of a key.
    pub(super) fn get(&self, key: &BootIdent) -> Option<Cached> {
        let mut shard = self.shard(key)?;
        let entry = shard.entries.get_mut(key)?;
        entry.used = true;
        Some(Cached {
            content: Arc::clone(&entry.content),
            validator: entry.validator,
        })
    }

    /// Stores a content of `bytes`, replacing an earlier one. Ignored if it exceeds the capacity.
    pub(super) fn put(
        &self,
        key: BootIdent,
        content: Arc<Content>,
        validator: Validator,
        bytes: usize,
    ) {
        // Maps and queues allocate up to twice the capacity they need.
        let bytes = bytes + 2 * size_of::<(BootIdent, BootIdent, Entry)>() + OVERHEAD;
        let Some(mut shard) = self.shard(&key) else {
            return;
        };
        if bytes > self.shard_bytes {
            shard.forget(&key);
            return;
        }
        let entry = Entry {
            content,
            validator,
            bytes,
            used: false,
        };
        shard.bytes += bytes;
        match shard.entries.insert(key, entry) {
            Some(before) => shard.bytes = shard.bytes.saturating_sub(before.bytes),
            None => shard.order.push_back(key),
        }
        shard.shrink(self.shard_bytes);
    }

    /// Updates the validator of a content, if it is still cached.
    pub(super) fn set_validator(
        &self,
        key: &BootIdent,
        content: &Arc<Content>,
        validator: Validator,
    ) {
        if let Some(mut shard) = self.shard(key)
            && let Some(entry) = shard.entries.get_mut(key)
            && Arc::ptr_eq(&entry.content, content)
        {
            entry.validator = validator;
        }
    }

    /// `None` never occurs.
    fn shard(&self, key: &BootIdent) -> Option<MutexGuard<'_, Shard>> {
        let number = self.hasher.hash_one(key) % self.shards.len() as u64;
        let shard = self.shards.get(usize::try_from(number).ok()?)?;
        // Nothing panics while the lock is held.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    /// Evicts entries until the size is at most `most`.
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

    fn forget(&mut self, key: &BootIdent) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.order.retain(|other| other != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Weak;

    use ironpxe_core::mac::MacAddress;

    use super::*;
    use crate::boot::rendered::CachedScript;
    use crate::db::CommitVersion;

    fn ident(number: u32) -> BootIdent {
        let [a, b, c, d] = number.to_be_bytes();
        BootIdent::Address(MacAddress::new([2, 0, a, b, c, d]))
    }

    fn content() -> Arc<Content> {
        Arc::new(Content::Script(Weak::new(), CachedScript::sample()))
    }

    fn validator(version: u64) -> Validator {
        Validator {
            version: Some(CommitVersion::sample(version)),
            revisions: None,
        }
    }

    fn put(cache: &ClockCache, number: u32, bytes: usize) {
        cache.put(ident(number), content(), validator(0), bytes);
    }

    fn kept(cache: &ClockCache, numbers: Range<u32>) -> usize {
        numbers
            .filter(|number| cache.get(&ident(*number)).is_some())
            .count()
    }

    fn bytes(cache: &ClockCache) -> usize {
        let of = |shard: &Mutex<Shard>| -> usize {
            let shard = shard.lock().unwrap();
            assert_eq!(shard.order.len(), shard.entries.len());
            let bytes = shard.entries.values().map(|entry| entry.bytes).sum();
            assert_eq!(shard.bytes, bytes);
            bytes
        };
        cache.shards.iter().map(of).sum()
    }

    #[test]
    fn cache_stays_within_its_size_and_keeps_used_entries() {
        let cache = ClockCache::new(1 << 20);
        for number in 0..10_000 {
            put(&cache, number, 1000);
            let used = cache.get(&ident(0));
            assert!(used.is_some(), "used all the time, after {number}");
        }
        assert!(kept(&cache, 9_900..10_000) >= 99, "the last ones");
        let kept = kept(&cache, 0..10_000);
        assert!((600..1000).contains(&kept), "{kept}");
        assert!(bytes(&cache) <= 1 << 20);
    }

    #[test]
    fn replaced_entry_is_counted_once() {
        let cache = ClockCache::new(1 << 20);
        for number in (0..100).cycle().take(10_000) {
            put(&cache, number, 1000);
        }
        assert_eq!(kept(&cache, 0..100), 100);
        assert!(bytes(&cache) < 150_000);
    }

    #[test]
    fn entry_larger_than_the_cache_removes_only_its_predecessor() {
        let cache = ClockCache::new(1 << 20);
        put(&cache, 1, 10);
        put(&cache, 1, 1 << 20);
        assert!(cache.get(&ident(1)).is_none());
        assert_eq!(bytes(&cache), 0);
    }

    #[test]
    fn validator_is_set_only_for_the_content_it_was_made_for() {
        let cache = ClockCache::new(1 << 20);
        let (old, new) = (content(), content());
        let version = || cache.get(&ident(7)).unwrap().validator.version;
        cache.put(ident(7), Arc::clone(&old), validator(1), 10);
        cache.put(ident(7), Arc::clone(&new), validator(2), 10);
        cache.set_validator(&ident(7), &old, validator(3));
        assert_eq!(version(), validator(2).version);
        cache.set_validator(&ident(7), &new, validator(4));
        assert_eq!(version(), validator(4).version);
    }
}
