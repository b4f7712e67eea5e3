//! Queries that many requests share.
//!
//! At most a few queries are under way at once. A request that finds all of them taken waits for
//! the next one, together with everybody else who came meanwhile: a query that was sent before a
//! request came is never its answer, because it may not see what was committed just before the
//! request. Nobody waits for company: a request that may send a query does so at once, alone.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ironpxe_core::error::{Fault, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::lifecycle::Tasks;

/// A query that several requests can share.
pub(super) trait Query: Sized + Send + Sync + 'static {
    /// What a request asks for.
    type Key: Copy + Eq + Hash + Send + Sync;
    /// What there may be under it.
    type Value: Clone + Send;
    /// As of when an answer is.
    type Version: Copy + Send;

    /// What there is under these keys, all different, and as of when. One query for all of them.
    fn fetch(&self, keys: &[Self::Key]) -> impl Future<Output = Result<Fetched<Self>>> + Send;
}

/// What a query gives.
pub(super) type Fetched<Q> = (
    <Q as Query>::Version,
    HashMap<<Q as Query>::Key, <Q as Query>::Value>,
);

/// What a request is answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer<V, S> {
    /// Not later than what was found.
    pub(super) version: S,
    /// What there is under the key.
    pub(super) found: Option<V>,
}

/// What a request is answered, or why it is not.
type Answered<Q> = Result<Answer<<Q as Query>::Value, <Q as Query>::Version>, Fault>;

/// The queries of one kind.
pub(super) struct QueryCoalescer<Q: Query>(Arc<Shared<Q>>);

struct Shared<Q: Query> {
    query: Q,
    tasks: Tasks,
    /// The most keys of one query.
    max_keys: usize,
    state: Mutex<State<Q>>,
}

struct State<Q: Query> {
    /// How many more queries may begin.
    free: usize,
    waiting: Vec<Waiting<Q>>,
}

/// A request that waits for the next query. To drop it tells it to ask by itself.
struct Waiting<Q: Query> {
    key: Q::Key,
    answer: oneshot::Sender<Answered<Q>>,
}

/// The right to send a query, until it is dropped: then those who wait have it.
struct Permit<Q: Query>(Arc<Shared<Q>>);

impl<Q: Query> QueryCoalescer<Q> {
    /// At most `limit` queries at once, of `max_keys` keys each.
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

    /// What there is under a key at some moment after this was called.
    pub(super) async fn ask(&self, key: Q::Key) -> Answered<Q> {
        let waiting = {
            let mut state = self.0.state();
            if state.free > 0 {
                state.free -= 1;
                None
            } else {
                let (answer, waiting) = oneshot::channel();
                state.waiting.push(Waiting { key, answer });
                Some(waiting)
            }
        };
        let Some(waiting) = waiting else {
            let _permit = Permit(Arc::clone(&self.0));
            return self.0.ask_alone(key).await;
        };
        match waiting.await {
            Ok(answer) => answer,
            // Its query came to nothing, and may have by another's fault.
            Err(_) => self.0.ask_alone(key).await,
        }
    }
}

impl<Q: Query> Shared<Q> {
    fn state(&self) -> MutexGuard<'_, State<Q>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_alone(&self, key: Q::Key) -> Answered<Q> {
        let (version, mut found) = self.query.fetch(&[key]).await?;
        Ok(Answer {
            version,
            found: found.remove(&key),
        })
    }

    /// One query for all of them.
    async fn ask_for(&self, waiting: Vec<Waiting<Q>>) {
        let mut keys: Vec<Q::Key> = Vec::with_capacity(waiting.len());
        let mut once = HashSet::with_capacity(waiting.len());
        for Waiting { key, .. } in &waiting {
            if once.insert(*key) {
                keys.push(*key);
            }
        }
        let (version, found) = match self.query.fetch(&keys).await {
            Ok(fetched) => fetched,
            Err(fault @ Fault::Unavailable { .. }) => {
                for Waiting { answer, .. } in waiting {
                    // Whoever has gone needs no answer, here and below.
                    let _ = answer.send(Err(fault.clone()));
                }
                return;
            }
            // One row that cannot be read must not keep the others from booting.
            Err(_) => return,
        };
        for Waiting { key, answer } in waiting {
            let found = found.get(&key).cloned();
            let _ = answer.send(Ok(Answer { version, found }));
        }
    }
}

impl<Q: Query> Drop for Permit<Q> {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            let count = self.0.max_keys.min(state.waiting.len());
            let next: Vec<Waiting<Q>> = state.waiting.drain(..count).collect();
            // At the very end there may be nobody to run anything any more.
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

impl<Q: Query> fmt::Debug for QueryCoalescer<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryCoalescer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
