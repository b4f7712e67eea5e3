//! Load shedding: how many boot requests are answered at once.
//!
//! When more machines ask than the database can answer, each of them would wait longer, until all
//! give up and ask again. So requests over the limit are told to come back, which firmware does by
//! itself; the others are answered as fast as ever. They are told after a pause: to tell some thousands of
//! them at once, again and again, would take the time that the others need.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ironpxe_core::error::Fault;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::warn;

use super::response;

/// When requests over the limit are answered.
const PAUSE: Duration = Duration::from_millis(200);
/// How often the log says at most that the limit is reached.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Lets a number of requests through at a time.
#[derive(Debug)]
pub(super) struct BootLimiter {
    permits: Semaphore,
    limit: usize,
    /// When the log said last that the limit is reached.
    logged: Mutex<Option<Instant>>,
}

impl BootLimiter {
    /// At most `limit` requests at a time (`[api]max_boot_requests`).
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            permits: Semaphore::new(limit),
            limit,
            logged: Mutex::new(None),
        }
    }

    /// Does the work, unless there is too much; then says so after a pause.
    pub(super) async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        match self.acquire() {
            Ok(_permit) => work.await,
            Err(fault) => {
                tokio::time::sleep(PAUSE).await;
                Err(fault)
            }
        }
    }

    fn acquire(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.permits.try_acquire().map_err(|_| {
            if self.is_to_be_logged() {
                warn!(
                    "{} boot requests are under way, as many as [api]max_boot_requests allows: \
                     others are told to ask again",
                    self.limit
                );
            }
            response::overloaded()
        })
    }

    fn is_to_be_logged(&self) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let due = logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL);
        if due {
            *logged = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_permit_is_given_back_when_its_work_ends_or_is_dropped() {
        let limiter = BootLimiter::new(2);
        let (done, work) = oneshot::channel();
        let mut one = Box::pin(limiter.run(async { Ok(work.await) }));
        let mut two = Box::pin(limiter.run(std::future::pending::<Result<(), Fault>>()));
        tokio::select! {
            biased;
            _ = &mut one => panic!("not done yet"),
            _ = &mut two => panic!("never done"),
            () = std::future::ready(()) => {}
        }
        let third = || limiter.run(std::future::ready(Ok(())));
        assert_eq!(third().await, Err(response::overloaded()));
        drop(two);
        assert_eq!(third().await, Ok(()));
        done.send(()).unwrap();
        assert_eq!(one.await, Ok(Ok(())));
        assert_eq!(limiter.permits.available_permits(), 2);
    }
}
