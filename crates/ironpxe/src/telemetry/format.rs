//! The format of log lines: `TIME LEVEL target: message field=value …`.
//!
//! Each boot logs a line, so formatting is fast: the date is formatted once per second, and plain
//! texts are copied. An event is always a single line: no name and no response of another service
//! can begin a new line, control the terminal, or reorder the text.
//!
//! Texts cannot imitate fields either. A field's value with a space, quotation mark, backslash or
//! invisible character is quoted like a Rust string; so is a message that contains an equals sign
//! or begins with a quotation mark. So the fields of a line begin at the first ` name=` outside of
//! quotation marks.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug, Write};

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

const DIM: &str = "\x1b[2m";
const ITALIC: &str = "\x1b[3m";
const PLAIN: &str = "\x1b[0m";

/// The format of all lines.
pub(super) struct Format;

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let colours = Colours(out.has_ansi_escapes());
        let about = event.metadata();
        colours.write(&mut out, DIM, &FormattedTime::now().text())?;
        out.write_char(' ')?;
        let (colour, level) = level(*about.level());
        colours.write(&mut out, colour, level)?;
        out.write_char(' ')?;
        colours.write(&mut out, DIM, about.target())?;
        colours.write(&mut out, DIM, ":")?;
        let mut words = FieldWriter {
            out,
            colours,
            done: Ok(()),
        };
        event.record(&mut words);
        words.done?;
        words.out.write_char('\n')
    }
}

/// Padded to the same width.
fn level(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::ERROR => ("\x1b[31m", "ERROR"),
        Level::WARN => ("\x1b[33m", " WARN"),
        Level::INFO => ("\x1b[32m", " INFO"),
        Level::DEBUG => ("\x1b[34m", "DEBUG"),
        Level::TRACE => ("\x1b[35m", "TRACE"),
    }
}

/// Whether colours are enabled.
#[derive(Clone, Copy)]
struct Colours(bool);

impl Colours {
    fn write(self, out: &mut Writer<'_>, colour: &str, text: &str) -> fmt::Result {
        if !self.0 {
            return out.write_str(text);
        }
        for part in [colour, text, PLAIN] {
            out.write_str(part)?;
        }
        Ok(())
    }
}

/// Writes an event's message and fields.
struct FieldWriter<'w> {
    out: Writer<'w>,
    colours: Colours,
    done: fmt::Result,
}

impl FieldWriter<'_> {
    fn add(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.done.is_ok() {
            self.done = self.begin(field.name()).and_then(|()| value(&mut self.out));
        }
    }

    fn begin(&mut self, name: &str) -> fmt::Result {
        self.out.write_char(' ')?;
        if name == MESSAGE {
            return Ok(());
        }
        self.colours.write(&mut self.out, ITALIC, name)?;
        self.colours.write(&mut self.out, DIM, "=")
    }
}

/// The field of the message.
const MESSAGE: &str = "message";

impl Visit for FieldWriter<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let message = field.name() == MESSAGE;
        self.add(field, |out| {
            if message {
                write_message(out, value)
            } else if value.bytes().all(is_plain) {
                out.write_char('"')?;
                out.write_str(value)?;
                out.write_char('"')
            } else {
                write!(out, "{value:?}")
            }
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let message = field.name() == MESSAGE;
        self.add(field, |out| {
            with_text(value, |text| {
                if message {
                    write_message(out, text)
                } else {
                    write_value(out, text)
                }
            })
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |out| write!(out, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |out| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, |out| write!(out, "{value}"));
    }
}

/// Whether a byte is the same inside and outside of quotation marks.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Writes the message of an event.
fn write_message(out: &mut Writer<'_>, text: &str) -> fmt::Result {
    if text.starts_with('"') || text.contains('=') {
        return write!(out, "{text:?}");
    }
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return out.write_str(text);
    }
    for letter in text.chars() {
        if letter.is_ascii() && !letter.is_ascii_control() {
            out.write_char(letter)?;
        } else {
            // Control and format characters, including those that change the text direction,
            // separators, and unassigned characters.
            write!(out, "{}", letter.escape_debug())?;
        }
    }
    Ok(())
}

/// Writes a value in its `Debug` form.
fn write_value(out: &mut Writer<'_>, text: &str) -> fmt::Result {
    let is_word = |letter: char| {
        if letter.is_ascii() {
            letter != ' ' && u8::try_from(letter).is_ok_and(is_plain)
        } else {
            letter.escape_debug().len() == 1
        }
    };
    if !text.is_empty() && text.chars().all(is_word) || is_quoted(text) {
        return out.write_str(text);
    }
    write!(out, "{text:?}")
}

/// Whether the text is already a quoted Rust string.
fn is_quoted(text: &str) -> bool {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return false;
    };
    let mut escaped = false;
    for letter in inner.chars() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == '"' || (letter != '\'' && letter.escape_debug().len() != 1) {
            return false;
        }
    }
    !escaped
}

/// Formats `value` into a reused buffer.
fn with_text(value: &dyn Debug, then: impl FnOnce(&str) -> fmt::Result) -> fmt::Result {
    thread_local! {
        static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
    }
    TEXT.with(|text| {
        // In use only if formatting the value logs something.
        let Ok(mut text) = text.try_borrow_mut() else {
            return then(&format!("{value:?}"));
        };
        text.clear();
        text.shrink_to(MOST_KEPT);
        write!(text, "{value:?}")?;
        then(&text)
    })
}

/// The largest buffer to reuse, in bytes.
const MOST_KEPT: usize = 4096;

/// A line that reports lost lines.
pub(super) fn line_about_the_log(lost: u64, why: &str) -> String {
    format!(
        "{}  WARN ironpxe::telemetry: log lines are missing here lines={lost} reason={why:?}\n",
        FormattedTime::now().text()
    )
}

/// `2026-11-25T10:57:18.123456Z`
#[derive(Clone, Copy)]
struct FormattedTime([u8; 27]);

impl FormattedTime {
    fn now() -> Self {
        thread_local! {
            static LAST: Cell<(i64, FormattedTime)> = const { Cell::new((i64::MIN, FormattedTime([b'0'; 27]))) };
        }
        let now = clock::now();
        let second = now.unix_timestamp();
        let (of, mut moment) = LAST.get();
        if of != second {
            moment = Self::of_the_second(now);
            LAST.set((second, moment));
        }
        moment.set_microsecond(now.microsecond());
        moment
    }

    fn of_the_second(time: OffsetDateTime) -> Self {
        let text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.000000Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second()
        );
        // Years with more digits do not occur.
        Self(text.as_bytes().try_into().unwrap_or([b'?'; 27]))
    }

    fn set_microsecond(&mut self, microsecond: u32) {
        let mut rest = microsecond;
        for digit in self.0.iter_mut().rev().skip(1).take(6) {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
    }

    fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Sink {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What is logged.
    fn logged(colours: bool, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(colours)
            .event_format(Format)
            .with_writer(sink.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let written = sink.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }

    /// The line without its time, which is one.
    fn line(log: impl FnOnce()) -> String {
        let line = logged(false, log);
        let (time, rest) = line.split_once(' ').unwrap();
        let format = time::macros::format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z"
        );
        let time = time::PrimitiveDateTime::parse(time, &format).unwrap();
        assert!(clock::now() - time.assume_utc() < std::time::Duration::from_mins(1));
        rest.strip_suffix('\n').unwrap().to_owned()
    }

    #[test]
    fn line_has_time_level_target_message_and_fields() {
        let none: Option<&str> = None;
        let told = line(|| {
            tracing::info!(
                node.uuid = %"1be2",
                node.name = "a name",
                port.mac = none,
                count = 7_u64,
                spent = ?std::time::Duration::from_millis(2),
                "machine boots: {}",
                "deploy"
            );
        });
        assert_eq!(
            told,
            " INFO ironpxe::telemetry::format::tests: machine boots: deploy node.uuid=1be2 \
             node.name=\"a name\" count=7 spent=2ms"
        );
        assert!(line(|| tracing::warn!("x")).starts_with(" WARN ironpxe"));
        assert!(line(|| tracing::error!("x")).starts_with("ERROR ironpxe"));
    }

    #[test]
    fn line_breaks_and_control_characters_are_escaped() {
        let evil = "a\nERROR b\x1b[2J\u{9b}2J\"\\ä";
        let told = line(|| {
            tracing::info!(quoted = evil, shown = %evil, "{evil}");
        });
        let shown = "a\\nERROR b\\u{1b}[2J\\u{9b}2J\"\\ä";
        assert!(told.contains(&format!(": {shown} quoted=")), "{told}");
        assert!(told.contains(&format!(" shown={evil:?}")), "{told}");
        assert!(told.contains(&format!("quoted={evil:?}")), "{told}");
        assert!(!told.chars().any(char::is_control), "{told:?}");
    }

    #[test]
    fn text_that_looks_like_fields_is_quoted() {
        let path = "file:///x req.id=req-1";
        let told = line(|| {
            tracing::info!(image = %path, error = ?path, debug = ?Some("a b"), "not served: {path}");
        });
        assert!(
            told.ends_with(
                ": \"not served: file:///x req.id=req-1\" image=\"file:///x req.id=req-1\" \
                 error=\"file:///x req.id=req-1\" debug=\"Some(\\\"a b\\\")\""
            ),
            "{told}"
        );
        let told = line(|| tracing::info!("\"quoted\" by {}", "somebody"));
        assert!(told.ends_with(r#": "\"quoted\" by somebody""#), "{told}");
        // What only looks like a string of Rust's is none.
        for evil in [
            r#""a" b="c""#,
            r#""a\""#,
            "\"\u{202e}\"",
            "\"",
            "",
            "\u{a0}",
            "a\tb",
        ] {
            let told = line(|| tracing::info!(x = %evil, "m"));
            assert!(told.ends_with(&format!(": m x={evil:?}")), "{told}");
        }
        let told = line(|| tracing::info!(url = %"http://a/b?c=d&e", n = %7, "m"));
        assert!(told.ends_with(": m url=http://a/b?c=d&e n=7"), "{told}");
    }

    #[test]
    fn bidirectional_control_characters_are_escaped() {
        // Marks of direction, isolates, a byte order mark, a soft hyphen, a tag, line separators.
        let evil = "x\u{202e}\u{2066}\u{200f}\u{feff}\u{ad}\u{e0041}\u{2028}\u{2029}y";
        let told = line(|| tracing::info!(quoted = evil, shown = %evil, "says {evil}"));
        assert!(told.is_ascii(), "{told:?}");
        assert_eq!(told.matches("\\u{202e}\\u{2066}").count(), 3, "{told}");
        let told = line(|| tracing::info!(shown = %"Größe-機械", "Größe 機械"));
        assert!(told.ends_with(": Größe 機械 shown=Größe-機械"), "{told}");
    }

    #[test]
    fn lines_on_a_terminal_are_coloured() {
        let told = logged(true, || tracing::warn!(a = 1, "text"));
        assert!(told.contains("\x1b[33m WARN\x1b[0m"), "{told:?}");
        assert!(
            told.ends_with(" text \x1b[3ma\x1b[0m\x1b[2m=\x1b[0m1\n"),
            "{told:?}"
        );
    }

    #[test]
    fn timestamps_have_a_fixed_number_of_digits() {
        let mut moment =
            FormattedTime::of_the_second(time::macros::datetime!(2026-02-03 04:05:06 UTC));
        for (microsecond, text) in [(0, "000000"), (70_809, "070809"), (999_999, "999999")] {
            moment.set_microsecond(microsecond);
            assert_eq!(moment.text(), format!("2026-02-03T04:05:06.{text}Z"));
        }
    }
}
