//! Writes log lines on a separate thread, so that no other thread waits for the reader of the log.
//!
//! Lines are queued in a buffer, which the thread writes as a whole. The queue is bounded: when it
//! is full because standard error is not read fast enough, lines are dropped and counted, and a
//! line reports their number as soon as possible. The last quarter of the queue is reserved for
//! warnings and errors. At exit the process waits briefly for the queue to be written. If the
//! process is killed, the last milliseconds are lost.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::format::line_about_the_log;

/// The size of the queue, in bytes.
const QUEUE: usize = 4 * 1024 * 1024;
/// The part reserved for warnings and errors, in bytes.
const RESERVED: usize = QUEUE / 4;
/// The capacity that an empty buffer keeps, in bytes.
const KEPT: usize = 256 * 1024;
/// How long lines are collected under load.
const PAUSE: Duration = Duration::from_millis(2);
/// The pause before retrying a blocked non-blocking sink (a terminal or socket).
const RETRY: Duration = Duration::from_millis(10);

/// The destination of lines. Clones share it.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// The queue is not empty, and the thread is asleep.
    some: Condvar,
    /// Lines were written or dropped.
    progress: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    /// Whether the thread must be woken.
    asleep: bool,
    /// The number of lines dropped since the thread last took the queue.
    dropped: u64,
    /// The total number of queued bytes.
    queued: u64,
    /// How many of them the thread has processed.
    done: u64,
}

/// A line to be queued.
pub(super) struct Line<'l> {
    lines: &'l Lines,
    /// The maximum queue length including this line.
    limit: usize,
}

impl Lines {
    /// Starts the thread that writes to `sink`.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Self(Arc::default());
        let shared = Arc::clone(&lines.0);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.run(Sink::new(sink)))?;
        Ok(lines)
    }

    /// Waits until all lines queued so far are written, at most `limit`. Returns whether they are.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut queue = self.0.queue();
        let all = queue.queued;
        while queue.done < all {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            let woken = self.0.progress.wait_timeout(queue, left);
            queue = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Shared {
    /// Only held briefly, never while writing.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut sink: Sink<impl Write>) {
        let mut spare = Vec::new();
        loop {
            let mut queue = self.queue();
            while queue.lines.is_empty() {
                queue.asleep = true;
                let woken = self.some.wait(queue);
                queue = woken.unwrap_or_else(PoisonError::into_inner);
                queue.asleep = false;
            }
            let mut lines = std::mem::replace(&mut queue.lines, spare);
            let dropped = std::mem::take(&mut queue.dropped);
            let upto = queue.queued;
            drop(queue);
            sink.write(&lines);
            sink.lost(dropped, "standard error was not read fast enough");
            self.queue().done = upto;
            self.progress.notify_all();
            lines.clear();
            lines.shrink_to(KEPT);
            spare = lines;
            thread::sleep(PAUSE);
        }
    }

    fn push(&self, line: &[u8], limit: usize) {
        let mut queue = self.queue();
        if queue.lines.len() + line.len() > limit {
            queue.dropped += 1;
            return;
        }
        queue.lines.extend_from_slice(line);
        queue.queued += u64::try_from(line.len()).unwrap_or_default();
        let asleep = queue.asleep;
        drop(queue);
        if asleep {
            self.some.notify_one();
        }
    }
}

/// The thread's sink, and what could not be written.
struct Sink<W> {
    to: W,
    /// The number of lost lines not yet reported.
    lost: u64,
    why: String,
    /// Whether the last line is incomplete.
    torn: bool,
}

impl<W: Write> Sink<W> {
    fn new(to: W) -> Self {
        Self {
            to,
            lost: 0,
            why: String::new(),
            torn: false,
        }
    }

    /// Writes lines after a report of lost ones. Lines that cannot be written are counted.
    fn write(&mut self, lines: &[u8]) {
        if !self.report() {
            self.lost += count(lines);
        } else if let Err((rest, error)) = self.put(lines) {
            self.lost += count(rest);
            self.why = error.to_string();
        }
    }

    /// Counts lost lines, and reports them as soon as possible.
    fn lost(&mut self, lines: u64, why: &str) {
        if lines > 0 {
            self.lost += lines;
            why.clone_into(&mut self.why);
            self.report();
        }
    }

    /// Reports lost lines, if any. Returns whether nothing is left to report.
    fn report(&mut self) -> bool {
        if self.lost > 0 {
            let line = line_about_the_log(self.lost, &self.why);
            if self.put(line.as_bytes()).is_ok() {
                self.lost = 0;
            }
        }
        self.lost == 0
    }

    /// Writes all of `bytes`, or returns the rest if the sink fails.
    fn put<'b>(&mut self, bytes: &'b [u8]) -> Result<(), (&'b [u8], io::Error)> {
        if self.torn {
            self.put_all(b"\n").map_err(|(_, error)| (bytes, error))?;
            self.torn = false;
        }
        let done = self.put_all(bytes);
        if let Err((rest, _)) = &done {
            let written = bytes.len() - rest.len();
            let last = written.checked_sub(1).and_then(|last| bytes.get(last));
            self.torn = last.is_some_and(|last| *last != b'\n');
        }
        done
    }

    fn put_all<'b>(&mut self, bytes: &'b [u8]) -> Result<(), (&'b [u8], io::Error)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(0) => return Err((rest, ErrorKind::WriteZero.into())),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) => return Err((rest, error)),
            }
        }
        Ok(())
    }
}

/// The number of complete lines.
fn count(lines: &[u8]) -> u64 {
    let ends = lines.split(|byte| *byte == b'\n').count().saturating_sub(1);
    u64::try_from(ends).unwrap_or(u64::MAX)
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.0.push(line, self.limit);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'l> MakeWriter<'l> for Lines {
    type Writer = Line<'l>;

    fn make_writer(&'l self) -> Line<'l> {
        Line {
            lines: self,
            limit: QUEUE,
        }
    }

    fn make_writer_for(&'l self, about: &Metadata<'_>) -> Line<'l> {
        let urgent = *about.level() <= Level::WARN;
        Line {
            lines: self,
            limit: if urgent { QUEUE } else { QUEUE - RESERVED },
        }
    }
}

#[cfg(test)]
mod tests;
