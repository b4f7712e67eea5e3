//! Four times more requests than a server can answer, and what it makes of them.
//!
//! First as many as it answers when each of wrk's 64 connections asks again at once: that is what it
//! can do. Then four times that, at even distances, whatever it does. At last half of what it can: a
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
const HEADINGS: &str = "|it can, per second|offered, per second|answered 200, per second|\
    of what it can, %|200, of all, %|503, of all, %|other answers, %|no answer in 10 s, %|\
    200, since due: p99, ms|200, since sent: p50, ms|200, since sent: p99, ms|\
    503, since sent: p99, ms|memory before → after (RSS), MiB|then at half load: p99, ms";

pub(crate) fn run(bench: &Bench) -> Result<String> {
    let (scratch, halves) = (tempfile::tempdir()?, Halves::new()?);
    let (nodes, time) = (bench.nodes, bench.time());
    let mut stage = bench.stage(scratch.path(), nodes, RAMDISK);
    stage.cores = Some(&halves.servers);
    let field = stage.start(&bench.kinds(&[Kind::Nginx, Kind::Embedded, Kind::Postgres]))?;
    let load = Load::new(&scratch.path().join("load"), nodes, time, Some(&halves.load))?;
    let mut table = Table::new(HEADINGS);
    for Contestant { kind, target, .. } in &field.all {
        let offer = |rate: f64| {
            let give_up = Duration::from_secs(10);
            halves.on_load_side(|| client::paced(target, nodes, rate, time, CONNECTIONS, give_up))
        };
        let capacity = load.run(target)?.per_second;
        let before = target.usage()?.rss;
        let all = offer(capacity * 4.0)?;
        let after = target.usage()?.rss;
        let afterwards = offer(capacity / 2.0)?;
        let share = |count: usize| shown(number(count) / number(all.offered) * 100.0, 1);
        let status = |it: u16| all.by_status.get(&it).copied().unwrap_or_default();
        let other = all.by_status.values().sum::<usize>() - status(200) - status(503);
        let cells = [
            shown(capacity, 0),
            shown(number(all.offered) / time.as_secs_f64(), 0),
            shown(all.accepted_per_second(), 0),
            shown(all.accepted_per_second() / capacity * 100.0, 0),
            share(status(200)),
            share(status(503)),
            share(other),
            share(all.unanswered),
            all.accepted.cell(99.0, 1),
            all.accepted_since_sent.cell(50.0, 1),
            all.accepted_since_sent.cell(99.0, 1),
            all.refused_since_sent.cell(99.0, 1),
            format!("{before:.0} → {after:.0}"),
            afterwards.accepted.cell(99.0, 2),
        ];
        table.row(kind.title(), cells);
    }
    Ok(format!(
        "Servers on processors {}, the load on others; at most {CONNECTIONS} connections\n\n{}",
        halves.servers,
        table.into_text()
    ))
}
