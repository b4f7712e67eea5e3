//! SIGTERM and Ctrl-C: the first asks for an end in good order, the second is obeyed at once.
//! SIGHUP asks for files to be read again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A second signal came before everything had ended in good order.
#[derive(Debug, thiserror::Error)]
#[error("{signal} came again: what was under way is cut off")]
pub struct CutShort {
    /// Its name.
    signal: &'static str,
}

/// The signals that end the process, caught from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Caught, so that a file that has reached `ulimit -f` is an error, and not the end.
    _file_size: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for one, and gives its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }

    /// Waits for one more while `work` goes on; if it comes, nothing more is waited for.
    pub async fn or_cut_short<T>(&mut self, work: impl Future<Output = T>) -> Result<T, CutShort> {
        tokio::select! {
            done = work => Ok(done),
            signal = self.next() => Err(CutShort { signal }),
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
