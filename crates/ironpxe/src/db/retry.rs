//! Retries of a change that met another one: how often, and how long it waits before each.

use std::time::Duration;

use ironpxe_core::error::Fault;

use super::error::contended;
use super::store::Writer;
use crate::ident;

/// How often a change is tried before its caller is told to come back.
const ATTEMPTS: u32 = 16;
/// The longest wait before another try, in microseconds: what a few changes take.
const LONGEST_WAIT: u64 = 32_000;

/// The attempts of one change, with a growing random wait between them.
#[derive(Debug, Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    /// Waits before the next attempt. The first begins at once; before each later one there is a random
    /// wait, up to twice as long as the one before, so that those who met do not meet again.
    pub(super) async fn next(&mut self, writer: &Writer<'_>) -> Result<(), Fault> {
        if self.0 == ATTEMPTS {
            return Err(contended());
        }
        // A writer that is alone met no other one: waiting would gain nothing.
        if self.0 > 0 && !writer.is_alone() {
            let most = LONGEST_WAIT.min(1000 << self.0);
            let (random, _) = ident::uuid().as_u64_pair();
            tokio::time::sleep(Duration::from_micros(random % most)).await;
        }
        self.0 += 1;
        Ok(())
    }
}
