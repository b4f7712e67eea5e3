//! What a boot request costs: all variants take the same load in turns.

use anyhow::{Context, Result};

use crate::Bench;
use crate::client;
use crate::figures::{Table, rounds, shown};
use crate::variants::{RAMDISK, Variant};
use crate::wrk::{Load, Round};

pub(crate) fn run(bench: &Bench) -> Result<String> {
    let deployment = bench.setup(RAMDISK).start(&bench.variants(&[]))?;
    let load = Load::of_scripts(bench.nodes, bench.time())?;
    let services = &deployment.services;
    let measured = rounds(services, bench.rounds, |it| load.run(&it.target))?;
    let is_baseline = |title: &str| title == Variant::Nginx.title();
    let nginx = services.iter().position(|it| is_baseline(&it.title));
    let nginx = nginx.and_then(|it| measured.get(it)).map(Vec::as_slice);
    let mut table = Table::new("");
    for (service, rounds) in services.iter().zip(&measured) {
        let mut cells = Round::cells(rounds, nginx.filter(|_| !is_baseline(&service.title)));
        cells.push(("memory idle (RSS), MiB", shown(service.idle.rss, 1)));
        cells.push(("start to first script, ms", shown(service.first_script_ms, 0)));
        table.row(&service.title, cells);
    }
    let first = &services.first().context("nothing was measured")?.target;
    Ok(format!(
        "{} nodes, a script of {} bytes each; wrk with 64 connections; medians of {} rounds; in \
         parentheses the ratio to nginx without a log\n\n{}",
        bench.nodes,
        client::get(first.address, &first.path(0))?.length,
        bench.rounds,
        table.transposed()
    ))
}
