//! The life of the process: supervised tasks, signals, and the end in good order.
//!
//! [`Tasks`] is the only place that spawns. The order of the end is in [`crate::app`].

mod signals;

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::signals::{CutShort, HangUps, Signals};

/// The tasks that run beside the requests. Clones are the same set.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task. If it panics, the log says so under its name; the others go on.
    pub fn spawn(
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

    /// Runs something to its end, also if whoever waits for it stops waiting (a client that hangs
    /// up, for example). `None` if it panicked.
    pub async fn see_through<T: Send + 'static>(
        &self,
        name: impl Into<Cow<'static, str>>,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, result) = tokio::sync::oneshot::channel();
        self.spawn(name, async move {
            let value = task.await;
            // Nobody may be waiting any more.
            let _ = done.send(value);
        });
        result.await.ok()
    }

    /// Cancelled when the tasks shall come to an end.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Asks the tasks to end and waits for them, but no longer than `timeout`. Tells whether all
    /// have ended.
    pub async fn stop(&self, timeout: Duration) -> bool {
        self.stopping.cancel();
        self.tracker.close();
        tokio::time::timeout(timeout, self.tracker.wait())
            .await
            .is_ok()
    }
}

/// A task's name, which speaks up when the task panics.
struct Name(Cow<'static, str>);

impl Drop for Name {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = %self.0, "a task has panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_only_its_own_task() {
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
    async fn a_task_that_does_not_end_is_not_waited_for_forever() {
        let tasks = Tasks::new();
        tasks.spawn("stubborn", std::future::pending());
        assert!(!tasks.stop(Duration::from_millis(10)).await);
    }
}
