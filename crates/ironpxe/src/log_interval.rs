//! Limits how often the same condition is logged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When a condition was last logged.
#[derive(Debug)]
pub(crate) struct LogInterval {
    /// The minimum interval between log lines.
    interval: Duration,
    logged: Mutex<Option<Instant>>,
}

impl Default for LogInterval {
    /// Every ten seconds.
    fn default() -> Self {
        Self::every(Duration::from_secs(10))
    }
}

impl LogInterval {
    /// With this interval.
    pub(crate) fn every(interval: Duration) -> Self {
        Self {
            interval,
            logged: Mutex::default(),
        }
    }

    /// Whether it should be logged now. The next time is an interval later.
    pub(crate) fn is_due(&self) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let due = logged.is_none_or(|logged| logged.elapsed() >= self.interval);
        if due {
            *logged = Some(Instant::now());
        }
        due
    }
}
