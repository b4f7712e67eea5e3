//! What a serial console said, made readable.
//!
//! Firmware draws on a terminal: it colours, steps back over its own progress dots, and breaks
//! lines at 80 columns wherever a word happens to be. [`Console`] keeps two views of it. The
//! *lines* are what a person at the screen would have read, with broken lines joined again. The
//! *stream* is every printable character in the order it came, without any line ends, so that a
//! text is found wherever it was broken and even if it was wiped out a moment later.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::journal::{Journal, hold};

/// The width at which PC firmware wraps.
const COLUMNS: usize = 80;

/// A console that one thread feeds and others read.
#[derive(Debug, Default)]
pub struct Console {
    transcript: Mutex<Transcript>,
    changed: Condvar,
    /// The finished lines, for those who want to follow.
    pub lines: Journal<String>,
}

#[derive(Debug, Default)]
struct Transcript {
    screen: Screen,
    finished: String,
    stream: String,
    closed: bool,
}

/// How a wait on the console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The text is there.
    Found,
    /// The console was closed without it.
    Closed,
    /// The time is over.
    TimedOut,
}

impl Console {
    /// Takes what the machine sent.
    pub fn feed(&self, bytes: &[u8]) {
        let mut lines = Vec::new();
        {
            let mut transcript = hold(&self.transcript);
            let Transcript {
                screen,
                finished,
                stream,
                ..
            } = &mut *transcript;
            for byte in bytes {
                match screen.put(*byte) {
                    Effect::Printed(character) => stream.push(character),
                    Effect::Line(line) => {
                        finished.push_str(&line);
                        finished.push('\n');
                        lines.push(line);
                    }
                    Effect::None => {}
                }
            }
        }
        self.changed.notify_all();
        for line in lines {
            self.lines.push(line);
        }
    }

    /// Says that the machine will send no more.
    pub fn close(&self) {
        let unfinished = {
            let mut transcript = hold(&self.transcript);
            transcript.closed = true;
            transcript.screen.text()
        };
        self.changed.notify_all();
        if !unfinished.is_empty() {
            self.lines.push(unfinished);
        }
        self.lines.close();
    }

    /// Whether the machine will send no more.
    pub fn is_closed(&self) -> bool {
        hold(&self.transcript).closed
    }

    /// The text so far, as a person would have read it.
    pub fn text(&self) -> String {
        let transcript = hold(&self.transcript);
        format!("{}{}", transcript.finished, transcript.screen.text())
    }

    /// How often `needle` was printed so far.
    pub fn count(&self, needle: &str) -> usize {
        hold(&self.transcript).stream.matches(needle).count()
    }

    /// Every printable character after the last `needle`, line ends aside; nothing without it.
    pub fn after_last(&self, needle: &str) -> String {
        let transcript = hold(&self.transcript);
        let after = transcript.stream.rsplit_once(needle);
        after.map_or_else(String::new, |(_, after)| after.to_owned())
    }

    /// Waits for `needle`, wherever the terminal may have broken it.
    pub fn wait_for(&self, needle: &str, timeout: Duration) -> Wait {
        let needle: String = needle
            .chars()
            .filter(|character| !is_break(*character))
            .collect();
        let deadline = Instant::now() + timeout;
        let mut transcript = hold(&self.transcript);
        loop {
            if transcript.holds(&needle) {
                return Wait::Found;
            }
            if transcript.closed {
                return Wait::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Wait::TimedOut;
            }
            let woken = self.changed.wait_timeout(transcript, left);
            transcript = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Transcript {
    fn holds(&self, needle: &str) -> bool {
        self.stream.contains(needle)
            || self.finished.contains(needle)
            || self.screen.text().contains(needle)
    }
}

/// One line as on a terminal: a cursor, overwriting, escape sequences, wraps.
#[derive(Debug, Default)]
struct Screen {
    line: Vec<char>,
    /// Where the row the cursor is in begins: a long line has several rows.
    row: usize,
    cursor: usize,
    escape: Escape,
}

#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    Started,
    Sequence,
}

enum Effect {
    None,
    Printed(char),
    Line(String),
}

impl Screen {
    fn put(&mut self, byte: u8) -> Effect {
        match (self.escape, byte) {
            (_, 0x1b) => self.escape = Escape::Started,
            (Escape::Started, b'[') => self.escape = Escape::Sequence,
            (Escape::Started, _) | (Escape::Sequence, 0x40..=0x7e) => self.escape = Escape::None,
            (Escape::None, b'\n') => return self.line_feed(),
            (Escape::None, b'\r') => self.cursor = self.row,
            (Escape::None, 0x08) => self.cursor = self.cursor.saturating_sub(1).max(self.row),
            (Escape::Sequence, _) | (Escape::None, 0..0x20 | 0x7f) => {}
            (Escape::None, _) => return self.print(char::from(byte)),
        }
        Effect::None
    }

    fn print(&mut self, character: char) -> Effect {
        match self.line.get_mut(self.cursor) {
            Some(place) => *place = character,
            None => self.line.push(character),
        }
        self.cursor += 1;
        Effect::Printed(character)
    }

    /// The terminal wrapped a full row, so the line continues; any other row ends its line.
    fn line_feed(&mut self) -> Effect {
        if self.line.len() == self.row + COLUMNS {
            self.row = self.line.len();
            self.cursor = self.row;
            return Effect::None;
        }
        let line = self.text();
        self.line.clear();
        self.row = 0;
        self.cursor = 0;
        Effect::Line(line)
    }

    fn text(&self) -> String {
        let text: String = self.line.iter().collect();
        text.trim_end().to_owned()
    }
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

/// One line without colours and other terminal play.
pub fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character != '\x1b' {
            plain.push(character);
        } else if characters.next() == Some('[') {
            // Up to the letter that ends the sequence.
            let _ = characters
                .by_ref()
                .find(|next| ('\x40'..='\x7e').contains(next));
        }
    }
    plain.trim_end_matches(is_break).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn console(bytes: &[u8]) -> Console {
        let console = Console::default();
        console.feed(bytes);
        console
    }

    #[test]
    fn line_wrapped_at_column_80_is_joined() {
        let long = "n".repeat(79) + "ode rack-7 is in state available";
        let (first, rest) = long.split_at(COLUMNS);
        let console = console(format!("{first}\r\n{rest}\r\nnext\r\n").as_bytes());
        assert_eq!(console.text(), format!("{long}\nnext\n"));
        assert_eq!(
            console.wait_for("node rack-7 is in state available", NOW),
            Wait::Found
        );
    }

    #[test]
    fn line_of_exactly_80_columns_is_not_joined_with_the_next() {
        // The firmware wraps at once, and then sends the line's own end.
        let full = "y".repeat(COLUMNS);
        let console = console(format!("{full}\r\n\nnext\r\n").as_bytes());
        assert_eq!(console.text(), format!("{full}\nnext\n"));
    }

    #[test]
    fn longer_unwrapped_line_stays_one_line() {
        let long = "k".repeat(200);
        let console = console(format!("{long}\r\nnext\r\n").as_bytes());
        assert_eq!(console.text(), format!("{long}\nnext\n"));
    }

    #[test]
    fn colours_and_erased_text_are_removed_but_erased_text_can_be_waited_for() {
        let console =
            console(b"\x1bc\x1b[?7l\x1b[2J\x1b[0;1miPXE\x1b[0m\r\nPress\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08net0: up\r\n");
        assert_eq!(console.text(), "iPXE\nnet0: up\n");
        assert_eq!(console.wait_for("Press", NOW), Wait::Found);
    }

    #[test]
    fn overwritten_progress_is_reduced_to_its_last_value() {
        let console = console(b"kernel...  1%\x08\x08\x08 99%\x08\x08\x08\x08  ok\r\n");
        assert_eq!(console.text(), "kernel...   ok\n");
        assert_eq!(console.wait_for("kernel...   ok", NOW), Wait::Found);
    }

    #[test]
    fn escape_sequence_split_between_reads_is_recognized() {
        let console = Console::default();
        for piece in [&b"a\x1b"[..], b"[0;", b"36mb\r", b"\n"] {
            console.feed(piece);
        }
        assert_eq!(console.text(), "ab\n");
    }

    #[test]
    fn wait_ends_when_the_machine_is_off() {
        let console = console(b"No more network devices");
        assert_eq!(console.wait_for("ok", NOW), Wait::TimedOut);
        console.close();
        assert_eq!(console.wait_for("ok", Duration::from_mins(1)), Wait::Closed);
        assert_eq!(
            console.wait_for("No more network\r\n devices", NOW),
            Wait::Found
        );
        assert_eq!(console.lines.entries(), ["No more network devices"]);
    }

    #[test]
    fn colours_are_removed_from_log_lines() {
        assert_eq!(
            plain("\x1b[2m12:00\x1b[0m \x1b[33mWARN\x1b[0m x=[1]\r\n"),
            "12:00 WARN x=[1]"
        );
    }
}
