//! What came out, as a table for people and as JSON for comparisons over time.

use std::{fmt::Write as _, fs, thread};

use serde_json::{Map, Value, json};

use super::{load::Round, nodes::Timings};

pub(super) struct Report {
    pub(super) nodes: u32,
    pub(super) script_bytes: u64,
    pub(super) timings: Timings,
    pub(super) versions: Vec<(&'static str, String)>,
    pub(super) ironpxe: Vec<Round>,
    pub(super) nginx: Vec<Round>,
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
            "{} nodes, a script of {} bytes each; 64 connections; medians of {} rounds\n",
            self.nodes,
            self.script_bytes,
            self.ironpxe.len()
        )?;
        writeln!(out, "| | ironpxe | nginx, static files | ironpxe / nginx |")?;
        writeln!(out, "|---|---:|---:|---:|")?;
        for &(name, _, figure, digits) in ROWS {
            let ours = median(&self.ironpxe, figure);
            let theirs = median(&self.nginx, figure);
            writeln!(
                out,
                "| {name} | {ours:.digits$} | {theirs:.digits$} | {:.2} |",
                ours / theirs
            )?;
        }
        let failed = |rounds: &[Round]| -> f64 {
            rounds
                .iter()
                .map(|round| round.refused + round.broken)
                .sum()
        };
        let others = |rounds: &[Round]| median(rounds, |round| round.others_percent);
        let (ours, theirs) = (others(&self.ironpxe), others(&self.nginx));
        writeln!(
            out,
            "| machine busy with other programs, % | {ours:.0} | {theirs:.0} | |"
        )?;
        let (ours, theirs) = (failed(&self.ironpxe), failed(&self.nginx));
        writeln!(
            out,
            "| failed requests, all rounds | {ours:.0} | {theirs:.0} | |\n"
        )?;

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
        let mut medians = Map::new();
        for &(_, key, figure, _) in ROWS {
            let ours = median(&self.ironpxe, figure);
            let theirs = median(&self.nginx, figure);
            let row = json!({ "ironpxe": ours, "nginx": theirs, "ratio": ours / theirs });
            medians.insert(key.to_owned(), row);
        }
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
        let rounds = |rounds: &[Round]| rounds.iter().map(Round::json).collect::<Vec<_>>();
        let (cores, cpu, kernel) = machine();
        json!({
            "machine": { "cores": cores, "cpu": cpu, "kernel": kernel },
            "versions": versions,
            "nodes": self.nodes,
            "script_bytes": self.script_bytes,
            "medians": medians,
            "rounds": { "ironpxe": rounds(&self.ironpxe), "nginx": rounds(&self.nginx) },
            "populate": timings,
        })
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
