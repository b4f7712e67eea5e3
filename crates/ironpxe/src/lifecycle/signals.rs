//! SIGTERM and Ctrl-C: the first asks for an end in good order, the second is obeyed at once.
//! SIGHUP asks for files to be read again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of a process that did not end in good order.
const CUT_SHORT: i32 = 130;

/// The signals that end the process, caught from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one, and gives its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }

    /// Waits for one more while `work` goes on; if it comes, the process ends at once.
    pub async fn or_exit<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            signal = self.next() => {
                tracing::warn!("{signal} again: exiting at once");
                std::process::exit(CUT_SHORT)
            }
        }
    }
}

/// SIGHUP, caught from the moment this is made: from then on it ends the process no more.
#[derive(Debug)]
pub struct HangUps(Signal);

impl HangUps {
    /// Catches them from now on.
    pub fn catch() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for one. Some that come close together are one.
    pub async fn next(&mut self) {
        // Never `None`: signals do not end.
        self.0.recv().await;
    }
}
