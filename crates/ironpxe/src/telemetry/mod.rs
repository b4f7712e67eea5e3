//! Logging to standard error by a separate thread.

mod format;
mod lines;

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt;

use self::format::Format;
use self::lines::Lines;

/// The default filter, which `IRONPXE_LOG` overrides.
const DEFAULT_FILTER: &str = "info,sqlx=warn,hyper=warn";
/// The filter with `[DEFAULT]debug`.
const DEBUG: &str = "info,ironpxe=debug,ironpxe_core=debug,sqlx=warn,hyper=warn";

/// `IRONPXE_LOG` is invalid.
#[derive(Debug, thiserror::Error)]
#[error(
    "IRONPXE_LOG: {filter:?} is not a valid filter; expected for example \"info,ironpxe=debug\""
)]
pub(crate) struct LogFilterError {
    /// The filter.
    filter: String,
    /// The error.
    source: ParseError,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// The filter is invalid.
    #[error(transparent)]
    Filter(#[from] LogFilterError),
    /// The thread cannot be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] std::io::Error),
}

/// How long the process waits for the reader of the log at exit.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// The log of this process. Dropping it flushes all lines, unless the log is not read.
#[must_use]
pub(crate) struct Log(Lines);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(FLUSH_LIMIT);
    }
}

/// Validates the filter without starting anything.
pub(crate) fn check(debug: bool, filter: Option<&str>) -> Result<(), LogError> {
    parse(debug, filter)?;
    Ok(())
}

fn parse(debug: bool, filter: Option<&str>) -> Result<EnvFilter, LogFilterError> {
    let usual = if debug { DEBUG } else { DEFAULT_FILTER };
    let text = filter.unwrap_or(usual);
    EnvFilter::builder()
        .parse(text)
        .map_err(|source| LogFilterError {
            filter: text.to_owned(),
            source,
        })
}

/// Starts logging: short lines, in colour on a terminal. `filter` is `IRONPXE_LOG`, if set. Panics
/// are logged too.
pub(crate) fn start(debug: bool, filter: Option<&str>) -> Result<Log, LogError> {
    let filter = parse(debug, filter)?;
    let lines = Lines::start(stderr()).map_err(LogError::Thread)?;
    // Fails only if logging was already started, for example by another server in a test.
    let _ = subscriber(&lines, filter, stderr().is_terminal()).try_init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
    }));
    Ok(Log(lines))
}

fn subscriber(
    lines: &Lines,
    filter: EnvFilter,
    in_colour: bool,
) -> impl Subscriber + Send + Sync + use<> {
    tracing_subscriber::fmt()
        .with_ansi(in_colour)
        .event_format(Format)
        .with_writer(lines.clone())
        .with_env_filter(filter)
        .finish()
}

/// As [`start`], for what this thread does, and to `sink`.
#[cfg(test)]
pub(crate) fn start_in_this_thread(
    sink: impl std::io::Write + Send + 'static,
) -> (tracing::subscriber::DefaultGuard, Log) {
    let lines = Lines::start(sink).unwrap();
    let subscriber = subscriber(&lines, parse(false, None).unwrap(), false);
    (tracing::subscriber::set_default(subscriber), Log(lines))
}
