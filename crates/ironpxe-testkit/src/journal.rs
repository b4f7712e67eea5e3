//! A list that only grows, which many threads write, wait on, and watch.
//!
//! The log of a server, the requests of an image server and the lines of a console are all this.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An append-only list with waiters and watchers.
pub struct Journal<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    entries: Vec<T>,
    closed: bool,
    watchers: Vec<Watcher<T>>,
}

type Watcher<T> = Box<dyn FnMut(&T) + Send>;

impl<T> Default for Journal<T> {
    fn default() -> Self {
        let state = State {
            entries: Vec::new(),
            closed: false,
            watchers: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }
}

impl<T> fmt::Debug for Journal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = hold(&self.state);
        f.debug_struct("Journal")
            .field("entries", &state.entries.len())
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}

impl<T> Journal<T> {
    /// Adds an entry; watchers see it before this returns.
    pub fn push(&self, entry: T) {
        let mut state = hold(&self.state);
        for watcher in &mut state.watchers {
            watcher(&entry);
        }
        state.entries.push(entry);
        self.changed.notify_all();
    }

    /// Marks the journal as complete, so that waiting calls fail.
    pub fn close(&self) {
        hold(&self.state).closed = true;
        self.changed.notify_all();
    }

    /// Whether nothing more will come.
    pub fn is_closed(&self) -> bool {
        hold(&self.state).closed
    }

    /// Calls `watcher` with every entry, those already here and those to come, in order.
    pub fn watch(&self, mut watcher: impl FnMut(&T) + Send + 'static) {
        let mut state = hold(&self.state);
        state.entries.iter().for_each(&mut watcher);
        state.watchers.push(Box::new(watcher));
    }

    /// Waits until `find` makes something of the entries so far. `None` when the time is over, or
    /// when the journal is closed and still holds nothing of the kind.
    pub fn wait<R>(&self, timeout: Duration, find: impl Fn(&[T]) -> Option<R>) -> Option<R> {
        let deadline = Instant::now() + timeout;
        let mut state = hold(&self.state);
        loop {
            if let Some(found) = find(&state.entries) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return None;
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T: Clone> Journal<T> {
    /// Everything so far.
    pub fn entries(&self) -> Vec<T> {
        hold(&self.state).entries.clone()
    }

    /// The last `count` entries.
    pub fn tail(&self, count: usize) -> Vec<T> {
        let mut entries = self.entries();
        entries.split_off(entries.len().saturating_sub(count))
    }
}

/// Locks; a panic in another test thread is no reason to hide what was collected.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn waiter_wakes_when_its_entry_is_added() {
        let journal = Arc::new(Journal::default());
        let writer = Arc::clone(&journal);
        let thread = thread::spawn(move || {
            for number in 0..100 {
                writer.push(number);
            }
        });
        let found = journal.wait(crate::wait::TIMEOUT, |entries| {
            entries.iter().find(|n| **n == 99).copied()
        });
        assert_eq!(found, Some(99));
        thread.join().unwrap();
    }

    #[test]
    fn closing_ends_every_wait_immediately() {
        let journal: Journal<u8> = Journal::default();
        journal.close();
        // It would not come to its end otherwise.
        assert_eq!(journal.wait(Duration::from_hours(24), |_| None::<u8>), None);
    }

    #[test]
    fn watcher_gets_earlier_and_later_entries_in_order() {
        let journal = Journal::default();
        journal.push("past");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        journal.watch(move |entry| hold(&sink).push(*entry));
        journal.push("future");
        assert_eq!(*hold(&seen), ["past", "future"]);
    }
}
