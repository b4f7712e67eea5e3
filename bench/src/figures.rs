//! Medians, percentiles and Markdown tables.

use std::time::Duration;

/// The value below which `percent` of the values lie; not a number if there are none.
fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position in a list of at most millions"
    )]
    let position = (number(sorted.len().saturating_sub(1)) * percent / 100.0).round() as usize;
    sorted.get(position).copied().unwrap_or(f64::NAN)
}

/// The median of one figure of all rounds.
pub(crate) fn median<T>(rounds: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    percentile(&rounds.iter().map(figure).collect::<Vec<_>>(), 50.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

/// How long requests of one kind took, in milliseconds.
#[derive(Default)]
pub(crate) struct Latencies(Vec<f64>);

impl Latencies {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e3);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// A percentile, as a cell of a table.
    pub(crate) fn cell(&self, percent: f64, digits: usize) -> String {
        shown(percentile(&self.0, percent), digits)
    }
}

/// A figure as people read it; a dash for one that there is not.
pub(crate) fn shown(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { "–".to_owned() }
}

/// A table in Markdown. The first column is words, the others are figures.
pub(crate) struct Table(String);

impl Table {
    /// `headings` are separated by `|`.
    pub(crate) fn new(headings: &str) -> Self {
        let rule = "---:|".repeat(headings.matches('|').count());
        Self(format!("| {} |\n|---|{rule}\n", headings.replace('|', " | ")))
    }

    pub(crate) fn row(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        self.0 += &format!("| {name} | {} |\n", cells.join(" | "));
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}
