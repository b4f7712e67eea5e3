//! A boot request, asked of a second conductor when the first one is slow.
//!
//! What a machine asks changes nothing, so it may be asked twice. A conductor that hangs then costs
//! the machines that happen to ask it a quarter of a second instead of `[json_rpc]boot_try_timeout`.
//! When all are slow because there is too much to do, asking twice would make it worse: only a few
//! requests at a time may.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ironpxe_core::error::{Fault, Result};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::client::Trouble;
use super::remote::{Message, Remote};
use super::select::{Peer, nobody};

/// How long a conductor may take before another one is asked, too.
const SLOW: Duration = Duration::from_millis(250);
/// How many requests of this API may have been asked of a further conductor at a time.
const AT_ONCE: usize = 16;

/// Who may ask a further conductor.
#[derive(Debug)]
pub(super) struct Race {
    further: Semaphore,
}

impl Default for Race {
    fn default() -> Self {
        let further = Semaphore::new(AT_ONCE);
        Self { further }
    }
}

impl Remote {
    /// The first answer of any of `peers`, who are asked in this order, until `end`.
    ///
    /// # Errors
    ///
    /// `Ok(Err(_))` says that nobody answered, and a later attempt may do better.
    pub(super) async fn race<T: DeserializeOwned>(
        &self,
        message: &Message<'_>,
        peers: Vec<Peer>,
        end: Instant,
    ) -> Result<Result<T>> {
        let mut fault = nobody("No conductor answers");
        let mut waiting = peers.into_iter();
        let mut asked = FuturesUnordered::new();
        let mut silent: Vec<(Peer, Instant)> = Vec::new();
        let mut permits = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if waiting.len() > 0
                && !left.is_zero()
                && (asked.is_empty() || self.may_ask_further(&mut permits))
                && let Some(peer) = waiting.next()
            {
                let patience = left.min(self.patience.boot_try);
                silent.push((Arc::clone(&peer), Instant::now()));
                asked.push(async move {
                    let answer = self.ask_along(message, &peer, patience).await;
                    (peer, answer)
                });
            }
            let slow = tokio::time::sleep(SLOW);
            let answered = tokio::select! {
                answered = asked.next() => answered,
                () = slow, if waiting.len() > 0 => continue,
            };
            // Nobody is asked, and nobody is left to ask.
            let Some((peer, answer)) = answered else {
                return Ok(Err(fault));
            };
            silent.retain(|(it, _)| !Arc::ptr_eq(it, &peer));
            match answer {
                Ok(value) => {
                    self.note_slow(message, &silent);
                    return Ok(Ok(value));
                }
                // Another one may reach what this one does not.
                Err(Trouble::Fault(it @ Fault::Unavailable { .. })) => fault = it,
                Err(Trouble::Fault(it)) => return Err(it),
                Err(trouble) => self.note(message, &peer, &trouble),
            }
        }
    }

    fn may_ask_further<'a>(&'a self, permits: &mut Vec<tokio::sync::SemaphorePermit<'a>>) -> bool {
        let permit = self.race.further.try_acquire();
        permit.map(|permit| permits.push(permit)).is_ok()
    }

    /// Those that another one has overtaken are asked last from now on.
    fn note_slow(&self, message: &Message<'_>, silent: &[(Peer, Instant)]) {
        for (peer, since) in silent {
            if since.elapsed() >= SLOW {
                let what = format!("no answer within {} ms", since.elapsed().as_millis());
                self.note(message, peer, &Trouble::NoAnswer(what));
            }
        }
    }
}
