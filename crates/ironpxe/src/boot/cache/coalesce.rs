//! Coalesces the database queries of concurrent requests.
//!
//! The number of concurrent queries is limited. When the limit is reached, requests wait and share
//! the next query: a query that was sent before a request arrived must not answer it, because it
//! may miss what was committed just before the request. Below the limit a request sends its own
//! query immediately.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ironpxe_core::error::{Fault, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::lifecycle::Tasks;

/// A query that several requests can share.
pub(super) trait CoalescedQuery: Sized + Send + Sync + 'static {
    /// The key of a lookup.
    type Key: Copy + Eq + Hash + Send + Sync;
    /// The value of a key.
    type Value: Clone + Send;
    /// The version of a result.
    type Version: Copy + Send;

    /// Fetches the values of the keys, which are all different, and their version in one query.
    fn fetch(&self, keys: &[Self::Key]) -> impl Future<Output = Result<Fetched<Self>>> + Send;
}

/// The result of a query.
pub(super) type Fetched<Q> = (
    <Q as CoalescedQuery>::Version,
    HashMap<<Q as CoalescedQuery>::Key, <Q as CoalescedQuery>::Value>,
);

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VersionedValue<V, S> {
    /// Not later than the value.
    pub(super) version: S,
    /// The value, if the key exists.
    pub(super) found: Option<V>,
}

/// The result of a lookup, or why it failed.
type LookupResult<Q> =
    Result<VersionedValue<<Q as CoalescedQuery>::Value, <Q as CoalescedQuery>::Version>, Fault>;

/// Coalesces the queries of one kind.
pub(super) struct QueryCoalescer<Q: CoalescedQuery>(Arc<Shared<Q>>);

struct Shared<Q: CoalescedQuery> {
    query: Q,
    tasks: Tasks,
    /// The maximum number of keys per query.
    max_keys: usize,
    state: Mutex<State<Q>>,
}

struct State<Q: CoalescedQuery> {
    /// How many more queries may be started.
    free: usize,
    waiting: Vec<Waiter<Q>>,
}

/// A request that waits for the next query. If the sender is dropped, it sends its own.
struct Waiter<Q: CoalescedQuery> {
    key: Q::Key,
    answer: oneshot::Sender<LookupResult<Q>>,
}

/// The permit for one query; passed on to waiting requests when dropped.
struct Permit<Q: CoalescedQuery>(Arc<Shared<Q>>);

impl<Q: CoalescedQuery> QueryCoalescer<Q> {
    /// At most `limit` concurrent queries of `max_keys` keys each.
    pub(super) fn new(query: Q, tasks: &Tasks, limit: usize, max_keys: usize) -> Self {
        Self(Arc::new(Shared {
            query,
            tasks: tasks.clone(),
            max_keys,
            state: Mutex::new(State {
                free: limit,
                waiting: Vec::new(),
            }),
        }))
    }

    /// The value of a key at some time after the call.
    pub(super) async fn ask(&self, key: Q::Key) -> LookupResult<Q> {
        let waiting = {
            let mut state = self.0.state();
            if state.free > 0 {
                state.free -= 1;
                None
            } else {
                let (answer, waiting) = oneshot::channel();
                state.waiting.push(Waiter { key, answer });
                Some(waiting)
            }
        };
        let Some(waiting) = waiting else {
            let _permit = Permit(Arc::clone(&self.0));
            return self.0.ask_alone(key).await;
        };
        match waiting.await {
            Ok(answer) => answer,
            // Its query failed, possibly because of another key.
            Err(_) => self.0.ask_alone(key).await,
        }
    }
}

impl<Q: CoalescedQuery> Shared<Q> {
    fn state(&self) -> MutexGuard<'_, State<Q>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_alone(&self, key: Q::Key) -> LookupResult<Q> {
        let (version, mut found) = self.query.fetch(&[key]).await?;
        Ok(VersionedValue {
            version,
            found: found.remove(&key),
        })
    }

    /// One query for all waiting requests.
    async fn ask_for(&self, waiting: Vec<Waiter<Q>>) {
        let mut keys: Vec<Q::Key> = Vec::with_capacity(waiting.len());
        let mut once = HashSet::with_capacity(waiting.len());
        for Waiter { key, .. } in &waiting {
            if once.insert(*key) {
                keys.push(*key);
            }
        }
        let (version, found) = match self.query.fetch(&keys).await {
            Ok(fetched) => fetched,
            Err(fault @ Fault::Unavailable { .. }) => {
                for Waiter { answer, .. } in waiting {
                    // A receiver that has gone away needs no result, here and below.
                    let _ = answer.send(Err(fault.clone()));
                }
                return;
            }
            // A single unreadable row must not keep the others from booting.
            Err(_) => return,
        };
        for Waiter { key, answer } in waiting {
            let found = found.get(&key).cloned();
            let _ = answer.send(Ok(VersionedValue { version, found }));
        }
    }
}

impl<Q: CoalescedQuery> State<Q> {
    /// The longest waiting requests, and all others for their keys.
    fn next(&mut self, max_keys: usize) -> Vec<Waiter<Q>> {
        // Machines that have gone away need no query.
        self.waiting.retain(|waiter| !waiter.answer.is_closed());
        let mut keys = HashSet::new();
        for Waiter { key, .. } in &self.waiting {
            if keys.len() == max_keys {
                break;
            }
            keys.insert(*key);
        }
        let of_next = |waiter: &mut Waiter<Q>| keys.contains(&waiter.key);
        self.waiting.extract_if(.., of_next).collect()
    }
}

impl<Q: CoalescedQuery> Drop for Permit<Q> {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            let next = state.next(self.0.max_keys);
            // At shutdown there may be no runtime.
            if next.is_empty() || Handle::try_current().is_err() {
                state.free += 1;
                return;
            }
            next
        };
        let permit = Self(Arc::clone(&self.0));
        self.0.tasks.spawn("boot query", async move {
            permit.0.ask_for(next).await;
            drop(permit);
        });
    }
}

impl<Q: CoalescedQuery> fmt::Debug for QueryCoalescer<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryCoalescer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
