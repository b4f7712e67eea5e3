//! Interns scripts that are the same for many machines, as long as any of them is cached.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::boot::rendered::SharedScript;

/// The size at which unused scripts are first removed.
const FEW: usize = 1024;

/// Scripts shared by many machines.
#[derive(Debug)]
pub(in crate::boot) struct Interner {
    hasher: RandomState,
    known: Mutex<InternedScripts>,
}

#[derive(Debug)]
struct InternedScripts {
    /// By hash; on a collision, the last one.
    values: HashMap<u64, Weak<SharedScript>>,
    /// The size at which unused scripts are removed.
    limit: usize,
}

impl Interner {
    /// An empty interner.
    pub(in crate::boot) fn new() -> Self {
        let known = InternedScripts {
            values: HashMap::new(),
            limit: FEW,
        };
        Self {
            hasher: RandomState::new(),
            known: Mutex::new(known),
        }
    }

    /// The interned copy of an equal script.
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
    fn equal_scripts_share_one_allocation_while_in_use() {
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
    fn unused_scripts_are_removed() {
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
