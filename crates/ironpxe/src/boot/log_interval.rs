//! Limits how often the same condition is logged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The minimum interval between log lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// When a condition was last logged.
#[derive(Debug, Default)]
pub(crate) struct LogInterval(Mutex<Option<Instant>>);

impl LogInterval {
    /// Whether it should be logged now. The next time is an interval later.
    pub(crate) fn is_due(&self) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = logged.is_none_or(|logged| logged.elapsed() >= INTERVAL);
        if due {
            *logged = Some(Instant::now());
        }
        due
    }
}
