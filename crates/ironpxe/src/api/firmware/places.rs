//! How many machines are answered at once.
//!
//! When more machines ask than the database can answer, each of them would wait longer, until all
//! give up and ask again. So those who come when the house is full are told soon to come back,
//! which firmware does by itself; the others are answered as fast as ever. Not at once: to tell some
//! thousands of them, again and again, would take the time that the others need.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ironpxe_core::error::Fault;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::warn;

/// When those shall come back who found no place, in seconds.
const RETRY_AFTER: u16 = 5;
/// When they are told so.
const PAUSE: Duration = Duration::from_millis(200);
/// The log says at most so often that there is no place.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// The places of requests under way. Clones share them.
#[derive(Debug, Clone)]
pub struct BootPlaces(Arc<Places>);

#[derive(Debug)]
struct Places {
    free: Semaphore,
    count: usize,
    /// When the log said last that there are none.
    said: Mutex<Option<Instant>>,
}

impl BootPlaces {
    /// So many.
    pub fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Places {
            free: Semaphore::new(count),
            count,
            said: Mutex::new(None),
        }))
    }

    /// Does the work if there is a place for it; otherwise, says so after a pause.
    pub(crate) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        match self.take() {
            Ok(_place) => work.await,
            Err(fault) => {
                tokio::time::sleep(PAUSE).await;
                Err(fault)
            }
        }
    }

    fn take(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.0.free.try_acquire().map_err(|_| {
            if self.is_news() {
                warn!(
                    "{} machines are being answered, as many as [api]max_boot_requests lets in: \
                     others are told to ask again in {RETRY_AFTER} s",
                    self.0.count
                );
            }
            Fault::Unavailable {
                reason: "Too many machines ask at once".to_owned(),
                retry_after: RETRY_AFTER,
            }
        })
    }

    fn is_news(&self) -> bool {
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        let news = said.is_none_or(|said| said.elapsed() >= SAID_EVERY);
        if news {
            *said = Some(Instant::now());
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_place_is_free_again_when_its_work_is_done_or_given_up() {
        let places = BootPlaces::new(2);
        let (done, work) = oneshot::channel();
        let mut one = Box::pin(places.within(async { Ok(work.await) }));
        let mut two = Box::pin(places.within(std::future::pending::<Result<(), Fault>>()));
        tokio::select! {
            biased;
            _ = &mut one => panic!("not done yet"),
            _ = &mut two => panic!("never done"),
            () = std::future::ready(()) => {}
        }
        let third = || places.within(std::future::ready(Ok(())));
        let Err(Fault::Unavailable { retry_after, .. }) = third().await else {
            panic!("there is no place")
        };
        assert_eq!(retry_after, RETRY_AFTER);
        drop(two);
        assert_eq!(third().await, Ok(()));
        done.send(()).unwrap();
        assert_eq!(one.await, Ok(Ok(())));
        assert_eq!(places.0.free.available_permits(), 2);
    }
}
