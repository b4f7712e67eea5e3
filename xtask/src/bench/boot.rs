//! What a boot answer costs: everybody takes the same load in turns.

use serde_json::{Map, Value, json};

use super::{
    contestants::{Field, Kind},
    figures::{Table, median, shown},
    load::{Load, Round},
};
use anyhow::Result;

/// What came out of it.
pub(super) struct Outcome {
    pub(super) markdown: String,
    pub(super) json: Value,
}

/// A row of the table: its name, in the JSON, which figure, and digits after the point.
type Row = (&'static str, &'static str, fn(&Round) -> f64, usize);
const ROWS: &[Row] = &[
    (
        "requests per second",
        "requests_per_second",
        |it| it.requests_per_second,
        0,
    ),
    (
        "server CPU per request, µs",
        "cpu_micros_per_request",
        Round::cpu_micros,
        1,
    ),
    (
        "database server CPU per request, µs",
        "database_cpu_micros_per_request",
        Round::database_cpu_micros,
        1,
    ),
    ("latency p50, ms", "p50_ms", |it| it.p50_ms, 2),
    ("latency p99, ms", "p99_ms", |it| it.p99_ms, 2),
    ("latency p99.9, ms", "p999_ms", |it| it.p999_ms, 2),
    ("memory (RSS), MiB", "rss_mib", Round::rss_mib, 1),
    ("memory (PSS), MiB", "pss_mib", Round::pss_mib, 1),
];

/// Gives load to all in turns, and says what came out.
pub(super) fn run(field: &Field, load: &Load, rounds: u64, nodes: u32) -> Result<Outcome> {
    let mut measured: Vec<Vec<Round>> = field.all.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..field.all.len()).collect();
        // Who goes first alternates, so that a slow phase of the machine hits everybody.
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            if let (Some(contestant), Some(rounds)) =
                (field.all.get(index), measured.get_mut(index))
            {
                rounds.push(load.run(&contestant.target)?);
            }
        }
    }
    Ok(Outcome {
        markdown: markdown(field, &measured, nodes),
        json: to_json(field, &measured, nodes),
    })
}

fn of(rounds: &[Round], figure: fn(&Round) -> f64) -> f64 {
    median(&rounds.iter().map(figure).collect::<Vec<_>>())
}

/// The rounds of what the others are measured by.
fn baseline<'a>(field: &Field, measured: &'a [Vec<Round>]) -> Option<&'a [Round]> {
    let position = field.all.iter().position(|it| it.kind == Kind::Nginx)?;
    measured.get(position).map(Vec::as_slice)
}

fn markdown(field: &Field, measured: &[Vec<Round>], nodes: u32) -> String {
    let baseline = baseline(field, measured);
    let rounds = measured.first().map_or(0, Vec::len);
    let mut headings = vec![String::new()];
    headings.extend(field.all.iter().map(|it| it.kind.title().to_owned()));
    let mut table = Table::new(headings);
    for &(name, _, figure, digits) in ROWS {
        let base = baseline.map(|it| of(it, figure));
        let mut cells = vec![name.to_owned()];
        cells.extend(field.all.iter().zip(measured).map(|(contestant, rounds)| {
            let value = of(rounds, figure);
            match base {
                Some(base) if base > 0.0 && contestant.kind != Kind::Nginx => {
                    format!("{} (×{:.2})", shown(value, digits), value / base)
                }
                _ => shown(value, digits),
            }
        }));
        table.row(cells);
    }
    let mut line = |name: &str, cells: Vec<String>| {
        table.row(std::iter::once(name.to_owned()).chain(cells));
    };
    line(
        "CPU of each process, µs per request",
        measured
            .iter()
            .map(|it| by_process(it, |it| it.cpu_seconds * 1e6))
            .collect(),
    );
    line(
        "memory of each under load (RSS), MiB",
        measured
            .iter()
            .map(|it| by_process(it, |it| it.rss_mib))
            .collect(),
    );
    let idle = field.all.iter().map(|it| {
        let each: Vec<String> = it.idle.iter().map(|(_, it)| shown(it.rss_mib, 1)).collect();
        each.join(" + ")
    });
    line("memory of each idle (RSS), MiB", idle.collect());
    let first = field.all.iter().map(|it| shown(it.first_script_ms, 0));
    line("start to first script, ms", first.collect());
    let others = measured
        .iter()
        .map(|it| shown(of(it, |it| it.others_percent), 0));
    line("machine used by others, %", others.collect());
    let failed = measured.iter().map(|it| it.iter().map(Round::failed).sum());
    line(
        "failed requests, all rounds",
        failed.map(|it| shown(it, 0)).collect(),
    );
    format!(
        "{nodes} nodes, a script of {} bytes each; wrk with 64 connections; medians of {rounds} \
         rounds; in parentheses the ratio to nginx without a log\n\n{}",
        field.script_bytes,
        table.into_text()
    )
}

/// One figure of each process, the median of all rounds.
fn by_process(rounds: &[Round], figure: fn(&super::process::Usage) -> f64) -> String {
    let Some(first) = rounds.first() else {
        return shown(f64::NAN, 0);
    };
    let each = first.processes.iter().map(|(name, _)| {
        let values = rounds.iter().flat_map(|it| &it.processes);
        let values = values.filter(|(other, _)| other == name);
        let values: Vec<f64> = values.map(|(_, it)| figure(it)).collect();
        let value = shown(median(&values), 1);
        if first.processes.len() > 1 {
            format!("{name} {value}")
        } else {
            value
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

fn to_json(field: &Field, measured: &[Vec<Round>], nodes: u32) -> Value {
    let baseline = baseline(field, measured);
    let contestants: Map<String, Value> = field
        .all
        .iter()
        .zip(measured)
        .map(|(contestant, rounds)| {
            let (mut medians, mut ratios) = (Map::new(), Map::new());
            for &(_, key, figure, _) in ROWS {
                let value = of(rounds, figure);
                medians.insert(key.to_owned(), json!(value));
                let ratio = baseline.map(|it| value / of(it, figure));
                let ratio = ratio.filter(|it| it.is_finite());
                ratios.insert(key.to_owned(), json!(ratio));
            }
            let idle: Map<String, Value> = contestant
                .idle
                .iter()
                .map(|(name, it)| {
                    let memory = json!({ "rss_mib": it.rss_mib, "pss_mib": it.pss_mib });
                    ((*name).to_owned(), memory)
                })
                .collect();
            let figures = json!({
                "name": contestant.kind.title(),
                "first_script_ms": contestant.first_script_ms,
                "idle": idle,
                "medians": medians,
                "ratios": ratios,
                "rounds": rounds.iter().map(Round::json).collect::<Vec<_>>(),
            });
            (contestant.kind.key().to_owned(), figures)
        })
        .collect();
    json!({
        "nodes": nodes,
        "script_bytes": field.script_bytes,
        "baseline": Kind::Nginx.key(),
        "contestants": contestants,
    })
}
