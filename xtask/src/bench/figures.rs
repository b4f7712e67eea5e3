//! Numbers and tables: what all parts of the benchmark make of their measurements.

use std::{fmt::Write as _, fs, thread, time::Duration};

use serde_json::{Value, json};

/// The value below which `percent` of the values lie; the middle of two where it falls between
/// them. Not a number if there are none.
pub(super) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positions in a list of at most millions"
    )]
    let (low, rest) = {
        let exact = sorted.len().saturating_sub(1) as f64 * percent / 100.0;
        (exact as usize, exact.fract())
    };
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if rest < 1e-9 {
        at(low)
    } else {
        f64::midpoint(at(low), at(low + 1))
    }
}

pub(super) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// How long requests of one kind took.
#[derive(Default)]
pub(super) struct Latencies(Vec<f64>);

impl Latencies {
    pub(super) fn push(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e3);
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// In milliseconds.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        percentile(&self.0, percent)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "count": self.count(),
            "p50_ms": self.percentile(50.0),
            "p99_ms": self.percentile(99.0),
            "p999_ms": self.percentile(99.9),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}

/// A table in Markdown. The first column is words, the others are figures.
pub(super) struct Table {
    columns: usize,
    text: String,
}

impl Table {
    pub(super) fn new<T: AsRef<str>>(headings: impl IntoIterator<Item = T>) -> Self {
        let mut table = Self {
            columns: 0,
            text: String::new(),
        };
        table.columns = table.line(headings);
        let others = table.columns.saturating_sub(1);
        let _ = writeln!(table.text, "|---|{}", "---:|".repeat(others));
        table
    }

    pub(super) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let written = self.line(cells);
        debug_assert_eq!(written, self.columns, "a row of another width");
    }

    fn line<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) -> usize {
        let mut written = 0;
        self.text.push('|');
        for cell in cells {
            let _ = write!(self.text, " {} |", cell.as_ref());
            written += 1;
        }
        self.text.push('\n');
        written
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// A figure as people read it; a dash for one that there is not.
pub(super) fn shown(value: f64, digits: usize) -> String {
    if value.is_finite() {
        format!("{value:.digits$}")
    } else {
        "–".to_owned()
    }
}

/// Cores, processor, kernel.
pub(super) fn machine() -> Value {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown processor".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({ "cores": cores, "cpu": cpu, "kernel": kernel.trim() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_few_values() {
        let close = |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-9, "{got}");
        close(percentile(&[3.0, 1.0, 2.0], 50.0), 2.0);
        close(percentile(&[4.0, 1.0, 2.0, 3.0], 50.0), 2.5);
        close(percentile(&[7.0], 99.9), 7.0);
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(["", "a", "b"]);
        table.row(["x".to_owned(), shown(1.25, 1), shown(f64::NAN, 1)]);
        assert_eq!(
            table.into_text(),
            "| | a | b |\n|---|---:|---:|\n| x | 1.2 | – |\n".replace("| |", "|  |")
        );
    }
}
