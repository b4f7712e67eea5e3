//! How scripts, memory and start-up grow with the number of nodes.

use anyhow::{Context, Result};

use crate::Bench;
use crate::client;
use crate::figures::{Table, median, shown};
use crate::variants::{RAMDISK, Setup};
use crate::wrk::{Load, Round};

pub(crate) fn run(bench: &Bench) -> Result<String> {
    let mut table = Table::new("database, nodes");
    let mut sizes = bench.sizes.clone();
    sizes.sort_unstable();
    for variant in bench.ironpxes() {
        // The nodes and the memory of the smallest size.
        let mut smallest = None;
        for nodes in sizes.iter().copied() {
            let deployment = Setup { nodes, ..bench.setup(RAMDISK) }.deploy(&[variant])?;
            let service = deployment.services.first().context("nothing runs")?;
            let store = deployment.stores.values().last().context("no database")?;
            let load = Load::of_scripts(nodes, bench.time())?;
            // Hardly any machine has asked before; then all have.
            let unknown = load.run(&service.target)?;
            client::each_script(&service.target, nodes, |_, _| Ok(()))?;
            let rounds = (0..bench.rounds).map(|_| load.run(&service.target));
            let rounds = rounds.collect::<Result<Vec<_>>>()?;
            let memory = median(&rounds, |it| it.server.pss);
            let (fewest, least) = *smallest.get_or_insert((nodes, memory));
            let per_node = (memory - least) * 1024.0 * 1024.0 / f64::from(nodes - fewest);
            let mut cells = Round::cells(&rounds, None);
            cells.extend([
                ("first requests: CPU per request, µs", shown(unknown.server.cpu * 1e6, 1)),
                ("first requests: p50, ms", shown(unknown.wrk.p50_ms, 2)),
                ("memory idle, MiB", shown(service.idle.pss, 1)),
                ("bytes per node", shown(per_node, 0)),
                ("start to first script, ms", shown(service.first_script_ms, 0)),
                ("database, MiB", shown(store.size_mib()?, 0)),
            ]);
            table.row(&format!("{}, {nodes}", variant.title()), cells);
        }
    }
    Ok(format!("{table}\nMemory is without PostgreSQL; idle, and for each node, it is PSS.\n"))
}
