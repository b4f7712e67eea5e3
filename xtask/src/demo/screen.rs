//! What the reader sees: chapters, and lines that say who speaks and when.

use std::io::{self, IsTerminal};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Result;

/// No line is longer.
const COLUMNS: usize = 100;
const INDENT: &str = "  ";

/// The terminal.
#[derive(Debug)]
pub(super) struct Screen {
    coloured: bool,
    /// Also keeps the lines of several speakers apart.
    clock: Mutex<Option<Instant>>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    Operator,
    Server,
    Images,
    Machine,
}

/// How a text is to stand out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    Bold,
    Dim,
    Green,
    Red,
}

impl Default for Screen {
    fn default() -> Self {
        let coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            coloured,
            clock: Mutex::new(None),
        }
    }
}

impl Screen {
    /// Begins a new part of the story.
    pub(super) fn chapter(&self, title: &str) {
        self.set_clock(None);
        self.print(&format!("\n{}\n\n", self.toned(Tone::Bold, title)));
    }

    /// A sentence or two to the reader.
    pub(super) fn say(&self, text: &str) {
        for row in wrap(text, COLUMNS - INDENT.len()) {
            self.print(&format!("{INDENT}{row}\n"));
        }
    }

    /// Something the reader may type; never broken, so that it can be copied.
    pub(super) fn command(&self, text: &str) {
        self.print(&format!("{INDENT}{INDENT}{text}\n"));
    }

    pub(super) fn blank(&self) {
        self.print("\n");
    }

    /// Does something that takes a while, and says what and how long it took.
    pub(super) fn step<T>(&self, title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let value = work()?;
        let took = format!("{:.1} s", start.elapsed().as_secs_f64());
        self.print(&format!(
            "{INDENT}{title:<42}{}\n",
            self.toned(Tone::Dim, &format!("{took:>8}"))
        ));
        Ok(value)
    }

    /// From now on lines show the time since now.
    pub(super) fn start_clock(&self) {
        self.set_clock(Some(Instant::now()));
    }

    /// A line of the narration.
    pub(super) fn line(&self, who: Who, text: &str) {
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        let (name, colour) = match who {
            Who::Operator => ("operator", "35"),
            Who::Server => ("server", "32"),
            Who::Images => ("images", "33"),
            Who::Machine => ("machine", "36"),
        };
        let Ok(clock) = self.clock.lock() else { return };
        let time = clock.map_or(String::new(), |start| {
            format!("{:.2} s", start.elapsed().as_secs_f64())
        });
        let mut block = String::new();
        let mut prefix = format!("{time:>8} {name:<8} │ ");
        let width = prefix.chars().count();
        for row in wrap(text, COLUMNS - width) {
            block.push_str(&self.painted(colour, &prefix));
            block.push_str(&row);
            block.push('\n');
            prefix = format!("{:>8} {:<8} │ ", "", "");
        }
        print!("{block}");
    }

    /// Prints without interruption.
    pub(super) fn print(&self, block: &str) {
        let _turn = self.clock.lock();
        print!("{block}");
    }

    fn set_clock(&self, start: Option<Instant>) {
        if let Ok(mut clock) = self.clock.lock() {
            *clock = start;
        }
    }

    /// `text`, standing out if this is a terminal.
    pub(super) fn toned(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Bold => "1",
            Tone::Dim => "2",
            Tone::Green => "32",
            Tone::Red => "31",
        };
        self.painted(code, text)
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.coloured {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Breaks a text into rows of at most `width` characters: between words, and inside of those that
/// are longer than a row.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row: Vec<char> = Vec::new();
    for (index, word) in text.split(' ').enumerate() {
        let word: Vec<char> = word.chars().collect();
        if index > 0 {
            row.push(' ');
        }
        if row.len() + word.len() > width && word.len() <= width {
            rows.push(std::mem::take(&mut row));
        }
        row.extend(word);
        while row.len() > width {
            let rest = row.split_off(width);
            rows.push(std::mem::replace(&mut row, rest));
        }
    }
    rows.push(row);
    rows.into_iter()
        .map(|row| row.iter().collect::<String>().trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_wrapped_between_words_without_loss() {
        assert_eq!(wrap("one two three", 9), ["one two", "three"]);
        assert_eq!(wrap("one two", 7), ["one two"]);
        assert_eq!(wrap("", 7), [""]);
    }

    #[test]
    fn only_words_longer_than_a_row_are_broken() {
        assert_eq!(
            wrap("a http://10.0.2.2 b", 8),
            ["a http:/", "/10.0.2.", "2 b"]
        );
        assert_eq!(wrap("  indented twice", 12), ["  indented", "twice"]);
    }
}
