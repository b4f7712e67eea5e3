//! Log lines about machines that are not enrolled.
//!
//! Any host on the machines' network can request arbitrary unknown addresses. So only a few such
//! requests are logged individually, and the others of the next seconds are summarized in one line.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ironpxe_core::boot_ident::BootIdent;
use tracing::warn;

use crate::lifecycle::Tasks;

/// The interval of the summary.
const WINDOW: Duration = Duration::from_secs(5);
/// How many requests per interval are logged individually.
const OWN_LINES: u32 = 5;
/// How many machines a summary names.
const NAMED: usize = 8;

/// Counts requests of unknown machines. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub(super) struct UnknownMachines(Arc<Mutex<Window>>);

#[derive(Debug, Default)]
struct Window {
    /// Requests in the current interval; zero if there is none.
    requests: u32,
    /// The number of requests of each machine named in the summary.
    named: BTreeMap<String, u32>,
    /// The number of requests of other machines.
    others: u32,
}

/// A summary.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    requests: u32,
    machines: String,
}

impl UnknownMachines {
    /// Counts a request. Returns whether it should be logged individually.
    pub(super) fn note(&self, tasks: &Tasks, ident: BootIdent) -> bool {
        let mut window = self.lock();
        if window.requests == 0 {
            let (machines, stop) = (self.clone(), tasks.stopping());
            tasks.spawn("unknown machines summary", async move {
                tokio::select! {
                    () = tokio::time::sleep(WINDOW) => {}
                    () = stop.cancelled() => {}
                }
                machines.sum_up();
            });
        }
        window.note(ident)
    }

    fn sum_up(&self) {
        let sum = std::mem::take(&mut *self.lock()).sum();
        if let Some(Summary { requests, machines }) = sum {
            warn!(
                requests,
                machines,
                "further boot requests of unknown machines in the last {} s: no node or port has the \
                 requested UUID or address",
                WINDOW.as_secs()
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn note(&mut self, ident: BootIdent) -> bool {
        self.requests = self.requests.saturating_add(1);
        if self.requests <= OWN_LINES {
            return true;
        }
        let name = match ident {
            BootIdent::Node(uuid) => uuid.to_string(),
            BootIdent::Address(mac) => mac.to_string(),
        };
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
        let mut machines = String::new();
        for (name, times) in self.named {
            let separator = if machines.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(machines, "{separator}{name} ({times})");
        }
        if self.others > 0 {
            let _ = write!(machines, ", others ({})", self.others);
        }
        Some(Summary { requests, machines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(number: u32) -> BootIdent {
        let mac = format!("52:54:00:00:{:02x}:{:02x}", number / 256, number % 256);
        BootIdent::Address(mac.parse().unwrap())
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
        let named: Vec<&str> = sum.machines.split(", ").collect();
        assert_eq!(named.len(), NAMED + 1);
        assert_eq!(named[0], "52:54:00:00:00:05 (10)");
        assert_eq!(named[NAMED], "others (9915)");
        assert_eq!(window.requests, 0, "the next ones have lines again");
    }
}
