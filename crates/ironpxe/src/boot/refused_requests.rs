//! Log lines about requests of machines that are not enrolled, or that have no valid boot token.
//!
//! Any host on the machines' network can send arbitrarily many of them. So only a few are logged
//! individually, and the others of the next seconds are summarized in one line.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;

use crate::lifecycle::Tasks;

/// The interval of the summary.
const WINDOW: Duration = Duration::from_secs(5);
/// How many requests per interval are logged individually.
const OWN_LINES: u32 = 5;
/// How many machines or clients a summary names.
const NAMED: usize = 8;

/// Counts requests that are refused for the same reason. Clones share the counts.
#[derive(Debug, Clone)]
pub(super) struct RefusedRequests {
    reason: RefusalReason,
    window: Arc<Mutex<Window>>,
}

/// Why they are refused.
#[derive(Debug, Clone, Copy)]
pub(super) enum RefusalReason {
    /// No node or port is known; the summary names the machines that were asked for.
    UnknownMachine,
    /// There is no valid boot token; the summary names the clients' addresses.
    NoToken,
}

#[derive(Debug, Default)]
struct Window {
    /// Requests in the current interval; zero if there is none.
    requests: u32,
    /// The number of requests of each machine or client named in the summary.
    named: BTreeMap<String, u32>,
    /// The number of requests of others.
    others: u32,
}

/// A summary.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    requests: u32,
    from: String,
}

impl RefusedRequests {
    pub(super) fn new(reason: RefusalReason) -> Self {
        Self {
            reason,
            window: Arc::default(),
        }
    }

    /// Counts a request of this machine or client. Returns whether it should be logged
    /// individually.
    pub(super) fn note(&self, tasks: &Tasks, of: impl Display) -> bool {
        let mut window = self.lock();
        if window.requests == 0 {
            let (requests, stop) = (self.clone(), tasks.stopping());
            tasks.spawn("summary of refused requests", async move {
                tokio::select! {
                    () = tokio::time::sleep(WINDOW) => {}
                    () = stop.cancelled() => {}
                }
                requests.sum_up();
            });
        }
        window.note(of)
    }

    fn sum_up(&self) {
        let sum = std::mem::take(&mut *self.lock()).sum();
        let Some(Summary { requests, from }) = sum else {
            return;
        };
        match self.reason {
            RefusalReason::UnknownMachine => warn!(
                requests,
                machines = from,
                "further boot requests of unknown machines in the last {} s: no node or port has the \
                 requested UUID or address",
                WINDOW.as_secs()
            ),
            RefusalReason::NoToken => warn!(
                requests,
                clients = from,
                "further boot requests without a valid boot token in the last {} s",
                WINDOW.as_secs()
            ),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn note(&mut self, of: impl Display) -> bool {
        self.requests = self.requests.saturating_add(1);
        if self.requests <= OWN_LINES {
            return true;
        }
        let name = of.to_string();
        if let Some(times) = self.named.get_mut(&name) {
            *times = times.saturating_add(1);
        } else if self.named.len() < NAMED {
            self.named.insert(name, 1);
        } else {
            self.others = self.others.saturating_add(1);
        }
        false
    }

    /// The summary of the requests that were not logged individually.
    fn sum(self) -> Option<Summary> {
        let requests = self.requests.checked_sub(OWN_LINES).filter(|it| *it > 0)?;
        let mut from = String::new();
        for (name, times) in self.named {
            let separator = if from.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(from, "{separator}{name} ({times})");
        }
        if self.others > 0 {
            let _ = write!(from, ", others ({})", self.others);
        }
        Some(Summary { requests, from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(number: u32) -> String {
        format!("52:54:00:00:{:02x}:{:02x}", number / 256, number % 256)
    }

    #[test]
    fn first_requests_are_logged_and_the_others_summed_up() {
        let mut window = Window::default();
        for _ in 0..OWN_LINES {
            assert!(window.note(machine(1)));
        }
        assert_eq!(std::mem::take(&mut window).sum(), None);

        let own = (0..10_000).filter(|it| window.note(machine(it % 1000)));
        assert_eq!(u32::try_from(own.count()).unwrap(), OWN_LINES);
        let sum = std::mem::take(&mut window).sum().unwrap();
        assert_eq!(sum.requests, 10_000 - OWN_LINES);
        let named: Vec<&str> = sum.from.split(", ").collect();
        assert_eq!(named.len(), NAMED + 1);
        assert_eq!(named[0], "52:54:00:00:00:05 (10)");
        assert_eq!(named[NAMED], "others (9915)");
        assert_eq!(window.requests, 0, "the next ones have lines again");
    }
}
