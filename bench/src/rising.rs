//! Latency under rising load: requests at even distances, more and more of them, until a server no
//! longer keeps up.

use std::time::Duration;

use anyhow::Result;

use crate::Bench;
use crate::client;
use crate::contestants::{Contestant, Kind, RAMDISK};
use crate::cores::Halves;
use crate::figures::{Latencies, Table, shown};
use crate::servers::Target;

/// Requests a second.
const RATES: [f64; 17] =
    [500.0, 1e3, 2e3, 3e3, 4e3, 6e3, 8e3, 1e4, 1.3e4, 1.6e4, 2e4, 2.5e4, 3e4, 4e4, 5e4, 6.5e4, 8e4];
/// What is answered less than this, of what is asked, is not kept up with.
const ENOUGH: f64 = 0.97;

pub(crate) fn run(bench: &Bench) -> Result<String> {
    let (scratch, halves) = (tempfile::tempdir()?, Halves::new()?);
    let mut stage = bench.stage(scratch.path(), bench.nodes, RAMDISK);
    stage.cores = Some(&halves.servers);
    let field = stage.start(&bench.kinds(&[Kind::Nginx, Kind::Embedded, Kind::Postgres]))?;
    let mut headings = "requests per second".to_owned();
    let mut series = Vec::new();
    for Contestant { kind, target, .. } in &field.all {
        let title = kind.title();
        headings += &format!("|{title}: p50, ms|{title}: p99, ms");
        series.push(halves.on_load_side(|| latencies(target, bench))?);
    }
    let mut table = Table::new(&headings);
    for (index, rate) in RATES.iter().enumerate() {
        let at_rate = |it: &Vec<Latencies>| {
            let at_rate = it.get(index);
            [50.0, 99.0].map(|percent| at_rate.map_or("–".to_owned(), |it| it.cell(percent, 2)))
        };
        if series.iter().any(|it| it.len() > index) {
            table.row(&shown(*rate, 0), series.iter().flat_map(at_rate));
        }
    }
    Ok(format!(
        "Servers on processors {}, the load on others; a dash where a server no longer keeps up.\n\n{}",
        halves.servers,
        table.into_text()
    ))
}

/// Latencies at each rate that a server keeps up with.
fn latencies(target: &Target, bench: &Bench) -> Result<Vec<Latencies>> {
    let mut all = Vec::new();
    for rate in RATES {
        let offer = || {
            let (time, give_up) = (bench.time(), Duration::from_secs(5));
            client::paced(target, bench.nodes, rate, time, 256, give_up)
        };
        let mut paced = offer()?;
        if paced.accepted_per_second() < rate * ENOUGH {
            // Something else may have been in the way.
            paced = offer()?;
        }
        if paced.accepted_per_second() < rate * ENOUGH {
            break;
        }
        all.push(paced.accepted);
    }
    Ok(all)
}
