//! Writing lines from a thread of its own, so that no request waits for the system to take one.
//!
//! Lines gather in a buffer, and the thread writes all that there are at once. A warning or an
//! error is written before the code goes on, with all lines before it; so is everything when the
//! process ends in any way that lets it say so. When lines come faster than they can be written,
//! whoever logs waits: none is dropped. A process that is killed takes the last milliseconds with
//! it.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How much may wait to be written, in bytes.
const MOST: usize = 256 * 1024;
/// How long lines gather while there are many.
const PAUSE: Duration = Duration::from_millis(2);

/// Where lines go. Clones are the same place.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    gathered: Mutex<Gathered>,
    /// There are lines, and the thread sleeps.
    some: Condvar,
    /// There is room again.
    room: Condvar,
    out: Mutex<Out>,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    /// Whether the thread must be woken.
    asleep: bool,
    /// Nobody writes for others any more.
    ended: bool,
}

struct Out {
    sink: Box<dyn Write + Send>,
    /// An empty buffer, for when the full one is taken away.
    spare: Vec<u8>,
}

/// One line on its way.
pub(super) struct Line<'l> {
    lines: &'l Lines,
    at_once: bool,
}

impl Lines {
    /// Starts the thread that writes to `sink`.
    pub(super) fn start(sink: impl Write + Send + 'static) -> Self {
        let lines = Self(Arc::new(Shared {
            gathered: Mutex::default(),
            some: Condvar::new(),
            room: Condvar::new(),
            out: Mutex::new(Out {
                sink: Box::new(sink),
                spare: Vec::new(),
            }),
        }));
        let shared = Arc::clone(&lines.0);
        let thread = thread::Builder::new().name("log".to_owned());
        if thread.spawn(move || shared.run()).is_err() {
            lines.0.gathered().ended = true;
        }
        lines
    }

    /// Writes what there is. From now on, each line is written at once.
    pub(super) fn end(&self) {
        self.0.gathered().ended = true;
        self.0.some.notify_all();
        self.0.write_out(&[]);
    }
}

impl Shared {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let mut gathered = self.gathered();
            while gathered.lines.is_empty() && !gathered.ended {
                gathered.asleep = true;
                let woken = self.some.wait(gathered);
                gathered = woken.unwrap_or_else(PoisonError::into_inner);
                gathered.asleep = false;
            }
            if gathered.ended {
                return;
            }
            drop(gathered);
            self.write_out(&[]);
            thread::sleep(PAUSE);
        }
    }

    /// Writes what has gathered, and then `last`. What cannot be written cannot be helped.
    fn write_out(&self, last: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = std::mem::take(&mut out.spare);
        let mut lines = std::mem::replace(&mut self.gathered().lines, spare);
        self.room.notify_all();
        lines.extend_from_slice(last);
        let _ = out.sink.write_all(&lines);
        lines.clear();
        out.spare = lines;
    }

    fn gather(&self, line: &[u8]) {
        let mut gathered = self.gathered();
        while gathered.lines.len() + line.len() > MOST && !gathered.lines.is_empty() {
            if gathered.ended {
                break;
            }
            let freed = self.room.wait(gathered);
            gathered = freed.unwrap_or_else(PoisonError::into_inner);
        }
        gathered.lines.extend_from_slice(line);
        let (asleep, ended) = (gathered.asleep, gathered.ended);
        drop(gathered);
        if ended {
            self.write_out(&[]);
        } else if asleep {
            self.some.notify_one();
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.at_once {
            self.lines.0.write_out(line);
        } else {
            self.lines.0.gather(line);
        }
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
            at_once: true,
        }
    }

    fn make_writer_for(&'l self, about: &Metadata<'_>) -> Line<'l> {
        Line {
            lines: self,
            at_once: *about.level() <= Level::WARN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what it is given, and counts how often.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut kept = self.0.lock().unwrap();
            kept.0.extend_from_slice(bytes);
            kept.1 += 1;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
        }
    }

    fn log(lines: &Lines, text: &str, at_once: bool) {
        let mut line = Line { lines, at_once };
        line.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn every_line_of_every_thread_is_written_once_and_in_order() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone());
        thread::scope(|scope| {
            for writer in 0..4 {
                let lines = &lines;
                scope.spawn(move || {
                    // Many times what may wait.
                    for number in 0..5_000 {
                        let text = format!("{writer} {number} {}\n", "x".repeat(100));
                        log(lines, &text, number % 1000 == 0);
                    }
                });
            }
        });
        lines.end();
        let text = sink.text();
        for writer in 0..4 {
            let prefix = format!("{writer} ");
            let numbers = text.lines().filter_map(|line| line.strip_prefix(&prefix));
            let numbers: Vec<usize> = numbers
                .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
                .collect();
            assert!(numbers.iter().copied().eq(0..5_000), "writer {writer}");
        }
        assert!(sink.0.lock().unwrap().1 < 10_000, "many at once");
    }

    #[test]
    fn what_is_urgent_is_written_with_all_before_it_and_before_the_code_goes_on() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone());
        log(&lines, "one\n", false);
        log(&lines, "two\n", false);
        log(&lines, "urgent\n", true);
        assert_eq!(sink.text(), "one\ntwo\nurgent\n");
    }

    #[test]
    fn a_single_line_needs_no_second_one_to_be_written() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone());
        log(&lines, "one\n", false);
        while sink.text() != "one\n" {
            thread::yield_now();
        }
    }

    #[test]
    fn after_the_end_each_line_is_written_at_once() {
        let sink = Sink::default();
        let lines = Lines::start(sink.clone());
        log(&lines, "one\n", false);
        lines.end();
        assert_eq!(sink.text(), "one\n");
        log(&lines, "two\n", false);
        assert_eq!(sink.text(), "one\ntwo\n");
    }
}
