//! How it grows: script latency and cost, memory, start-up and size on the disk, from a thousand
//! nodes to a million.
//!
//! Every size is a new start on a database that only got more nodes, so that memory and start-up
//! are those of that size. What PostgreSQL uses is counted apart.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use ironpxe_testkit::postgres::Postgres;
use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};

use super::{
    api::Template,
    boot::Outcome,
    contestants::Stage,
    figures::{Table, median, shown},
    ironpxe::{BY_ADDRESS, Ironpxe, Setup},
    load::{self, Load, Round, Target},
    names::Key,
    pace::Offer,
    store::{POSTGRES_SETTINGS, Store},
};

/// What a node takes on the disk at most, its share of indexes and logs included, while it is
/// added. Once it is there, it takes a little more than 1 KiB.
const BYTES_PER_NODE: u64 = 6 * 1024;

pub(super) struct Growth<'a> {
    pub(super) ironpxe: &'a Path,
    pub(super) nginx: &'a Path,
    pub(super) sizes: &'a [u32],
    pub(super) time: Duration,
    pub(super) rounds: u64,
}

/// One database at one size.
struct Step {
    store: &'static str,
    nodes: u32,
    size_mib: f64,
    first_script_ms: f64,
    idle_mib: f64,
    /// When hardly any machine has asked before.
    first_cpu_micros: f64,
    first_p50_ms: f64,
    /// When all have.
    rounds: Vec<Round>,
}

impl Growth<'_> {
    pub(super) fn run(&self) -> Result<Outcome> {
        let mut steps = Vec::new();
        let mut notes = Vec::new();
        {
            let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
            let store = Store::Sqlite(scratch.path().join("state"));
            steps.extend(self.grow(store, scratch.path(), &mut notes)?);
        }
        let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
        let server = Arc::new(Postgres::start_with(POSTGRES_SETTINGS)?);
        let store = Store::on(&server, self.ironpxe)?;
        steps.extend(self.grow(store, scratch.path(), &mut notes)?);
        Ok(Outcome {
            markdown: markdown(&steps, &notes),
            json: json!({
                "steps": steps.iter().map(Step::json).collect::<Vec<_>>(),
                "notes": notes,
            }),
        })
    }

    fn grow(&self, store: Store, folder: &Path, notes: &mut Vec<String>) -> Result<Vec<Step>> {
        let mut sizes = self.sizes.to_vec();
        sizes.sort_unstable();
        let mut steps = Vec::new();
        let mut nodes = 0;
        for size in sizes {
            let free = free_bytes(folder)?;
            let needed = u64::from(size - nodes) * BYTES_PER_NODE;
            if free < needed {
                notes.push(format!(
                    "{size} nodes on {} were left out: that takes up to {} MiB of disk, and {} are \
                     free.",
                    store.name(),
                    needed >> 20,
                    free >> 20
                ));
                break;
            }
            let stage = Stage {
                ironpxe: self.ironpxe,
                nginx: self.nginx,
                folder,
                nodes: size,
                template: Template::Deploying,
                environment: &[],
                cores: None,
            };
            if nodes == 0 {
                stage.prepare(&store)?;
            }
            store.add(nodes, size)?;
            nodes = size;
            steps.push(self.measure(&store, folder, size)?);
            println!("    {}: {size} nodes", store.name());
        }
        store.remove()?;
        Ok(steps)
    }

    fn measure(&self, store: &Store, folder: &Path, nodes: u32) -> Result<Step> {
        let ironpxe = Ironpxe::start(&Setup {
            binary: self.ironpxe,
            store,
            folder: &folder.join("log"),
            roles: false,
            cores: None,
            environment: &[],
        })?;
        let target = Target {
            address: ironpxe.address,
            before: BY_ADDRESS,
            key: Key::Address,
            after: "",
            processes: ironpxe.processes(),
            database: store.pid()?,
        };
        let idle = load::usages(&target)?;
        let load = Load::new(&folder.join("load"), nodes, self.time)?;
        let first = load.run(&target)?;
        let offer = Offer {
            target: &target,
            nodes,
            connections: 0,
            patience: Duration::from_secs(10),
        };
        offer.each_once()?;
        let rounds: Result<Vec<Round>> = (0..self.rounds).map(|_| load.run(&target)).collect();
        Ok(Step {
            store: store.name(),
            nodes,
            size_mib: store.size_mib()?,
            first_script_ms: ironpxe.first_script.as_secs_f64() * 1e3,
            idle_mib: idle.iter().map(|(_, it)| it.pss_mib).sum(),
            first_cpu_micros: first.cpu_micros(),
            first_p50_ms: first.p50_ms,
            rounds: rounds?,
        })
    }
}

impl Step {
    fn of(&self, figure: fn(&Round) -> f64) -> f64 {
        median(&self.rounds.iter().map(figure).collect::<Vec<_>>())
    }

    /// Memory under load beyond that of `first`, for each node that this has more, in bytes.
    fn bytes_per_node(&self, first: &Self) -> f64 {
        let more = self.of(Round::pss_mib) - first.of(Round::pss_mib);
        more * 1024.0 * 1024.0 / (f64::from(self.nodes) - f64::from(first.nodes))
    }

    fn json(&self) -> Value {
        json!({
            "store": self.store,
            "nodes": self.nodes,
            "size_mib": self.size_mib,
            "first_script_ms": self.first_script_ms,
            "idle_pss_mib": self.idle_mib,
            "pss_mib": self.of(Round::pss_mib),
            "first_cpu_micros_per_request": self.first_cpu_micros,
            "first_p50_ms": self.first_p50_ms,
            "requests_per_second": self.of(|it| it.requests_per_second),
            "cpu_micros_per_request": self.of(Round::cpu_micros),
            "database_cpu_micros_per_request": self.of(Round::database_cpu_micros),
            "p50_ms": self.of(|it| it.p50_ms),
            "p99_ms": self.of(|it| it.p99_ms),
            "rounds": self.rounds.iter().map(Round::json).collect::<Vec<_>>(),
        })
    }
}

fn markdown(steps: &[Step], notes: &[String]) -> String {
    let mut table = Table::new([
        "database, nodes",
        "requests per second",
        "p50, ms",
        "p99, ms",
        "p99.9, ms",
        "server CPU per request, µs",
        "database CPU per request, µs",
        "the same, first requests",
        "p50 of first requests, ms",
        "memory idle, MiB",
        "under load, MiB",
        "bytes per node",
        "start to first script, ms",
        "database, MiB",
        "failed",
    ]);
    for step in steps {
        let first = steps.iter().find(|it| it.store == step.store);
        let per_node = first.map_or(f64::NAN, |first| step.bytes_per_node(first));
        table.row([
            format!("{}, {}", step.store, step.nodes),
            shown(step.of(|it| it.requests_per_second), 0),
            shown(step.of(|it| it.p50_ms), 2),
            shown(step.of(|it| it.p99_ms), 2),
            shown(step.of(|it| it.p999_ms), 2),
            shown(step.of(Round::cpu_micros), 1),
            shown(step.of(Round::database_cpu_micros), 1),
            shown(step.first_cpu_micros, 1),
            shown(step.first_p50_ms, 2),
            shown(step.idle_mib, 1),
            shown(step.of(Round::pss_mib), 1),
            shown(per_node, 0),
            shown(step.first_script_ms, 0),
            shown(step.size_mib, 0),
            shown(step.rounds.iter().map(Round::failed).sum(), 0),
        ]);
    }
    let mut text = table.into_text();
    text += "\nMemory is that of ironpxe (PSS), without PostgreSQL.\n";
    for note in notes {
        text.extend(["\n", note, "\n"]);
    }
    text
}

/// What the disk of this folder has left for us.
fn free_bytes(folder: &Path) -> Result<u64> {
    let disk = statvfs(folder).context("cannot ask how much disk is free")?;
    Ok(disk.blocks_available() * disk.fragment_size())
}
