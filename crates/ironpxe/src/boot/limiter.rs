//! Load shedding: limits the number of concurrent boot requests.
//!
//! If more machines send requests than the database can serve, each waits longer, until all time
//! out and retry. So requests over the limit get 503 with `Retry-After`, which firmware honours,
//! and the others are served at full speed. The 503 is delayed: immediate responses to thousands of
//! retrying machines would take the CPU time that the others need.

use std::time::Duration;

use ironpxe_core::error::Fault;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::warn;

use super::response;
use crate::log_interval::LogInterval;

/// The delay of a 503.
const PAUSE: Duration = Duration::from_millis(200);

/// Limits concurrent requests.
#[derive(Debug)]
pub(super) struct BootLimiter {
    permits: Semaphore,
    limit: usize,
    logged: LogInterval,
}

impl BootLimiter {
    /// At most `limit` concurrent requests (`[api]max_boot_requests`).
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            permits: Semaphore::new(limit),
            limit,
            logged: LogInterval::default(),
        }
    }

    /// Runs the request, or fails after a delay if the limit is reached.
    pub(super) async fn run<T, E: From<Fault>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match self.acquire() {
            Ok(_permit) => work.await,
            Err(fault) => {
                tokio::time::sleep(PAUSE).await;
                Err(fault.into())
            }
        }
    }

    fn acquire(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.permits.try_acquire().map_err(|_| {
            if self.logged.is_due() {
                warn!(
                    "{} boot requests are in progress, the limit of [api]max_boot_requests: \
                     further requests get 503 and retry",
                    self.limit
                );
            }
            response::overloaded()
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn permit_is_released_when_its_work_ends_or_is_dropped() {
        let limiter = BootLimiter::new(2);
        let (done, work) = oneshot::channel();
        let mut one = Box::pin(limiter.run(async { Ok::<_, Fault>(work.await) }));
        let mut two = Box::pin(limiter.run(std::future::pending::<Result<(), Fault>>()));
        tokio::select! {
            biased;
            _ = &mut one => panic!("not done yet"),
            _ = &mut two => panic!("never done"),
            () = std::future::ready(()) => {}
        }
        let third = || limiter.run(std::future::ready(Ok::<(), Fault>(())));
        assert_eq!(third().await, Err(response::overloaded()));
        drop(two);
        assert_eq!(third().await, Ok(()));
        done.send(()).unwrap();
        assert_eq!(one.await, Ok(Ok(())));
        assert_eq!(limiter.permits.available_permits(), 2);
    }
}
