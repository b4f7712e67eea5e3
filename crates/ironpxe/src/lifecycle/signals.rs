//! Signals: the first SIGTERM or SIGINT starts a graceful shutdown, the second one aborts it.
//! SIGHUP reloads files.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A second signal during the graceful shutdown.
#[derive(Debug, thiserror::Error)]
#[error("second {signal}: shutdown aborted, requests and tasks in progress are cut off")]
pub(crate) struct ShutdownAborted {
    /// The signal's name.
    signal: &'static str,
}

/// The signals that end the process, caught from creation on.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Caught, so that exceeding `ulimit -f` is an error instead of killing the process.
    _file_size: Signal,
}

impl Signals {
    /// Installs the handlers.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for a signal, and returns its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }

    /// Waits for another signal while `work` runs; a signal aborts the wait.
    pub(crate) async fn or_aborted<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, ShutdownAborted> {
        tokio::select! {
            done = work => Ok(done),
            signal = self.next() => Err(ShutdownAborted { signal }),
        }
    }
}

/// SIGHUP, caught from creation on; it no longer kills the process.
#[derive(Debug)]
pub(crate) struct Sighup(Signal);

impl Sighup {
    /// Installs the handler.
    pub(crate) fn catch() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for a signal. Several in quick succession count as one.
    pub(crate) async fn next(&mut self) {
        // Never `None`: the stream does not end.
        self.0.recv().await;
    }
}
