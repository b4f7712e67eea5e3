//! A value that one operator changes while everything breaks, and what a machine may see of it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use ironpxe_testkit::ironic::Ironic;
use serde_json::json;

/// The history of `driver_info.kernel_append_params` of one node: `version=<number>`.
#[derive(Debug, Default)]
pub(super) struct Register(Mutex<History>);

#[derive(Debug, Default)]
struct History {
    /// The last change that was acknowledged.
    acknowledged: u64,
    /// The last change that was tried.
    tried: u64,
    /// Changes whose answer never came: each may still be made, or never.
    unknown: BTreeSet<u64>,
    /// How many were acknowledged.
    count: u64,
}

impl Register {
    /// Tries the next change through `operator`.
    pub(super) fn write(&self, operator: &Ironic, node: &str) {
        let version = {
            let mut history = self.lock();
            history.tried += 1;
            history.tried
        };
        let patch = json!([{
            "op": "replace",
            "path": "/driver_info/kernel_append_params",
            "value": format!("version={version}"),
        }]);
        let done = operator
            .patch(&format!("/v1/nodes/{node}"), &patch)
            .and_then(|answer| answer.expect_status(200));
        let mut history = self.lock();
        if done.is_ok() {
            history.acknowledged = version;
            history.count += 1;
        } else {
            history.unknown.insert(version);
        }
    }

    /// The oldest version that a request sent now may see.
    pub(super) fn acknowledged(&self) -> u64 {
        self.lock().acknowledged
    }

    /// Whether a request may have seen this script: `since` is what was acknowledged when it was
    /// sent.
    pub(super) fn allows(&self, script: &str, since: u64) -> Result<(), String> {
        let version = script
            .split_whitespace()
            .find_map(|word| word.strip_prefix("version="))
            .and_then(|digits| digits.parse::<u64>().ok())
            .ok_or_else(|| "no version".to_owned())?;
        let history = self.lock();
        let current = version >= since && version <= history.tried;
        if current || history.unknown.contains(&version) {
            return Ok(());
        }
        Err(format!("version {version} where {since} was acknowledged"))
    }

    /// How many changes were acknowledged.
    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
