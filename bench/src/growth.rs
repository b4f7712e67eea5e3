//! How scripts, memory and start-up grow with the number of nodes.

use std::path::Path;

use anyhow::Result;

use crate::Bench;
use crate::client;
use crate::contestants::{RAMDISK, prepare};
use crate::figures::{Table, median, shown};
use crate::servers::{BY_ADDRESS, Ironpxe, Setup};
use crate::store::Store;
use crate::wrk::{Load, Round};

const HEADINGS: &str = "database, nodes|requests per second|p50, ms|p99, ms|p99.9, ms|\
    server CPU per request, µs|database CPU per request, µs|the same, first requests|\
    p50 of first requests, ms|memory idle, MiB|under load, MiB|bytes per node|\
    start to first script, ms|database, MiB|failed";

pub(crate) fn run(bench: &Bench) -> Result<String> {
    let mut table = Table::new(HEADINGS);
    for postgres in [false, true] {
        let scratch = tempfile::tempdir()?;
        let (folder, ironpxe) = (scratch.path(), bench.ironpxe.as_path());
        let store =
            if postgres { Store::postgres(ironpxe)? } else { Store::Sqlite(folder.join("state")) };
        let setup = Setup::new(ironpxe, &store, folder);
        prepare(&setup, RAMDISK)?;
        let mut sizes = bench.sizes.clone();
        sizes.sort_unstable();
        let (mut nodes, mut first) = (0, None);
        for size in sizes {
            store.add(nodes, size)?;
            nodes = size;
            let cells = measure(bench, &setup, folder, nodes, &mut first)?;
            table.row(&format!("{}, {nodes}", store.name()), cells);
        }
    }
    Ok(table.into_text() + "\nMemory is that of ironpxe (PSS), without PostgreSQL.\n")
}

/// A row of the table. `first` are the nodes and the memory of the row with the fewest.
fn measure(
    bench: &Bench,
    setup: &Setup<'_>,
    folder: &Path,
    nodes: u32,
    first: &mut Option<(u32, f64)>,
) -> Result<Vec<String>> {
    let ironpxe = Ironpxe::start(setup)?;
    let target = ironpxe.target(BY_ADDRESS, "");
    let idle = target.usage()?.pss;
    let load = Load::new(&folder.join("load"), nodes, bench.time(), None)?;
    // Hardly any machine has asked before; then all have.
    let unknown = load.run(&target)?;
    client::each_script(&target, nodes, |_, _| Ok(()))?;
    let rounds = (0..bench.rounds).map(|_| load.run(&target));
    let rounds = rounds.collect::<Result<Vec<Round>>>()?;
    let of = |figure: fn(&Round) -> f64, digits| shown(median(&rounds, figure), digits);
    let memory = median(&rounds, |it| it.server.pss);
    let (fewest, least) = *first.get_or_insert((nodes, memory));
    let per_node = (memory - least) * 1024.0 * 1024.0 / f64::from(nodes - fewest);
    Ok(vec![
        of(|it| it.per_second, 0),
        of(|it| it.p50_ms, 2),
        of(|it| it.p99_ms, 2),
        of(|it| it.p999_ms, 2),
        of(|it| it.server.cpu * 1e6, 1),
        of(|it| it.database.cpu * 1e6, 1),
        shown(unknown.server.cpu * 1e6, 1),
        shown(unknown.p50_ms, 2),
        shown(idle, 1),
        shown(memory, 1),
        shown(per_node, 0),
        shown(ironpxe.first_script.as_secs_f64() * 1e3, 0),
        shown(setup.store.size_mib()?, 0),
        shown(rounds.iter().map(|it| it.failed).sum(), 0),
    ])
}
