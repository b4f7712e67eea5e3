//! The log lines about machines that nobody has enrolled.
//!
//! Anybody on the network of the machines can ask for addresses that no port has, as often as they
//! like. So a few such requests have lines of their own, and all others of the next seconds are
//! summed up in one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ironpxe_core::boot_ident::BootIdent;
use tracing::warn;

use crate::lifecycle::Tasks;

/// How long requests are counted until they are summed up.
const WINDOW: Duration = Duration::from_secs(5);
/// How many of them have lines of their own.
const OWN_LINES: u32 = 5;
/// How many machines a sum names.
const NAMED: usize = 8;

/// The requests of unknown machines. Clones count the same.
#[derive(Debug, Clone, Default)]
pub(super) struct UnknownMachines(Arc<Mutex<Window>>);

#[derive(Debug, Default)]
struct Window {
    /// Requests since it was opened; none while it is closed.
    requests: u32,
    /// How often those asked that a sum would name.
    named: BTreeMap<String, u32>,
    /// How many requests there were of others.
    others: u32,
}

/// What one line says of many requests.
#[derive(Debug, PartialEq, Eq)]
struct Sum {
    requests: u32,
    machines: String,
}

impl UnknownMachines {
    /// Counts a request. Tells whether it shall have a line of its own.
    pub(super) fn note(&self, tasks: &Tasks, ident: BootIdent) -> bool {
        let mut window = self.lock();
        if window.requests == 0 {
            let (machines, stop) = (self.clone(), tasks.stopping());
            tasks.spawn("sum of unknown machines", async move {
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
        if let Some(Sum { requests, machines }) = sum {
            warn!(
                requests,
                machines,
                "more requests of machines that are not enrolled in the last {} s: no node or port has what \
                 they name",
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

    /// What there is to be said of requests that had no line of their own.
    fn sum(self) -> Option<Sum> {
        let requests = self.requests.checked_sub(OWN_LINES).filter(|it| *it > 0)?;
        let mut machines = String::new();
        for (name, times) in self.named {
            let separator = if machines.is_empty() { "" } else { ", " };
            // Writing to a String does not fail.
            let _ = write!(machines, "{separator}{name} ({times})");
        }
        if self.others > 0 {
            let _ = write!(machines, ", others ({})", self.others);
        }
        Some(Sum { requests, machines })
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
    fn a_few_have_lines_of_their_own_and_the_rest_has_one() {
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
