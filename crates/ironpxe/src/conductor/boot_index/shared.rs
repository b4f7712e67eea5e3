//! Texts that are the same for many machines, each kept once for as long as any of them needs it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// So few are not looked through.
const FEW: usize = 1024;

/// Values that many have in common.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    hasher: RandomState,
    known: Mutex<Known<T>>,
}

#[derive(Debug)]
struct Known<T> {
    /// By hash. Of two with the same one, the last.
    values: HashMap<u64, Weak<T>>,
    /// How many there may be before those are let go that nobody has any more.
    most: usize,
}

impl<T: Hash + Eq> Shared<T> {
    /// None yet.
    pub(crate) fn new() -> Self {
        let known = Known {
            values: HashMap::new(),
            most: FEW,
        };
        Self {
            hasher: RandomState::new(),
            known: Mutex::new(known),
        }
    }

    /// The value, shared with all that have it.
    pub(crate) fn share(&self, value: T) -> Arc<T> {
        let hash = self.hasher.hash_one(&value);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = known.values.get(&hash).and_then(Weak::upgrade)
            && *there == value
        {
            return there;
        }
        if known.values.len() >= known.most {
            known.values.retain(|_, value| value.strong_count() > 0);
            known.most = FEW.max(2 * known.values.len());
        }
        let value = Arc::new(value);
        known.values.insert(hash, Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_kept_once_while_anybody_has_it() {
        let shared = Shared::new();
        let one = shared.share("text".to_owned());
        let same = shared.share("text".to_owned());
        assert!(Arc::ptr_eq(&one, &same));
        let other = shared.share("another".to_owned());
        assert!(!Arc::ptr_eq(&one, &other));
        let gone = Arc::downgrade(&one);
        drop((one, same));
        assert!(gone.upgrade().is_none());
        assert_eq!(*shared.share("text".to_owned()), "text");
    }

    #[test]
    fn what_nobody_has_is_forgotten_in_time() {
        let shared = Shared::new();
        let kept: Vec<_> = (0..10).map(|number| shared.share(number)).collect();
        for number in 10..100_000 {
            let _ = shared.share(number);
        }
        let known = shared.known.lock().unwrap().values.len();
        assert!(known <= FEW + 1, "{known}");
        for (number, value) in (0..).zip(&kept) {
            assert!(Arc::ptr_eq(value, &shared.share(number)));
        }
    }
}
