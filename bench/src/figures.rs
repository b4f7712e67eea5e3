//! Rounds, medians, percentiles and Markdown tables.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Instant;

use anyhow::Result;

/// Measures each of `all` so many times. They take turns in alternating order, so that a slow phase of the
/// machine hits all of them.
pub(crate) fn rounds<T, R>(
    all: &[T],
    count: u64,
    measure: impl Fn(&T) -> Result<R>,
) -> Result<Vec<Vec<R>>> {
    let mut measured: Vec<Vec<R>> = all.iter().map(|_| Vec::new()).collect();
    for round in 0..count {
        let mut turns: Vec<_> = all.iter().zip(&mut measured).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for (one, results) in turns {
            results.push(measure(one)?);
        }
    }
    Ok(measured)
}

/// The value below which `percent` of the values lie; not a number if there are none.
pub(crate) fn percentile(mut values: Vec<f64>, percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position in a list of at most millions"
    )]
    let position = (number(values.len().saturating_sub(1)) * percent / 100.0).round() as usize;
    values.get(position).copied().unwrap_or(f64::NAN)
}

/// The median of one figure of all rounds.
pub(crate) fn median<T>(rounds: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    percentile(rounds.iter().map(figure).collect(), 50.0)
}

/// The median of values, and in parentheses the least and the greatest.
pub(crate) fn spread(values: &[f64]) -> String {
    let [least, median, most] =
        [0.0, 50.0, 100.0].map(|percent| shown(percentile(values.to_vec(), percent), 2));
    format!("{median} ({least}–{most})")
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    number(usize::try_from(bytes).unwrap_or(usize::MAX)) / 1024.0 / 1024.0
}

/// How long things took, in milliseconds, by what came of them.
#[derive(Default)]
pub(crate) struct Tally(RefCell<BTreeMap<&'static str, Vec<f64>>>);

impl Tally {
    pub(crate) fn record(&self, what: &'static str, since: Instant) {
        let mut all = self.0.borrow_mut();
        all.entry(what).or_default().push(since.elapsed().as_secs_f64() * 1e3);
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.0.borrow().get(what).map_or(0, Vec::len)
    }

    pub(crate) fn times(&self, what: &str) -> Vec<f64> {
        self.0.borrow().get(what).cloned().unwrap_or_default()
    }

    /// A percentile, as a cell of a table.
    pub(crate) fn cell(&self, what: &str, percent: f64, digits: usize) -> String {
        shown(percentile(self.times(what), percent), digits)
    }
}

/// A figure as people read it; a dash for one that there is not.
pub(crate) fn shown(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { "–".to_owned() }
}

/// Cells of a table with their headings.
pub(crate) type Cells<const N: usize> = [(&'static str, String); N];

/// A table in Markdown. The first column has names, the others have figures.
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    /// `corner` is the heading of the names.
    pub(crate) fn new(corner: &str) -> Self {
        Self(vec![vec![corner.to_owned()]])
    }

    /// Adds a row of cells with their headings, which are the same in every row.
    pub(crate) fn row<Heading: Into<String>>(
        &mut self,
        name: &str,
        cells: impl IntoIterator<Item = (Heading, String)>,
    ) {
        let mut row = vec![name.to_owned()];
        for (heading, cell) in cells {
            if let [headings] = self.0.as_mut_slice() {
                headings.push(heading.into());
            }
            row.push(cell);
        }
        self.0.push(row);
    }

    /// The same with rows as columns.
    pub(crate) fn transposed(&self) -> Self {
        let width = self.0.first().map_or(0, Vec::len);
        let column = |it| self.0.iter().filter_map(|row| row.get(it).cloned()).collect();
        Self((0..width).map(column).collect())
    }
}

impl Display for Table {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (number, row) in self.0.iter().enumerate() {
            writeln!(out, "| {} |", row.join(" | "))?;
            if number == 0 {
                writeln!(out, "|---|{}", "---:|".repeat(row.len() - 1))?;
            }
        }
        Ok(())
    }
}
