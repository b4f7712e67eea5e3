//! A counting semaphore that limits the number of concurrent machines.
//!
//! iPXE polls, so a waiting machine costs a whole core; beyond about one per core they only
//! starve each other and make time limits meaningless.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::journal::hold;

/// A semaphore with a fixed number of permits. `static`-friendly.
#[derive(Debug)]
pub struct Semaphore {
    free: Mutex<usize>,
    changed: Condvar,
}

/// A permit; dropping it releases it.
#[derive(Debug)]
#[must_use = "dropping the permit at once releases it"]
pub struct Permit<'a>(&'a Semaphore);

impl Semaphore {
    /// A semaphore with so many `permits`.
    pub const fn new(permits: usize) -> Self {
        Self {
            free: Mutex::new(permits),
            changed: Condvar::new(),
        }
    }

    /// Waits for a permit.
    pub fn acquire(&self) -> Permit<'_> {
        let waited = self.changed.wait_while(hold(&self.free), |free| *free == 0);
        *waited.unwrap_or_else(PoisonError::into_inner) -= 1;
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *hold(&self.0.free) += 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn no_more_than_the_limit_hold_a_permit() {
        let semaphore = Semaphore::new(2);
        let inside = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let both = Barrier::new(2);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _permit = semaphore.acquire();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // Both of them are inside at the same time.
                    both.wait();
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
    }
}
