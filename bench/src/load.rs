//! From a quarter of what a server can answer to four times that, and back to half.
//!
//! What it can is what it answers when each of wrk's 64 connections asks again at once. The other
//! requests come at even distances, whatever the server does. At the end comes half of what it can: a
//! server that took the overload well is its old self.

use std::time::Duration;

use anyhow::Result;

use crate::Bench;
use crate::client;
use crate::contestants::{Contestant, Kind, RAMDISK};
use crate::cores::Halves;
use crate::figures::{Table, number, shown};
use crate::wrk::Load;

/// How many machines wait at the same time at most.
const CONNECTIONS: u32 = 4096;
/// Parts of what a server can.
const STEPS: [f64; 6] = [0.25, 0.5, 0.75, 0.9, 4.0, 0.5];
const HEADINGS: &str = "server, of what it can|offered, per second|answered 200, per second|\
    200, of all, %|503, of all, %|other answers, %|no answer in 10 s, %|since due: p50, ms|\
    since due: p99, ms|since sent: p50, ms|since sent: p99, ms|503, since sent: p99, ms|\
    memory (RSS), MiB";

pub(crate) fn run(bench: &Bench) -> Result<String> {
    let (scratch, halves) = (tempfile::tempdir()?, Halves::new()?);
    let (nodes, time) = (bench.nodes, bench.time());
    let mut stage = bench.stage(scratch.path(), nodes, RAMDISK);
    stage.cores = Some(&halves.servers);
    let field = stage.start(&bench.kinds(&[Kind::Nginx, Kind::Embedded, Kind::Postgres]))?;
    let load = Load::new(&scratch.path().join("load"), nodes, time, Some(&halves.load))?;
    let mut table = Table::new(HEADINGS);
    for Contestant { title, target, .. } in &field.all {
        let capacity = load.run(target)?.per_second;
        for step in STEPS {
            let (rate, give_up) = (capacity * step, Duration::from_secs(10));
            let offer = || client::paced(target, nodes, rate, time, CONNECTIONS, give_up);
            let all = halves.on_load_side(offer)?;
            let share = |count: usize| shown(number(count) / number(all.offered) * 100.0, 1);
            let status = |it: u16| all.by_status.get(&it).copied().unwrap_or_default();
            let other = all.by_status.values().sum::<usize>() - status(200) - status(503);
            let cells = [
                shown(rate, 0),
                shown(all.accepted_per_second(), 0),
                share(status(200)),
                share(status(503)),
                share(other),
                share(all.unanswered),
                all.accepted.cell(50.0, 2),
                all.accepted.cell(99.0, 2),
                all.accepted_since_sent.cell(50.0, 2),
                all.accepted_since_sent.cell(99.0, 2),
                all.refused_since_sent.cell(99.0, 1),
                shown(target.usage()?.rss, 0),
            ];
            table.row(&format!("{title}, {step:.2} × {capacity:.0}"), cells);
        }
    }
    Ok(format!(
        "Servers on processors {}, the load on others; at most {CONNECTIONS} connections\n\n{}",
        halves.servers,
        table.into_text()
    ))
}
