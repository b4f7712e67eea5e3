use super::*;

/// A limit that no test reaches, unless the log is stuck.
const LONG: Duration = Duration::from_mins(1);

/// Keeps what it is given, counts how often, and waits or fails when it is told to.
#[derive(Clone, Default)]
struct Recorder(Arc<(Mutex<Recorded>, Condvar)>);

#[derive(Default)]
struct Recorded {
    bytes: Vec<u8>,
    writes: usize,
    /// Nothing is read.
    stuck: bool,
    /// A write waits for a reader.
    waiting: bool,
    /// How many bytes there is capacity for.
    capacity: Option<usize>,
}

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut recorded = self.0.0.lock().unwrap();
        while recorded.stuck {
            recorded.waiting = true;
            self.0.1.notify_all();
            recorded = self.0.1.wait(recorded).unwrap();
        }
        recorded.waiting = false;
        recorded.writes += 1;
        let taken = bytes.len().min(recorded.capacity.unwrap_or(usize::MAX));
        if taken == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        recorded.bytes.extend_from_slice(&bytes[..taken]);
        if let Some(capacity) = &mut recorded.capacity {
            *capacity -= taken;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Recorder {
    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().bytes.clone()).unwrap()
    }

    fn set(&self, set: impl FnOnce(&mut Recorded)) {
        set(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// Waits until a write waits for a reader.
    fn until_waiting(&self) {
        let mut recorded = self.0.0.lock().unwrap();
        while !recorded.waiting {
            recorded = self.0.1.wait(recorded).unwrap();
        }
    }
}

fn log(lines: &Lines, text: &str, urgent: bool) {
    let limit = if urgent { QUEUE } else { QUEUE - RESERVED };
    let mut line = Line { lines, limit };
    line.write_all(text.as_bytes()).unwrap();
}

/// How many lines the log says are missing.
fn missing(text: &str) -> u64 {
    let reports = text.lines().filter(|line| line.contains("log lines"));
    reports
        .map(|line| line.split("lines=").nth(1).unwrap())
        .map(|rest| rest.split(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

#[test]
fn lines_of_every_thread_are_written_once_and_in_order() {
    let recorder = Recorder::default();
    let lines = Lines::start(recorder.clone()).unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let lines = &lines;
            scope.spawn(move || {
                // All of it fits into the queue.
                for number in 0..5_000 {
                    let text = format!("{writer} {number} {}\n", "x".repeat(100));
                    log(lines, &text, number % 1000 == 0);
                }
            });
        }
    });
    assert!(lines.flush(LONG));
    let text = recorder.text();
    for writer in 0..4 {
        let prefix = format!("{writer} ");
        let numbers = text.lines().filter_map(|line| line.strip_prefix(&prefix));
        let numbers: Vec<usize> = numbers
            .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(numbers.iter().copied().eq(0..5_000), "writer {writer}");
    }
    assert!(recorder.0.0.lock().unwrap().writes < 10_000, "many at once");
}

#[test]
fn single_line_is_written_without_a_second_one() {
    let recorder = Recorder::default();
    let lines = Lines::start(recorder.clone()).unwrap();
    log(&lines, "one\n", false);
    assert!(lines.flush(LONG));
    assert_eq!(recorder.text(), "one\n");
    log(&lines, "two\n", true);
    assert!(lines.flush(LONG));
    assert_eq!(recorder.text(), "one\ntwo\n");
}

#[test]
fn stalled_reader_blocks_no_writer_and_dropped_lines_are_counted() {
    let recorder = Recorder::default();
    recorder.set(|it| it.stuck = true);
    let lines = Lines::start(recorder.clone()).unwrap();
    let line = format!("{}\n", "x".repeat(999));
    // The thread takes one line and then nothing until there is a reader.
    log(&lines, &line, false);
    recorder.until_waiting();
    // Three times what may be queued.
    let all = 3 * QUEUE / line.len();
    for _ in 1..all {
        log(&lines, &line, false);
    }
    // There is still capacity for what matters, and the end does not wait for a reader.
    log(&lines, "urgent\n", true);
    assert!(!lines.flush(Duration::from_millis(10)));
    recorder.set(|it| it.stuck = false);
    assert!(lines.flush(LONG));
    let text = recorder.text();
    assert_eq!(text.matches("urgent\n").count(), 1);
    let written = text.lines().filter(|line| line.starts_with('x')).count();
    assert_eq!(
        u64::try_from(written).unwrap() + missing(&text),
        u64::try_from(all).unwrap()
    );
    let reports: Vec<&str> = text.lines().filter(|it| it.contains(" WARN ")).collect();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(
        reports[0].contains("was not read fast enough"),
        "{reports:?}"
    );
    assert!(lines.0.queue().lines.capacity() <= QUEUE);
}

#[test]
fn lines_lost_to_a_full_disk_are_counted_when_space_returns() {
    let recorder = Recorder::default();
    recorder.set(|it| it.capacity = Some(6));
    let lines = Lines::start(recorder.clone()).unwrap();
    for text in ["one\n", "two\n", "three\n"] {
        log(&lines, text, false);
        assert!(lines.flush(LONG));
    }
    assert_eq!(recorder.text(), "one\ntw");
    recorder.set(|it| it.capacity = None);
    log(&lines, "four\n", false);
    assert!(lines.flush(LONG));
    let text = recorder.text();
    let (before, after) = text.split_at("one\ntw\n".len());
    assert_eq!(before, "one\ntw\n", "the torn line has an end");
    assert_eq!(missing(after), 2, "{after}");
    assert!(
        after.ends_with("four\n") && after.lines().count() == 2,
        "{after}"
    );
}
