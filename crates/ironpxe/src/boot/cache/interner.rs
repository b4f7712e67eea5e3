//! Scripts that are the same for many machines, each kept once for as long as any of them needs it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::boot::rendered::SharedScript;

/// How many there may be before those are looked for that nobody has any more.
const FEW: usize = 1024;

/// Scripts that many machines have in common.
#[derive(Debug)]
pub(in crate::boot) struct Interner {
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// By hash. Of two with the same one, the last.
    values: HashMap<u64, Weak<SharedScript>>,
    /// How many there may be before those are let go that nobody has any more.
    limit: usize,
}

impl Interner {
    /// None yet.
    pub(in crate::boot) fn new() -> Self {
        let known = Known {
            values: HashMap::new(),
            limit: FEW,
        };
        Self {
            hasher: RandomState::new(),
            known: Mutex::new(known),
        }
    }

    /// The same script, shared with all that have it.
    pub(in crate::boot) fn intern(&self, value: SharedScript) -> Arc<SharedScript> {
        let hash = self.hasher.hash_one(&value);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = known.values.get(&hash).and_then(Weak::upgrade)
            && *there == value
        {
            return there;
        }
        if known.values.len() >= known.limit {
            known.values.retain(|_, value| value.strong_count() > 0);
            known.limit = FEW.max(2 * known.values.len());
        }
        let value = Arc::new(value);
        known.values.insert(hash, Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(number: u32) -> SharedScript {
        SharedScript::sample(&number.to_string())
    }

    #[test]
    fn equal_scripts_are_kept_once_while_anybody_has_them() {
        let interner = Interner::new();
        let one = interner.intern(script(1));
        let same = interner.intern(script(1));
        assert!(Arc::ptr_eq(&one, &same));
        let other = interner.intern(script(2));
        assert!(!Arc::ptr_eq(&one, &other));
        let gone = Arc::downgrade(&one);
        drop((one, same));
        assert!(gone.upgrade().is_none());
        assert_eq!(*interner.intern(script(1)), script(1));
    }

    #[test]
    fn scripts_that_nobody_has_are_forgotten_in_time() {
        let interner = Interner::new();
        let kept: Vec<_> = (0..10).map(|it| interner.intern(script(it))).collect();
        for number in 10..100_000 {
            let _ = interner.intern(script(number));
        }
        let known = interner.known.lock().unwrap().values.len();
        assert!(known <= FEW + 1, "{known}");
        for (number, value) in (0..).zip(&kept) {
            assert!(Arc::ptr_eq(value, &interner.intern(script(number))));
        }
    }
}
