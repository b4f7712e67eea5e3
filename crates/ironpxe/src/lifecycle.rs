//! The lifecycle of the process: supervised tasks, signals, and graceful shutdown.
//!
//! [`Tasks`] is the only place that spawns. [`crate::app`] has the order of the shutdown.

mod signals;

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::signals::{ShutdownAborted, Sighup, Signals};

/// The background tasks. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Starts a task. A panic is logged with its name; other tasks continue.
    pub(crate) fn spawn(
        &self,
        name: impl Into<Cow<'static, str>>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let name = Name(name.into());
        let task = async move {
            // Dropped with the task, however it ends.
            let _name = name;
            task.await;
        };
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        tokio::spawn(self.tracker.track_future(task));
    }

    /// Runs a future to completion even if the caller is cancelled (when a client disconnects, for
    /// example). `None` if it panicked.
    pub(crate) async fn run_to_completion<T: Send + 'static>(
        &self,
        name: impl Into<Cow<'static, str>>,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, result) = tokio::sync::oneshot::channel();
        self.spawn(name, async move {
            let value = task.await;
            // The caller may be gone.
            let _ = done.send(value);
        });
        result.await.ok()
    }

    /// Cancelled when the tasks should stop.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Cancels the tasks and waits for them, at most `timeout`. Returns whether all have finished.
    pub(crate) async fn stop(&self, timeout: Duration) -> bool {
        self.stopping.cancel();
        self.tracker.close();
        tokio::time::timeout(timeout, self.tracker.wait())
            .await
            .is_ok()
    }
}

/// A task's name; logs a panic of the task when dropped.
struct Name(Cow<'static, str>);

impl Drop for Name {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = %self.0, "task panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_ends_only_its_own_task() {
        let tasks = Tasks::new();
        let stopping = tasks.stopping();
        let (ended, end) = tokio::sync::oneshot::channel();
        tasks.spawn("unlucky", async { panic!("on purpose") });
        tasks.spawn(format!("worker {}", 1), async move {
            stopping.cancelled().await;
            ended.send(()).unwrap();
        });
        assert!(tasks.stop(Duration::from_secs(5)).await);
        end.await.unwrap();
    }

    #[tokio::test]
    async fn stop_does_not_wait_forever_for_a_task() {
        let tasks = Tasks::new();
        tasks.spawn("stubborn", std::future::pending());
        assert!(!tasks.stop(Duration::from_millis(10)).await);
    }
}
