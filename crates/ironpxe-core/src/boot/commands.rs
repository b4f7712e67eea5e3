//! Checks which words of a rendered script are commands, and that the template wrote them.
//!
//! Words are checked one by one when they are printed (`environment.rs`); their position is only
//! known in the finished script. The rule: *the first word of every command is the template's own
//! text*. iPXE would execute a value at the beginning of a line, or after `||`, `&&` or `;`. The
//! same goes for a value after `time`, which executes the rest of its line, and after a
//! `${setting}` that is empty, because iPXE expands settings before it splits a line into words.
//!
//! A command reads leading words that begin with `-` as its options. So a value in that position
//! must not begin with `-`, and neither must text for the console: `echo -----` is an error in
//! iPXE.
//!
//! For the same reason a value must not be part of a separator (`|` printed before the template's
//! own `|`) nor of a `${setting}`, where it would select the setting.

use std::ops::Range;

use minijinja::{OutputSpan, OutputSpanKind};

use super::kernel_args::MAX_BYTES;
use super::text;

/// Longer than any useful line: a kernel line with the longest URL and arguments has about half of
/// it. iPXE itself only limits lines by its heap.
const MAX_LINE: usize = 8192;

/// A rule violation in a script.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ScriptError {
    /// The offset in the script.
    pub(super) at: usize,
    /// The description.
    pub(super) message: String,
}

/// Returns the first flaw of a script; `spans` has the origin of each part.
pub(super) fn check(script: &str, spans: &[OutputSpan]) -> Result<(), ScriptError> {
    if script.starts_with(text::BYTE_ORDER_MARK) {
        return found(
            0,
            "the file begins with a byte order mark (BOM), but iPXE needs a script that \
             begins with #!ipxe: save it as UTF-8 without BOM",
        );
    }
    if let Some(at) = script.find("\r\n") {
        return found(
            at,
            "the line endings are CRLF, but iPXE needs LF: save the file with Unix \
             line endings",
        );
    }
    if !script.starts_with("#!ipxe\n") {
        return found(0, "the script must begin with the line #!ipxe");
    }
    let odd = |byte: &u8| !matches!(byte, b'\n' | b'\t' | b' '..=b'~');
    if let Some(at) = script.as_bytes().iter().position(odd) {
        return found(
            at,
            "only printable ASCII characters are allowed in a script",
        );
    }
    let values = Values(values(script, spans));
    let mut start = 0;
    for line in script.split('\n') {
        values.check_line(start, line)?;
        start += line.len() + 1;
    }
    Ok(())
}

fn found(at: usize, message: &str) -> Result<(), ScriptError> {
    Err(ScriptError {
        at,
        message: message.to_owned(),
    })
}

/// The parts of the script that are not template text, in order.
fn values(script: &str, spans: &[OutputSpan]) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    let mut end = 0;
    for span in spans {
        if span.kind() == OutputSpanKind::Raw {
            let own = span.output_range();
            if end < own.start {
                values.push(end..own.start);
            }
            end = own.end;
        }
    }
    if end < script.len() {
        values.push(end..script.len());
    }
    values
}

struct Values(Vec<Range<usize>>);

impl Values {
    /// Whether the range overlaps a value.
    fn touch(&self, range: &Range<usize>) -> bool {
        let Self(values) = self;
        let next = values.partition_point(|value| value.end <= range.start);
        values
            .get(next)
            .is_some_and(|value| value.start < range.end)
    }

    fn check_line(&self, start: usize, line: &str) -> Result<(), ScriptError> {
        if line.len() > MAX_LINE {
            let message = format!("the line is {} bytes long; at most {MAX_LINE}", line.len());
            return found(start, &message);
        }
        if line.ends_with('\\') {
            // It would hide where a command begins.
            return found(
                start,
                "line continuation with \\ is not supported; write a single line",
            );
        }
        // The first line is `#!ipxe`.
        if start > 0 {
            self.check_words(start, line)?;
            self.check_settings(start, line)?;
        }
        let bytes = kernel_arguments(line);
        if bytes > MAX_BYTES {
            let message = format!(
                "the kernel command line is {bytes} bytes long; the limit on BIOS machines is \
                 {MAX_BYTES}"
            );
            return found(start, &message);
        }
        Ok(())
    }

    fn check_words(&self, start: usize, line: &str) -> Result<(), ScriptError> {
        let mut begins = true;
        let mut options = Options::default();
        for (at, word) in words(line) {
            let at = start + at;
            if begins {
                options = Options::of(word);
            } else if options.takes(word) {
                self.check_option(options.command, at, word)?;
            }
            let has_value = self.touch(&(at..at + word.len()));
            if has_value && is_separator(word) {
                return found(at, "a printed value would end the command");
            }
            if begins && has_value {
                let message = "a printed value would be executed as a command; put a literal \
                               command before it, for example echo";
                return found(at, message);
            }
            if begins && word.contains("${") {
                return found(at, "a command must be a word, not a ${setting}");
            }
            begins = is_separator(word) || (begins && word == "time");
        }
        Ok(())
    }

    /// Rejects a value that the command would read as an option.
    fn check_option(&self, command: &str, at: usize, word: &str) -> Result<(), ScriptError> {
        let name = word.split_once('=').map_or(word, |(name, _)| name);
        if self.touch(&(at..at + name.len())) {
            let message = format!(
                "{command} would read a printed value as an option; put a literal \
                 word before it"
            );
            return found(at, &message);
        }
        if command == "echo" && !matches!(word, "-n" | "--") {
            let message = format!(
                "echo would read {word} as an option; begin the text with another character"
            );
            return found(at, &message);
        }
        Ok(())
    }

    /// Rejects a value within `${…}`, or that is part of its delimiters.
    fn check_settings(&self, start: usize, line: &str) -> Result<(), ScriptError> {
        let mut depth = 0_usize;
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let at = start + line.len() - rest.len();
            let (opens, length) = match c {
                '$' if rest.starts_with("${") => (true, 2),
                c => (false, c.len_utf8()),
            };
            if (opens || depth > 0) && self.touch(&(at..at + length)) {
                return found(at, "a printed value cannot be part of a ${setting}");
            }
            if opens {
                depth += 1;
            } else if c == '}' {
                depth = depth.saturating_sub(1);
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Finds the end of a command's options like iPXE's `getopt_long`: before the first word that is
/// neither an option nor an option's argument, or after `--`.
#[derive(Default)]
struct Options<'l> {
    command: &'l str,
    over: bool,
    argument_follows: bool,
}

impl<'l> Options<'l> {
    fn of(command: &'l str) -> Self {
        Self {
            command,
            ..Self::default()
        }
    }

    /// Whether the next word is an option.
    fn takes(&mut self, word: &str) -> bool {
        if self.over || std::mem::take(&mut self.argument_follows) {
            return false;
        }
        let is_option = word.starts_with('-');
        self.over = !is_option || word == "--";
        self.argument_follows = is_option && needs_argument(self.command, word);
        is_option
    }
}

/// Whether the next word is the argument of this option. Source: the option tables in iPXE's
/// `hci/commands/`.
fn needs_argument(command: &str, option: &str) -> bool {
    match option {
        // In sanboot it is --no-describe, in echo it suppresses the line feed.
        "-n" => !matches!(command, "sanboot" | "sanhook" | "echo"),
        // In others it is --keep.
        "-k" | "--key" => matches!(command, "item" | "prompt"),
        // In others it is a flag.
        "-d" | "--default" => !matches!(command, "item" | "menu"),
        "-t" | "-f" | "-e" | "-l" | "-c" | "-s" | "--timeout" | "--name" | "--drive"
        | "--filename" | "--extra" | "--label" | "--configurator" | "--signer" | "--params" => true,
        _ => false,
    }
}

/// The words of a line with their offsets.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut end = 0;
    line.split([' ', '\t']).filter_map(move |word| {
        let at = end;
        end += word.len() + 1;
        (!word.is_empty()).then_some((at, word))
    })
}

fn is_separator(word: &str) -> bool {
    matches!(word, ";" | "&&" | "||")
}

/// The length of the kernel command line of a `kernel` or `imgargs` line in bytes; 0 for other
/// lines. iPXE truncates it silently if it is too long.
fn kernel_arguments(line: &str) -> usize {
    let mut words = words(line).map(|(_, word)| word);
    if !matches!(words.next(), Some("kernel" | "imgargs")) {
        return 0;
    }
    // Skips the options and the image.
    let mut options = Options::of("kernel");
    while words
        .next()
        .is_some_and(|word| options.takes(word) || !options.over)
    {}
    let arguments = words.take_while(|word| !is_separator(word));
    arguments
        .map(|word| word.len() + 1)
        .sum::<usize>()
        .saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_arguments_are_counted_after_the_url() {
        for (line, bytes) in [
            ("kernel http://h/k a b=c || goto x", 5),
            (
                "kernel --timeout 5 -n k --autofree http://h/k  a \tb ; boot",
                3,
            ),
            ("kernel --name=k http://h/k", 0),
            ("imgargs k a", 1),
            ("kernel", 0),
            ("echo kernel http://h/k a b=c", 0),
        ] {
            assert_eq!(kernel_arguments(line), bytes, "{line}");
        }
    }
}
