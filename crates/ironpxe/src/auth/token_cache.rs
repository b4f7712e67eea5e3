//! What Keystone said about tokens, for a limited time and in limited memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::keyed_hash::Digest;
use crate::openstack::ValidToken;

/// The maximum number of valid tokens, …
pub(super) const MAX_TOKENS: usize = 10_000;
/// … and of their memory, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// The same for invalid ones, which never evict valid ones.
const MAX_INVALID: usize = 2048;
/// How long an invalid token is remembered. Ironic does not, so that each request with one is a
/// request to Keystone.
const INVALID_FOR: Duration = Duration::from_secs(10);

/// What is known about a token: `None` if it is not valid.
pub(super) type Validation = Option<Arc<ValidToken>>;

/// The tokens by their hashes.
#[derive(Debug)]
pub(super) struct TokenCache {
    valid: Entries<Arc<ValidToken>>,
    invalid: Entries<()>,
}

impl TokenCache {
    /// Valid tokens are remembered for `valid_for`; not at all if that is zero.
    pub(super) fn new(valid_for: Duration) -> Self {
        Self {
            valid: Entries::new(valid_for, MAX_TOKENS, MAX_BYTES),
            invalid: Entries::new(INVALID_FOR, MAX_INVALID, usize::MAX),
        }
    }

    /// What is known at this time.
    pub(super) fn get(&self, key: &Digest, now: Instant) -> Option<Validation> {
        match self.valid.get(key, now) {
            Some(token) => Some(Some(Arc::clone(token))),
            None => self.invalid.get(key, now).map(|()| None),
        }
    }

    /// Remembers what Keystone said.
    pub(super) fn insert(&mut self, key: Digest, found: &Validation, now: Instant) {
        match found {
            Some(token) => {
                let bytes = token.size() + OVERHEAD;
                self.valid.insert(key, Arc::clone(token), bytes, now);
            }
            None => self.invalid.insert(key, (), 0, now),
        }
    }
}

/// The memory of an entry besides its token, in bytes: the hash, twice, times, and pointers.
const OVERHEAD: usize = 192;

/// Entries that end after the same time, so that the oldest is the first to end.
#[derive(Debug)]
struct Entries<T> {
    lifetime: Duration,
    max_entries: usize,
    max_bytes: usize,
    bytes: usize,
    by_key: HashMap<Digest, Entry<T>>,
    /// By age. May have keys whose entries were replaced since.
    by_age: VecDeque<(Digest, Instant)>,
}

#[derive(Debug)]
struct Entry<T> {
    since: Instant,
    bytes: usize,
    value: T,
}

impl<T> Entries<T> {
    fn new(lifetime: Duration, max_entries: usize, max_bytes: usize) -> Self {
        Self {
            lifetime,
            max_entries,
            max_bytes,
            bytes: 0,
            by_key: HashMap::new(),
            by_age: VecDeque::new(),
        }
    }

    fn get(&self, key: &Digest, now: Instant) -> Option<&T> {
        let entry = self.by_key.get(key)?;
        (now.saturating_duration_since(entry.since) < self.lifetime).then_some(&entry.value)
    }

    fn insert(&mut self, key: Digest, value: T, bytes: usize, now: Instant) {
        if self.lifetime.is_zero() || bytes > self.max_bytes {
            return;
        }
        while let Some((oldest, since)) = self.by_age.front().copied() {
            let has_ended = now.saturating_duration_since(since) >= self.lifetime;
            let is_full = self.by_age.len() >= self.max_entries
                || self.bytes.saturating_add(bytes) > self.max_bytes;
            if !has_ended && !is_full {
                break;
            }
            self.by_age.pop_front();
            if self.by_key.get(&oldest).is_some_and(|it| it.since == since) {
                self.remove(&oldest);
            }
        }
        self.remove(&key);
        self.bytes += bytes;
        self.by_age.push_back((key, now));
        let entry = Entry {
            since: now,
            bytes,
            value,
        };
        self.by_key.insert(key, entry);
    }

    fn remove(&mut self, key: &Digest) {
        if let Some(entry) = self.by_key.remove(key) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_mins(5);

    fn key(number: usize) -> Digest {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    #[test]
    fn entries_end_after_their_lifetime_and_are_counted() {
        let start = Instant::now();
        let mut entries = Entries::new(LIFETIME, 3, 100);
        for number in 0..5 {
            entries.insert(key(number), number, 10, start);
        }
        assert_eq!(entries.by_key.len(), 3);
        assert_eq!(entries.bytes, 30);
        assert_eq!(entries.get(&key(1), start), None);
        assert_eq!(entries.get(&key(4), start), Some(&4));
        assert_eq!(entries.get(&key(4), start + LIFETIME), None);
        // One large entry takes the place of several.
        entries.insert(key(9), 9, 85, start);
        assert_eq!(entries.by_key.len(), 2);
        assert!(entries.bytes <= 100);
        // One that is too large is not kept at all.
        entries.insert(key(10), 10, 101, start);
        assert_eq!(entries.get(&key(10), start), None);
        // Expired ones go with the next insertion.
        entries.insert(key(11), 11, 1, start + LIFETIME);
        assert_eq!((entries.by_key.len(), entries.by_age.len()), (1, 1));
        assert_eq!(entries.bytes, 1);
    }

    #[test]
    fn replaced_entry_ends_after_its_own_lifetime() {
        let start = Instant::now();
        let mut entries = Entries::new(LIFETIME, 10, 100);
        entries.insert(key(1), 1, 10, start);
        entries.insert(key(1), 2, 20, start + LIFETIME / 2);
        entries.insert(key(2), 3, 5, start + LIFETIME);
        assert_eq!(entries.get(&key(1), start + LIFETIME), Some(&2));
        assert_eq!(entries.bytes, 25);
    }

    #[test]
    fn without_a_lifetime_nothing_is_kept() {
        let mut entries = Entries::new(Duration::ZERO, 3, 100);
        entries.insert(key(1), 1, 1, Instant::now());
        assert!(entries.by_key.is_empty() && entries.by_age.is_empty());
    }
}
