//! What came out, as a table for people and as JSON for comparisons over time.

use std::{fmt::Write as _, fs, thread};

use serde_json::{Map, Value, json};

use super::{load::Round, nodes::Timings};

/// One way to serve, and what came of it.
pub(super) struct Contestant {
    /// For people.
    pub(super) name: &'static str,
    /// In the JSON.
    pub(super) key: &'static str,
    pub(super) rounds: Vec<Round>,
}

pub(super) struct Report {
    pub(super) nodes: u32,
    pub(super) script_bytes: u64,
    pub(super) timings: Timings,
    pub(super) versions: Vec<(&'static str, String)>,
    /// What the others are measured by.
    pub(super) baseline: Contestant,
    pub(super) contestants: Vec<Contestant>,
}

/// The rows: name, key in the JSON, which figure, digits after the point.
type Row = (&'static str, &'static str, fn(&Round) -> f64, usize);
const ROWS: &[Row] = &[
    (
        "requests per second",
        "requests_per_second",
        |round| round.requests_per_second,
        0,
    ),
    (
        "server CPU per request, µs",
        "cpu_micros_per_request",
        |round| round.cpu_micros,
        1,
    ),
    (
        "database server CPU per request, µs",
        "database_cpu_micros_per_request",
        |round| round.database_cpu_micros,
        1,
    ),
    ("latency p50, ms", "p50_ms", |round| round.p50_ms, 2),
    ("latency p99, ms", "p99_ms", |round| round.p99_ms, 2),
    ("memory (RSS), MiB", "rss_mib", |round| round.rss_mib, 1),
];

impl Report {
    pub(super) fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "{} nodes, a script of {} bytes each; 64 connections; medians of {} rounds; in \
             parentheses the ratio to {}\n",
            self.nodes,
            self.script_bytes,
            self.baseline.rounds.len(),
            self.baseline.name
        )?;
        let all = || std::iter::once(&self.baseline).chain(&self.contestants);
        let names: Vec<&str> = all().map(|contestant| contestant.name).collect();
        writeln!(out, "| | {} |", names.join(" | "))?;
        writeln!(out, "|---|{}", "---:|".repeat(names.len()))?;
        for &(name, _, figure, digits) in ROWS {
            let base = median(&self.baseline.rounds, figure);
            write!(out, "| {name} | {base:.digits$} |")?;
            for contestant in &self.contestants {
                let value = median(&contestant.rounds, figure);
                match value / base {
                    ratio if ratio.is_finite() => write!(out, " {value:.digits$} ({ratio:.2}) |")?,
                    _ => write!(out, " {value:.digits$} |")?,
                }
            }
            writeln!(out)?;
        }
        write!(out, "| machine busy with other programs, % |")?;
        for contestant in all() {
            let others = median(&contestant.rounds, |round| round.others_percent);
            write!(out, " {others:.0} |")?;
        }
        write!(out, "\n| failed requests, all rounds |")?;
        for contestant in all() {
            write!(out, " {:.0} |", contestant.failed())?;
        }
        writeln!(out, "\n")?;

        writeln!(
            out,
            "| filling ironpxe, 8 at once | requests | p50, ms | p99, ms |"
        )?;
        writeln!(out, "|---|---:|---:|---:|")?;
        for (kind, times) in &self.timings {
            let (p50, p99) = (percentile(times, 50), percentile(times, 99));
            writeln!(out, "| {kind} | {} | {p50:.1} | {p99:.1} |", times.len())?;
        }
        let (cores, cpu, kernel) = machine();
        writeln!(out, "\nMachine: {cores} cores, {cpu}, Linux {kernel}")?;
        let versions: Vec<&str> = self
            .versions
            .iter()
            .map(|(_, text)| text.as_str())
            .collect();
        writeln!(out, "Versions: {}", versions.join("; "))
    }

    pub(super) fn json(&self) -> Value {
        let base = &self.baseline;
        let contestants: Map<String, Value> = std::iter::once(base)
            .chain(&self.contestants)
            .map(|contestant| {
                let mut medians = Map::new();
                let mut ratios = Map::new();
                for &(_, key, figure, _) in ROWS {
                    let value = median(&contestant.rounds, figure);
                    medians.insert(key.to_owned(), json!(value));
                    let ratio = value / median(&base.rounds, figure);
                    ratios.insert(key.to_owned(), json!(ratio.is_finite().then_some(ratio)));
                }
                let rounds: Vec<Value> = contestant.rounds.iter().map(Round::json).collect();
                let figures = json!({
                    "name": contestant.name,
                    "medians": medians,
                    "ratios": ratios,
                    "rounds": rounds,
                });
                (contestant.key.to_owned(), figures)
            })
            .collect();
        let timings: Map<String, Value> = self
            .timings
            .iter()
            .map(|(kind, times)| {
                let figures = json!({
                    "requests": times.len(),
                    "p50_ms": percentile(times, 50),
                    "p99_ms": percentile(times, 99),
                });
                ((*kind).to_owned(), figures)
            })
            .collect();
        let versions: Map<String, Value> = self
            .versions
            .iter()
            .map(|(name, text)| ((*name).to_owned(), json!(text)))
            .collect();
        let (cores, cpu, kernel) = machine();
        json!({
            "machine": { "cores": cores, "cpu": cpu, "kernel": kernel },
            "versions": versions,
            "nodes": self.nodes,
            "script_bytes": self.script_bytes,
            "baseline": base.key,
            "contestants": contestants,
            "populate": timings,
        })
    }
}

impl Contestant {
    /// Answers that were none, in all rounds.
    fn failed(&self) -> f64 {
        self.rounds
            .iter()
            .map(|round| round.refused + round.broken)
            .sum()
    }
}

/// Cores, processor, kernel.
fn machine() -> (usize, String, String) {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown processor".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    (cores, cpu, kernel.trim().to_owned())
}

fn median(rounds: &[Round], figure: fn(&Round) -> f64) -> f64 {
    let values: Vec<f64> = rounds.iter().map(figure).collect();
    percentile(&values, 50)
}

/// The value below which `percent` of the values lie; the middle of two for an even median.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let scaled = sorted.len().saturating_sub(1) * percent;
    let (low, rest) = (scaled / 100, scaled % 100);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if rest == 0 {
        at(low)
    } else {
        f64::midpoint(at(low), at(low + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_of_few_values() {
        let close = |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-9, "{got}");
        close(percentile(&[3.0, 1.0, 2.0], 50), 2.0);
        close(percentile(&[4.0, 1.0, 2.0, 3.0], 50), 2.5);
        close(percentile(&[7.0], 99), 7.0);
        assert!(percentile(&[], 50).is_nan());
    }
}
