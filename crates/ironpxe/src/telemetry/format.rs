//! What a line of the log looks like: `TIME LEVEL target: what happened field=value …`.
//!
//! There is one line for each boot, so it is written in one go: what does not change within a second
//! is written once in a second, and texts are copied as they are where nothing in them must be
//! escaped. One event is one line, whatever is in its texts: no name and no answer of another
//! service can begin a line of its own, or speak to the terminal.

use std::cell::Cell;
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
        colours.write(&mut out, DIM, &Moment::now().text())?;
        out.write_char(' ')?;
        let (colour, level) = level(*about.level());
        colours.write(&mut out, colour, level)?;
        out.write_char(' ')?;
        colours.write(&mut out, DIM, about.target())?;
        colours.write(&mut out, DIM, ":")?;
        let mut words = Words {
            out,
            colours,
            done: Ok(()),
        };
        event.record(&mut words);
        words.done?;
        words.out.write_char('\n')
    }
}

/// As long as each other, so that what comes after them stands in a column.
fn level(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::ERROR => ("\x1b[31m", "ERROR"),
        Level::WARN => ("\x1b[33m", " WARN"),
        Level::INFO => ("\x1b[32m", " INFO"),
        Level::DEBUG => ("\x1b[34m", "DEBUG"),
        Level::TRACE => ("\x1b[35m", "TRACE"),
    }
}

/// Whether there are any.
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

/// Writes what an event says.
struct Words<'w> {
    out: Writer<'w>,
    colours: Colours,
    done: fmt::Result,
}

impl Words<'_> {
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

/// The field of the text itself.
const MESSAGE: &str = "message";

impl Visit for Words<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let quoted = field.name() != MESSAGE;
        self.add(field, |out| {
            let plain = |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
            if !quoted {
                Escaping(out).write_str(value)
            } else if value.bytes().all(plain) {
                out.write_char('"')?;
                out.write_str(value)?;
                out.write_char('"')
            } else {
                write!(out, "{value:?}")
            }
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, |out| write!(Escaping(out), "{value:?}"));
    }
}

/// Writes control characters as Rust would in a string, and everything else as it is.
struct Escaping<'e, 'w>(&'e mut Writer<'w>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The bytes of other characters than ASCII's are left to be looked at one by one.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.0.write_str(text);
        }
        for letter in text.chars() {
            if letter.is_control() {
                write!(self.0, "{}", letter.escape_default())?;
            } else {
                self.0.write_char(letter)?;
            }
        }
        Ok(())
    }
}

/// `2026-11-25T10:57:18.123456Z`
#[derive(Clone, Copy)]
struct Moment([u8; 27]);

impl Moment {
    fn now() -> Self {
        thread_local! {
            static LAST: Cell<(i64, Moment)> = const { Cell::new((i64::MIN, Moment([b'0'; 27]))) };
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
        // Years of more digits are far away.
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
    fn a_line_says_when_how_bad_where_and_what() {
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
    fn no_text_begins_a_line_or_speaks_to_the_terminal() {
        let evil = "a\nERROR b\x1b[2J\u{9b}2J\"\\ä";
        let told = line(|| {
            tracing::info!(quoted = evil, shown = %evil, "{evil}");
        });
        let shown = "a\\nERROR b\\u{1b}[2J\\u{9b}2J\"\\ä";
        assert!(told.contains(&format!(": {shown} quoted=")), "{told}");
        assert!(told.contains(&format!(" shown={shown}")), "{told}");
        assert!(told.contains(&format!("quoted={evil:?}")), "{told}");
        assert!(!told.chars().any(char::is_control), "{told:?}");
    }

    #[test]
    fn on_a_terminal_it_has_colours() {
        let told = logged(true, || tracing::warn!(a = 1, "text"));
        assert!(told.contains("\x1b[33m WARN\x1b[0m"), "{told:?}");
        assert!(
            told.ends_with(" text \x1b[3ma\x1b[0m\x1b[2m=\x1b[0m1\n"),
            "{told:?}"
        );
    }

    #[test]
    fn a_moment_has_all_its_digits() {
        let mut moment = Moment::of_the_second(time::macros::datetime!(2026-02-03 04:05:06 UTC));
        for (microsecond, text) in [(0, "000000"), (70_809, "070809"), (999_999, "999999")] {
            moment.set_microsecond(microsecond);
            assert_eq!(moment.text(), format!("2026-02-03T04:05:06.{text}Z"));
        }
    }
}
