//! Which words of a finished script are commands, and whether the template wrote them.
//!
//! Words are checked one by one when they are printed (`environment.rs`); where they stand can
//! only be seen in the whole. The rule is one sentence: *the first word of every command is the
//! template's own text*. A value that begins a line, or follows `||`, `&&` or `;`, would be run as
//! a command, whoever wrote it into the node. So would one behind `time`, which runs the rest of
//! its line; and one behind a `${setting}` that turns out to be empty, because iPXE replaces
//! settings before it cuts a line into words.
//!
//! A command takes words that begin with `-` for its options until there is one that does not. So no
//! value begins so in that place, and neither does a text that is to be shown: `echo -----` is an
//! error to iPXE.
//!
//! For the same reason a value has no part in a separator (`|` printed before the template's own
//! `|`) and none in a `${setting}`, where it would choose what is read.

use std::ops::Range;

use minijinja::{OutputSpan, OutputSpanKind};

use super::kernel_args::MAX_BYTES;
use super::text;

/// Longer than any line that is meant: a kernel line with the longest URL and arguments has about
/// half of it. iPXE itself takes lines as long as its heap.
const MAX_LINE: usize = 8192;

/// What a script may not hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// Where: an offset in the script.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) message: String,
}

/// Finds the first flaw of a script, of which `spans` tells who wrote what.
pub(super) fn check(script: &str, spans: &[OutputSpan]) -> Result<(), Flaw> {
    if script.starts_with(text::BYTE_ORDER_MARK) {
        return found(
            0,
            "the file begins with a byte order mark (BOM), and iPXE takes a script only if it \
             begins with #!ipxe: save it as UTF-8 without BOM",
        );
    }
    if let Some(at) = script.find("\r\n") {
        return found(
            at,
            "line ends are CRLF, as on Windows, and iPXE needs LF alone: save the file with Unix \
             line ends",
        );
    }
    if !script.starts_with("#!ipxe\n") {
        return found(0, "the script does not start with a line #!ipxe");
    }
    let odd = |byte: &u8| !matches!(byte, b'\n' | b'\t' | b' '..=b'~');
    if let Some(at) = script.as_bytes().iter().position(odd) {
        return found(at, "only printable ASCII characters can be in a script");
    }
    let values = Values(values(script, spans));
    let mut start = 0;
    for line in script.split('\n') {
        values.check_line(start, line)?;
        start += line.len() + 1;
    }
    Ok(())
}

fn found(at: usize, message: &str) -> Result<(), Flaw> {
    Err(Flaw {
        at,
        message: message.to_owned(),
    })
}

/// The parts of the script that are not a template's own text, in order.
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
    /// Whether something of this range is a value.
    fn touch(&self, range: &Range<usize>) -> bool {
        let Self(values) = self;
        let next = values.partition_point(|value| value.end <= range.start);
        values
            .get(next)
            .is_some_and(|value| value.start < range.end)
    }

    fn check_line(&self, start: usize, line: &str) -> Result<(), Flaw> {
        if line.len() > MAX_LINE {
            let message = format!("the line is {} bytes long; at most {MAX_LINE}", line.len());
            return found(start, &message);
        }
        if line.ends_with('\\') {
            // It would hide where commands begin.
            return found(start, "a line cannot be continued with \\; write it as one");
        }
        // The first is `#!ipxe`.
        if start > 0 {
            self.check_words(start, line)?;
            self.check_settings(start, line)?;
        }
        let bytes = kernel_arguments(line);
        if bytes > MAX_BYTES {
            let message = format!(
                "the kernel command line is {bytes} bytes long; a BIOS machine takes at most \
                 {MAX_BYTES}"
            );
            return found(start, &message);
        }
        Ok(())
    }

    fn check_words(&self, start: usize, line: &str) -> Result<(), Flaw> {
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
                let message = "a printed value would be run as a command; put a command of the \
                               template's own before it, for example echo";
                return found(at, message);
            }
            if begins && word.contains("${") {
                return found(at, "a command must be a word, not a ${setting}");
            }
            begins = is_separator(word) || (begins && word == "time");
        }
        Ok(())
    }

    /// A word that a command takes for an option.
    fn check_option(&self, command: &str, at: usize, word: &str) -> Result<(), Flaw> {
        let name = word.split_once('=').map_or(word, |(name, _)| name);
        if self.touch(&(at..at + name.len())) {
            let message = format!(
                "a printed value would be taken for an option of {command}; put a word of the \
                 template's own before it"
            );
            return found(at, &message);
        }
        if command == "echo" && !matches!(word, "-n" | "--") {
            let message = format!(
                "echo would take {word} for an option; begin the text with another character"
            );
            return found(at, &message);
        }
        Ok(())
    }

    /// A value inside of `${…}`, or that helps to make one.
    fn check_settings(&self, start: usize, line: &str) -> Result<(), Flaw> {
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

/// Where the options of a command end, as iPXE's `getopt_long` finds it: before the first word that
/// is neither an option nor the argument of one, or behind `--`.
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

/// Whether the next word belongs to this option. Source: the tables of options in iPXE's
/// `hci/commands/`.
fn needs_argument(command: &str, option: &str) -> bool {
    match option {
        // With sanboot it is --no-describe, with echo the line feed that is left out.
        "-n" => !matches!(command, "sanboot" | "sanhook" | "echo"),
        // With others it is --keep.
        "-k" | "--key" => matches!(command, "item" | "prompt"),
        // With others it is a flag.
        "-d" | "--default" => !matches!(command, "item" | "menu"),
        "-t" | "-f" | "-e" | "-l" | "-c" | "-s" | "--timeout" | "--name" | "--drive"
        | "--filename" | "--extra" | "--label" | "--configurator" | "--signer" | "--params" => true,
        _ => false,
    }
}

/// The words of a line, each with its offset.
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

/// How many bytes the kernel of a `kernel` or `imgargs` line is given as its command line; 0 if
/// it is another line. iPXE cuts what is too long, silently.
fn kernel_arguments(line: &str) -> usize {
    let mut words = words(line).map(|(_, word)| word);
    if !matches!(words.next(), Some("kernel" | "imgargs")) {
        return 0;
    }
    // The options, and the image.
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
    fn a_kernels_arguments_are_what_follows_its_url() {
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
