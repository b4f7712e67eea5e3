//! Writing lines from a thread of its own, so that no other thread ever waits for whoever reads
//! the log.
//!
//! Lines are queued in a buffer, and the thread writes all that there are at once. The queue is
//! bounded: when it is full because standard error is not read, or not fast enough, lines are
//! dropped and counted, and one line says how many as soon as there is a reader again. The last
//! quarter of the queue is for warnings and errors alone. The end of the process waits a moment
//! for the queue to be written, and then goes on without. A process that is killed takes the last
//! milliseconds with it.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::format::line_about_the_log;

/// How much may be queued, in bytes.
const QUEUE: usize = 4 * 1024 * 1024;
/// What of it is kept free for warnings and errors, in bytes.
const RESERVED: usize = QUEUE / 4;
/// What a buffer keeps of its memory when it is empty, in bytes.
const KEPT: usize = 256 * 1024;
/// How long lines gather while there are many.
const PAUSE: Duration = Duration::from_millis(2);
/// How long a sink that takes nothing now (a terminal or socket that does not block) is left alone.
const RETRY: Duration = Duration::from_millis(10);

/// Where lines go. Clones are the same place.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There are lines, and the thread sleeps.
    some: Condvar,
    /// Something was written, or given up.
    progress: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    /// Whether the thread must be woken.
    asleep: bool,
    /// How many lines found no place since the thread last took the others.
    dropped: u64,
    /// How many bytes were ever queued.
    queued: u64,
    /// How many of them the thread is done with.
    done: u64,
}

/// One line on its way.
pub(super) struct Line<'l> {
    lines: &'l Lines,
    /// How much may be queued, this line included.
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

    /// Waits until everything is written that is queued by now, but not longer than `limit`. Tells
    /// whether it is.
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
    /// Held for moments only: never while anything is written.
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

/// Where the thread writes, and what could not be written there.
struct Sink<W> {
    to: W,
    /// How many lines are lost that no line says anything about yet.
    lost: u64,
    why: String,
    /// Whether the last line ended before its end.
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

    /// Writes lines, and before them how many are missing there. What cannot be written is counted.
    fn write(&mut self, lines: &[u8]) {
        if !self.report() {
            self.lost += count(lines);
        } else if let Err((rest, error)) = self.put(lines) {
            self.lost += count(rest);
            self.why = error.to_string();
        }
    }

    /// Counts lines that will not be written, and says so as soon as that can be written.
    fn lost(&mut self, lines: u64, why: &str) {
        if lines > 0 {
            self.lost += lines;
            why.clone_into(&mut self.why);
            self.report();
        }
    }

    /// Says how many lines are missing, if any are. Tells whether nothing is left to be said.
    fn report(&mut self) -> bool {
        if self.lost > 0 {
            let line = line_about_the_log(self.lost, &self.why);
            if self.put(line.as_bytes()).is_ok() {
                self.lost = 0;
            }
        }
        self.lost == 0
    }

    /// Writes all of `bytes`, or gives what is left of them when the sink failed.
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

/// How many lines end in there.
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
