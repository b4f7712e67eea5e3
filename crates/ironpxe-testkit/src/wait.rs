//! Waiting for a condition.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// How long a test waits for something that is going to be so. It is no measure of how long that
/// should take: a slow machine must get there, too.
pub const TIMEOUT: Duration = Duration::from_mins(2);

const POLL: Duration = Duration::from_millis(10);

/// Waits until `holds` is true; `what` names the condition in the error.
pub fn eventually(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while !holds()? {
        ensure!(
            Instant::now() < deadline,
            "not so after {TIMEOUT:?}: {what}"
        );
        thread::sleep(POLL);
    }
    Ok(())
}
