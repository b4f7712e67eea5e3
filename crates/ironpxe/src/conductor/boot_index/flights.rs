//! Queries that many requests share.
//!
//! At most a few queries are under way at once. A request that finds all of them taken waits for
//! the next one, together with everybody else who came meanwhile: a query that was sent before a
//! request came is never its answer, because it may not see what was committed just before the
//! request. Nobody waits for company: a request that finds a place free goes at once, alone.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ironpxe_core::error::{Fault, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::lifecycle::Tasks;

/// Whom the queries ask.
pub(super) trait Source: Clone + Send + Sync + 'static {
    /// What a request asks for.
    type Key: Copy + Eq + Hash + Send + Sync;
    /// What there may be under it.
    type Value: Clone + Send;
    /// Of when an answer is.
    type Stamp: Copy + Send;

    /// Now, before a query is sent.
    fn stamp(&self) -> Self::Stamp;
    /// What there is under these keys, all different. One query for all of them.
    fn fetch(
        &self,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<HashMap<Self::Key, Self::Value>, Fault>> + Send;
}

/// What a request is answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer<V, S> {
    /// From before the query was sent.
    pub(super) stamp: S,
    /// What there is under the key.
    pub(super) found: Option<V>,
}

/// What a request is answered, or why it is not.
type Answered<Q> = Result<Answer<<Q as Source>::Value, <Q as Source>::Stamp>, Fault>;

/// The queries to one source. Clones share them.
pub(super) struct Flights<Q: Source>(Arc<Shared<Q>>);

struct Shared<Q: Source> {
    source: Q,
    tasks: Tasks,
    /// The most keys of one query.
    most: usize,
    state: Mutex<State<Q>>,
}

struct State<Q: Source> {
    /// Places that nobody has.
    free: usize,
    waiting: Vec<Waiting<Q>>,
}

/// A request that waits for the next query. To drop it tells it to ask by itself.
struct Waiting<Q: Source> {
    key: Q::Key,
    answer: oneshot::Sender<Answered<Q>>,
}

/// A place, until it is dropped: then those who wait have it.
struct Place<Q: Source>(Arc<Shared<Q>>);

impl<Q: Source> Flights<Q> {
    /// With room for `places` queries at once, of `most` keys each.
    pub(super) fn new(source: Q, tasks: &Tasks, places: usize, most: usize) -> Self {
        Self(Arc::new(Shared {
            source,
            tasks: tasks.clone(),
            most,
            state: Mutex::new(State {
                free: places,
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
            let _place = Place(Arc::clone(&self.0));
            return self.0.ask_alone(key).await;
        };
        match waiting.await {
            Ok(answer) => answer,
            // Its query came to nothing, and may have by another's fault.
            Err(_) => self.0.ask_alone(key).await,
        }
    }
}

impl<Q: Source> Shared<Q> {
    fn state(&self) -> MutexGuard<'_, State<Q>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_alone(&self, key: Q::Key) -> Answered<Q> {
        let stamp = self.source.stamp();
        let mut found = self.source.fetch(&[key]).await?;
        Ok(Answer {
            stamp,
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
        let stamp = self.source.stamp();
        let found = match self.source.fetch(&keys).await {
            Ok(found) => found,
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
            let _ = answer.send(Ok(Answer { stamp, found }));
        }
    }
}

impl<Q: Source> Drop for Place<Q> {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            let most = self.0.most.min(state.waiting.len());
            let next: Vec<Waiting<Q>> = state.waiting.drain(..most).collect();
            // At the very end there may be nobody to run anything any more.
            if next.is_empty() || Handle::try_current().is_err() {
                state.free += 1;
                return;
            }
            next
        };
        let place = Self(Arc::clone(&self.0));
        self.0.tasks.spawn("boot query", async move {
            place.0.ask_for(next).await;
            drop(place);
        });
    }
}

impl<Q: Source> fmt::Debug for Flights<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
