//! From a quarter of what a server can answer to four times that, and back to half.
//!
//! What it can is what it answers when each of wrk's 64 connections asks again at once. The other
//! requests come at even distances, whatever the server does (open loop; wrk, which waits for an answer
//! before it asks again, asks a slow server less). At the end comes half of what it can: a server that
//! took the overload well is its old self.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use tokio::time::{sleep_until, timeout_at};

use crate::Bench;
use crate::client::{self, Connection};
use crate::figures::{Table, Tally, number, shown};
use crate::servers::{Service, Target};
use crate::variants::{RAMDISK, Setup, Variant};
use crate::wrk::Load;

/// How many machines wait at the same time at most.
const CONNECTIONS: u32 = 4096;
/// A request is given up so long after it was due.
const LIMIT: Duration = Duration::from_secs(10);
/// Parts of what a server can.
const STEPS: [f64; 6] = [0.25, 0.5, 0.75, 0.9, 4.0, 0.5];

pub(crate) fn run(bench: &Bench) -> Result<String> {
    let (halves, nodes, time) = (Halves::new()?, bench.nodes, bench.time());
    let setup = Setup { cores: Some(&halves.servers), ..bench.setup(RAMDISK) };
    let variants = bench.variants(&[Variant::Nginx, Variant::Embedded, Variant::Postgres]);
    let deployment = setup.start(&variants)?;
    let load = Load::of_scripts(nodes, time)?;
    let mut table = Table::new("server, of what it can");
    for Service { title, target, .. } in &deployment.services {
        let capacity = halves.on_load_side(|| load.run(target))?.per_second();
        for step in STEPS {
            let rate = capacity * step;
            let start = Instant::now();
            let came = halves.on_load_side(|| offer(target, nodes, rate, time))?;
            let seconds = start.elapsed().as_secs_f64();
            let [accepted, refused, other, none] =
                ["200", "503", "another", "none"].map(|it| number(came.count(it)));
            let all = accepted + refused + other + none;
            let cells = [
                ("offered, per second", shown(rate, 0)),
                ("answered 200, per second", shown(accepted / seconds, 0)),
                ("200, of all, %", shown(accepted / all * 100.0, 1)),
                ("503, of all, %", shown(refused / all * 100.0, 1)),
                ("other answers, %", shown(other / all * 100.0, 1)),
                ("no answer in 10 s, %", shown(none / all * 100.0, 1)),
                ("200, since due: p50, ms", came.cell("200, since due", 50.0, 2)),
                ("200, since due: p99, ms", came.cell("200, since due", 99.0, 2)),
                ("200, since sent: p50, ms", came.cell("200", 50.0, 2)),
                ("200, since sent: p99, ms", came.cell("200", 99.0, 2)),
                ("503, since sent: p99, ms", came.cell("503", 99.0, 1)),
                ("memory (RSS), MiB", shown(target.usage()?.rss, 0)),
            ];
            table.row(&format!("{title}, {step:.2} × {capacity:.0}"), cells);
        }
    }
    Ok(format!(
        "Servers on processors {}, the load on others; at most {CONNECTIONS} connections\n\n{table}",
        halves.servers
    ))
}

/// Asks for scripts of random nodes, `rate` times a second for `time`, whatever is answered. A request
/// that is due waits for one of the connections, which counts in *since due* only.
fn offer(target: &Target, nodes: u32, rate: f64, time: Duration) -> Result<Tally> {
    let (start, next, came) = (Instant::now(), Cell::new(0), Tally::default());
    let worker = || async {
        let mut connection = Connection::new(target.address);
        loop {
            let after = Duration::from_secs_f64(number(next.get()) / rate);
            if after > time {
                return;
            }
            next.set(next.get() + 1);
            let due = start + after;
            sleep_until(due.into()).await;
            let path = target.path(fastrand::u32(..nodes));
            let (sent, end) = (Instant::now(), due + LIMIT);
            let answer = timeout_at(end.into(), async {
                ensure!(sent < end, "it is too late");
                connection.get(&path).await
            });
            match answer.await.map(|it| it.map(|it| it.status)) {
                Ok(Ok(200)) => {
                    came.record("200", sent);
                    came.record("200, since due", due);
                }
                Ok(Ok(503)) => came.record("503", sent),
                Ok(Ok(_)) => came.record("another", sent),
                _ => came.record("none", sent),
            }
        }
    };
    client::run(async { Ok(join_all((0..CONNECTIONS).map(|_| worker())).await) })?;
    Ok(came)
}

/// The processors of servers and load, so that it does not starve them; the same if there is only one.
struct Halves {
    /// As `taskset` takes them.
    servers: String,
    load: CpuSet,
    all: CpuSet,
}

impl Halves {
    fn new() -> Result<Self> {
        let all = sched_getaffinity(Pid::from_raw(0)).context("no processors")?;
        let list: Vec<usize> =
            (0..CpuSet::count()).filter(|it| all.is_set(*it) == Ok(true)).collect();
        let (first, second) = list.split_at(list.len() / 2);
        let first = if first.is_empty() { second } else { first };
        let mut load = CpuSet::new();
        for processor in second {
            load.set(*processor).context("no such processor")?;
        }
        let servers = first.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        Ok(Self { servers, load, all })
    }

    /// Does something with this thread, and the processes that it starts, on the processors of the load.
    fn on_load_side<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let move_to = |it| sched_setaffinity(Pid::from_raw(0), it).context("cannot set processors");
        move_to(&self.load)?;
        let done = work();
        move_to(&self.all)?;
        done
    }
}
