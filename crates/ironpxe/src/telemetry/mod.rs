//! The log: lines on standard error, written by a thread of their own.

mod format;
mod lines;

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use self::format::Format;
use self::lines::Lines;

/// What is logged unless `IRONPXE_LOG` says otherwise.
const USUAL: &str = "info,sqlx=warn,hyper=warn";
/// The same with `[DEFAULT]debug`.
const DEBUG: &str = "info,ironpxe=debug,ironpxe_core=debug,sqlx=warn,hyper=warn";

/// `IRONPXE_LOG` cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("IRONPXE_LOG: {filter:?} is no filter, for example \"info,ironpxe=debug\"")]
pub struct BadFilter {
    /// What it is.
    filter: String,
    /// What is wrong with it.
    source: ParseError,
}

/// Why logging does not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It is not known what to log.
    #[error(transparent)]
    Filter(#[from] BadFilter),
    /// There is no thread for it.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] std::io::Error),
}

/// How long the end of the process waits for whoever reads the log.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// The log of this process. When it is dropped, all lines are written, unless nobody reads them.
#[must_use]
pub struct Log(Lines);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(FLUSH_LIMIT);
    }
}

/// Checks what [`start`] would take, and starts nothing.
pub fn check(debug: bool, filter: Option<&str>) -> Result<(), LogError> {
    parse(debug, filter)?;
    Ok(())
}

fn parse(debug: bool, filter: Option<&str>) -> Result<EnvFilter, BadFilter> {
    let usual = if debug { DEBUG } else { USUAL };
    let text = filter.unwrap_or(usual);
    EnvFilter::builder()
        .parse(text)
        .map_err(|source| BadFilter {
            filter: text.to_owned(),
            source,
        })
}

/// Starts logging: short lines, in colour on a terminal. `filter` is `IRONPXE_LOG`, if set.
/// Panics are logged too, so that none goes by unseen.
pub fn start(debug: bool, filter: Option<&str>) -> Result<Log, LogError> {
    let filter = parse(debug, filter)?;
    let lines = Lines::start(stderr()).map_err(LogError::Thread)?;
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(stderr().is_terminal())
        .event_format(Format)
        .with_writer(lines.clone())
        .with_env_filter(filter);
    // Fails only where logging was started already, as a second server of one test would.
    let _ = subscriber.try_init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
    }));
    Ok(Log(lines))
}
