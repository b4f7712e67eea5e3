//! Retries of changes after conflicts: the number of attempts, and the backoff.

use std::time::Duration;

use ironpxe_core::error::Fault;

use super::error::contended;
use super::store::Writer;
use crate::ident;

/// The number of attempts before the change fails as unavailable.
const ATTEMPTS: u32 = 16;
/// The maximum backoff in microseconds, about the duration of a few changes.
const LONGEST_WAIT: u64 = 32_000;

/// The attempts of one change, with randomized exponential backoff.
#[derive(Debug, Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    /// Waits before the next attempt: not before the first one, then a random time up to twice the
    /// previous maximum.
    pub(super) async fn next(&mut self, writer: &Writer<'_>) -> Result<(), Fault> {
        if self.0 == ATTEMPTS {
            return Err(contended());
        }
        // A single writer had no conflict: waiting would be useless.
        if self.0 > 0 && !writer.is_alone() {
            let most = LONGEST_WAIT.min(1000 << self.0);
            let (random, _) = ident::uuid().as_u64_pair();
            tokio::time::sleep(Duration::from_micros(random % most)).await;
        }
        self.0 += 1;
        Ok(())
    }
}
