//! What came out of a storm, as figures.

use serde_json::{Value, json};

use super::figures::{Latencies, number, shown};

/// What came out of one.
#[derive(Default)]
pub(super) struct Weather {
    pub(super) seconds: f64,
    pub(super) first: Latencies,
    pub(super) scripts: Latencies,
    pub(super) kernels: Latencies,
    /// From power-on to the kernel, all waits included.
    pub(super) boots: Latencies,
    /// Machines that never got all they wanted, with the last reason.
    pub(super) failed: usize,
    pub(super) failure: Option<String>,
    /// How often a machine was told to come back.
    pub(super) told_to_wait: usize,
    pub(super) wrong: Vec<String>,
    /// Scripts of nodes that had been changed, or were just being.
    pub(super) of_changed: usize,
    pub(super) changes: usize,
    pub(super) changes_failed: usize,
    /// Why the last change that failed did.
    pub(super) change_failure: Option<String>,
    pub(super) change_latencies: Latencies,
    pub(super) idle_mib: f64,
    pub(super) peak_mib: f64,
    pub(super) kernel_bytes: usize,
}

/// The columns of [`Weather::cells`].
pub(super) const HEADINGS: &[&str] = &[
    "",
    "all have booted after, s",
    "boot.ipxe: p99, ms",
    "script: p50, ms",
    "script: p99, ms",
    "script: p99.9, ms",
    "a boot: p50, ms",
    "a boot: p99, ms",
    "told to wait (503)",
    "never booted",
    "wrong scripts (of so many of changed nodes)",
    "changes (failed)",
    "a change: p99, ms",
    "memory idle → peak (RSS), MiB",
    "kernels, MB/s",
];

impl Weather {
    pub(super) fn cells(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            shown(self.seconds, 1),
            shown(self.first.percentile(99.0), 1),
            shown(self.scripts.percentile(50.0), 1),
            shown(self.scripts.percentile(99.0), 1),
            shown(self.scripts.percentile(99.9), 1),
            shown(self.boots.percentile(50.0), 0),
            shown(self.boots.percentile(99.0), 0),
            self.told_to_wait.to_string(),
            self.failed.to_string(),
            format!("{} ({})", self.wrong.len(), self.of_changed),
            format!("{} ({})", self.changes, self.changes_failed),
            shown(self.change_latencies.percentile(99.0), 1),
            format!("{:.0} → {:.0}", self.idle_mib, self.peak_mib),
            shown(number(self.kernel_bytes) / 1e6 / self.seconds, 0),
        ]
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "boot_ipxe": self.first.json(),
            "script": self.scripts.json(),
            "kernel": self.kernels.json(),
            "boot": self.boots.json(),
            "told_to_wait": self.told_to_wait,
            "never_booted": self.failed,
            "why": self.failure,
            "wrong_scripts": self.wrong,
            "scripts_of_changed_nodes": self.of_changed,
            "changes": self.changes,
            "changes_failed": self.changes_failed,
            "why_a_change_failed": self.change_failure,
            "change": self.change_latencies.json(),
            "rss_idle_mib": self.idle_mib,
            "rss_peak_mib": self.peak_mib,
            "kernel_bytes": self.kernel_bytes,
        })
    }
}
