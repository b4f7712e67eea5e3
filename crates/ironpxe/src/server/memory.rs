//! The memory budget for requests.
//!
//! Bodies in progress, their parsed values, and long request heads count. Requests beyond the
//! budget are rejected, instead of the process running out of memory. One source address can use at
//! most three quarters of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::client_network::client_network;

/// The minimum interval between log lines about the budget.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A budget in bytes. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct RequestMemory(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    /// The total in bytes.
    total: usize,
    /// The maximum per source address, in bytes.
    share: usize,
    /// The option that sets it, for the log.
    option: &'static str,
    used: Mutex<Usage>,
}

#[derive(Debug, Default)]
struct Usage {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
    /// When the exhausted budget was last logged.
    said: Option<Instant>,
}

/// Why memory is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryError {
    /// The budget is used up.
    UsedUp,
    /// It exceeds the share of a source address.
    TooMuch,
}

impl RequestMemory {
    /// A budget of `total` bytes, of which a source address can use three quarters. `option` sets
    /// the total.
    pub(crate) fn new(total: usize, option: &'static str) -> Self {
        Self::with_share(total, total / 4 * 3, option)
    }

    /// A budget without a share per address, for a server with few clients.
    pub(crate) fn unshared(total: usize, option: &'static str) -> Self {
        Self::with_share(total, total, option)
    }

    fn with_share(total: usize, share: usize, option: &'static str) -> Self {
        Self(Arc::new(Budget {
            total,
            share,
            option,
            used: Mutex::default(),
        }))
    }

    /// Begins the accounting of a request from this address.
    pub(crate) fn begin(&self, peer: IpAddr) -> ReservedMemory {
        ReservedMemory(Arc::new(Reservation {
            budget: Arc::clone(&self.0),
            source: client_network(peer),
            bytes: Mutex::new(0),
        }))
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        let used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.all
    }
}

/// The memory of one request, released with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct ReservedMemory(Arc<Reservation>);

#[derive(Debug)]
struct Reservation {
    budget: Arc<Budget>,
    source: IpAddr,
    bytes: Mutex<usize>,
}

impl ReservedMemory {
    /// Takes more bytes.
    pub(crate) fn grow(&self, more: usize) -> Result<(), MemoryError> {
        let Reservation {
            budget,
            source,
            bytes,
        } = &*self.0;
        let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.saturating_add(more) > budget.share {
            return Err(MemoryError::TooMuch);
        }
        budget.take(*source, more)?;
        *bytes = bytes.saturating_add(more);
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut().unwrap_or_else(PoisonError::into_inner);
        if bytes > 0 {
            self.budget.give_back(self.source, bytes);
        }
    }
}

impl Budget {
    fn take(&self, source: IpAddr, more: usize) -> Result<(), MemoryError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let all = used.all.saturating_add(more);
        let own = used.by_source.get(&source).copied().unwrap_or_default();
        let own = own.saturating_add(more);
        if all > self.total || own > self.share {
            let news = used.said.is_none_or(|said| said.elapsed() >= LOG_INTERVAL);
            if news {
                used.said = Some(Instant::now());
                drop(used);
                let (limit, option) = (self.total, self.option);
                warn!(
                    "requests in progress use all memory of {option} ({limit} bytes, and \
                     {} per address): a request from {source} is rejected with 503",
                    self.share
                );
            }
            return Err(MemoryError::UsedUp);
        }
        used.all = all;
        used.by_source.insert(source, own);
        Ok(())
    }

    fn give_back(&self, source: IpAddr, bytes: usize) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.all = used.all.saturating_sub(bytes);
        if let Some(own) = used.by_source.get_mut(&source) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                used.by_source.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    #[test]
    fn reserved_memory_is_released() {
        let memory = RequestMemory::new(100, "an option");
        let one = memory.begin(peer(1));
        assert_eq!(one.grow(50), Ok(()));
        assert_eq!(one.grow(25), Ok(()));
        assert_eq!(one.grow(1), Err(MemoryError::TooMuch));
        // Others of the same address wait, others do not.
        assert_eq!(memory.begin(peer(1)).grow(1), Err(MemoryError::UsedUp));
        let two = memory.begin(peer(2));
        assert_eq!(two.grow(26), Err(MemoryError::UsedUp));
        assert_eq!(two.grow(25), Ok(()));
        let clone = one.clone();
        drop(one);
        assert_eq!(memory.used(), 100);
        drop(clone);
        drop(two);
        assert_eq!(memory.used(), 0);
        assert_eq!(memory.0.used.lock().unwrap().by_source.len(), 0);
    }

    #[test]
    fn unshared_budget_may_be_used_by_one_client() {
        let memory = RequestMemory::unshared(100, "an option");
        let one = memory.begin(peer(1));
        assert_eq!(one.grow(100), Ok(()));
        assert_eq!(one.grow(1), Err(MemoryError::TooMuch));
        assert_eq!(memory.begin(peer(2)).grow(1), Err(MemoryError::UsedUp));
    }
}
