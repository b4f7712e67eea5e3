//! What a boot request costs: all contestants take the same load in turns.

use anyhow::Result;

use crate::Bench;
use crate::contestants::{Kind, RAMDISK};
use crate::figures::{Table, median, shown};
use crate::wrk::{Load, Round};

/// A row of the table: its name, which figure, and digits after the point.
type Row = (&'static str, fn(&Round) -> f64, usize);
const ROWS: [Row; 8] = [
    ("requests per second", |it| it.per_second, 0),
    ("server CPU per request, µs", |it| it.server.cpu * 1e6, 1),
    ("database server CPU per request, µs", |it| it.database.cpu * 1e6, 1),
    ("latency p50, ms", |it| it.p50_ms, 2),
    ("latency p99, ms", |it| it.p99_ms, 2),
    ("latency p99.9, ms", |it| it.p999_ms, 2),
    ("memory (RSS), MiB", |it| it.server.rss, 1),
    ("memory (PSS), MiB", |it| it.server.pss, 1),
];

pub(crate) fn run(bench: &Bench) -> Result<String> {
    let (scratch, nodes) = (tempfile::tempdir()?, bench.nodes);
    let field = bench.stage(scratch.path(), nodes, RAMDISK).start(&bench.kinds(&[]))?;
    let load = Load::new(&scratch.path().join("load"), nodes, bench.time(), None)?;
    let mut measured: Vec<Vec<Round>> = field.all.iter().map(|_| Vec::new()).collect();
    for round in 0..bench.rounds {
        let mut turns: Vec<_> = field.all.iter().zip(&mut measured).collect();
        // The order alternates, so that a slow phase of the machine hits all of them.
        if round % 2 == 1 {
            turns.reverse();
        }
        for (contestant, rounds) in turns {
            rounds.push(load.run(&contestant.target)?);
        }
    }
    let baseline = field.all.iter().position(|it| it.kind == Kind::Nginx);
    let baseline = baseline.and_then(|it| measured.get(it));
    let titles: Vec<&str> = field.all.iter().map(|it| it.title.as_str()).collect();
    let mut table = Table::new(&format!("|{}", titles.join("|")));
    for (name, figure, digits) in ROWS {
        let base = baseline.map(|it| median(it, figure)).filter(|it| *it > 0.0);
        let cell = |(contestant, rounds): (_, &Vec<Round>)| {
            let contestant: &crate::contestants::Contestant = contestant;
            let value = median(rounds, figure);
            let ratio = base.filter(|_| contestant.kind != Kind::Nginx);
            let ratio = ratio.map(|base| format!(" (×{:.2})", value / base));
            shown(value, digits) + &ratio.unwrap_or_default()
        };
        table.row(name, field.all.iter().zip(&measured).map(cell));
    }
    table.row("memory idle (RSS), MiB", field.all.iter().map(|it| shown(it.idle.rss, 1)));
    let first = field.all.iter().map(|it| shown(it.first_script_ms, 0));
    table.row("start to first script, ms", first);
    let failed = measured.iter().map(|it| shown(it.iter().map(|it| it.failed).sum(), 0));
    table.row("failed requests, all rounds", failed);
    Ok(format!(
        "{nodes} nodes, a script of {} bytes each; wrk with 64 connections; medians of {} rounds; in \
         parentheses the ratio to nginx without a log\n\n{}",
        field.script_bytes,
        bench.rounds,
        table.into_text()
    ))
}
