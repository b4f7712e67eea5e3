//! A boot storm: thousands of machines boot while operators go on changing nodes.
//!
//! Each machine does what iPXE does: asks for `boot.ipxe`, then over the same connection for its own
//! script, then another server for a kernel of 1 MiB. Told 503, it waits as long as it was told and asks
//! again on a new connection. That scripts are right while nodes change is for the tests to show
//! (`tests/it/replicas/linearizable.rs`); here each must be the script of its own node.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::{join, join_all};
use hyper::Method;
use serde_json::json;
use tokio::time::{sleep, sleep_until, timeout};

use crate::Bench;
use crate::client::{self, Answer, Connection};
use crate::contestants::{Kind, Template, is_settled};
use crate::figures::{Latencies, Table, number, shown};
use crate::names;
use crate::servers::{Nginx, Target};

const KERNEL_BYTES: usize = 1024 * 1024;
/// So many machines boot at the same time.
const AT_ONCE: u32 = 1000;
/// So many operators wait at the same time for their change.
const OPERATORS: u32 = 64;
/// How long a machine waits for an answer, and an operator for a change.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a machine asks before it gives up.
const TRIES: u32 = 20;
const HEADINGS: &str = "|all have booted after, s|boot.ipxe: p99, ms|script: p50, ms|\
    script: p99, ms|script: p99.9, ms|a boot: p50, ms|a boot: p99, ms|told to wait (503)|\
    never booted|changes (failed)|a change: p99, ms|\
    memory idle → peak (RSS), MiB|kernels, MB/s";

/// One storm for each: each has its own nodes, which are changed.
pub(crate) fn run(bench: &Bench) -> Result<String> {
    let (scratch, machines) = (tempfile::tempdir()?, bench.machines);
    let (files, images) = (scratch.path().join("kernels"), scratch.path().join("images"));
    fs::create_dir_all(&files)?;
    fs::write(files.join("kernel"), vec![0x5a; KERNEL_BYTES]).context("cannot write a kernel")?;
    let images = Nginx::start(&bench.nginx, &images, &files, false, None)?;
    let mut table = Table::new(HEADINGS);
    let kinds = bench.kinds(&[Kind::Embedded, Kind::Postgres]);
    for kind in kinds.into_iter().filter(|it| it.is_ironpxe()) {
        let folder = scratch.path().join(kind.title());
        let field = bench.stage(&folder, machines, Template::Running).start(&[kind])?;
        let storm = Storm {
            target: &field.all.first().context("no contestant")?.target,
            images: images.address,
            machines,
            changes_per_second: f64::from(bench.changes_per_second),
            next: Cell::new(0),
            booting: Cell::new(true),
            taken: RefCell::default(),
            result: RefCell::default(),
        };
        let (seconds, idle, peak) = client::run(storm.blow())?;
        let result = storm.result.into_inner();
        let cells = [
            shown(seconds, 1),
            result.first.cell(99.0, 1),
            result.scripts.cell(50.0, 1),
            result.scripts.cell(99.0, 1),
            result.scripts.cell(99.9, 1),
            result.boots.cell(50.0, 0),
            result.boots.cell(99.0, 0),
            result.told_to_wait.to_string(),
            result.never_booted.to_string(),
            format!("{} ({})", result.made.count(), result.changes_failed),
            result.made.cell(99.0, 1),
            format!("{idle:.0} → {peak:.0}"),
            shown(number(result.boots.count() * KERNEL_BYTES) / 1e6 / seconds, 0),
        ];
        table.row(kind.title(), cells);
    }
    Ok(format!(
        "{machines} machines, {AT_ONCE} at a time; boot.ipxe, script and a kernel of 1 MiB each; {} \
         changes a second\n\n{}",
        bench.changes_per_second,
        table.into_text()
    ))
}

struct Storm<'a> {
    target: &'a Target,
    images: SocketAddr,
    machines: u32,
    changes_per_second: f64,
    /// The next machine to boot.
    next: Cell<u32>,
    booting: Cell<bool>,
    /// Nodes that operators work on, or leave alone from now on.
    taken: RefCell<HashSet<u32>>,
    result: RefCell<Outcome>,
}

#[derive(Default)]
struct Outcome {
    first: Latencies,
    scripts: Latencies,
    /// From power-on to the kernel, all waits included.
    boots: Latencies,
    told_to_wait: usize,
    never_booted: usize,
    made: Latencies,
    changes_failed: usize,
}

impl Storm<'_> {
    /// Gives how long it took, and memory idle and at its peak.
    async fn blow(&self) -> Result<(f64, f64, f64)> {
        let (start, idle) = (Instant::now(), self.target.usage()?.rss);
        let machines = async {
            join_all((0..AT_ONCE).map(|_| self.machines())).await;
            self.booting.set(false);
            start.elapsed().as_secs_f64()
        };
        let watch = async {
            let mut peak = idle;
            while self.booting.get() {
                peak = self.target.usage().map_or(peak, |it| it.rss.max(peak));
                sleep(Duration::from_millis(250)).await;
            }
            peak
        };
        let number = Cell::new(0);
        let operators = join_all((0..OPERATORS).map(|_| self.operator(start, &number)));
        let (seconds, (peak, _)) = join(machines, join(watch, operators)).await;
        Ok((seconds, idle, peak))
    }

    /// Machines, one after the other, until all have booted.
    async fn machines(&self) {
        while self.next.get() < self.machines {
            let machine = self.next.replace(self.next.get() + 1);
            let start = Instant::now();
            match self.boot(machine).await {
                Ok(()) => self.result.borrow_mut().boots.push(start.elapsed()),
                Err(_) => self.result.borrow_mut().never_booted += 1,
            }
        }
    }

    async fn boot(&self, machine: u32) -> Result<()> {
        let mut service = Connection::new(self.target.address);
        let (first, asked) = self.fetch(&mut service, "/boot.ipxe").await?;
        self.result.borrow_mut().first.push(asked.elapsed());
        let (script, asked) = self.fetch(&mut service, &self.target.path(machine)).await?;
        self.result.borrow_mut().scripts.push(asked.elapsed());
        let (kernel, _) = self.fetch(&mut Connection::new(self.images), "/kernel").await?;
        let is_own = script.text().contains(&format!("echo ironpxe: {}", names::name(machine)));
        ensure!(first.is_script() && script.is_script() && is_own, "another script");
        ensure!(kernel.length == KERNEL_BYTES, "the kernel is not whole");
        Ok(())
    }

    /// Fetches as firmware does. Gives also when the last try began.
    async fn fetch(&self, connection: &mut Connection, path: &str) -> Result<(Answer, Instant)> {
        for _ in 0..TRIES {
            let asked = Instant::now();
            let wait = match timeout(LIMIT, connection.get(path)).await {
                Ok(Ok(answer)) if answer.status == 200 => return Ok((answer, asked)),
                Ok(Ok(answer)) if answer.status == 503 => {
                    self.result.borrow_mut().told_to_wait += 1;
                    answer.retry_after.unwrap_or(1)
                }
                _ => 1,
            };
            connection.close();
            sleep(Duration::from_secs(wait)).await;
        }
        bail!("no answer")
    }

    /// Changes nodes around those that boot: mostly a kernel argument, and every tenth time an instance
    /// goes. `number` counts the changes.
    async fn operator(&self, start: Instant, number: &Cell<u32>) {
        let mut connection = Connection::new(self.target.address);
        while self.booting.get() {
            let change = number.replace(number.get() + 1) + 1;
            let due = start + Duration::from_secs_f64(f64::from(change) / self.changes_per_second);
            sleep_until(due.into()).await;
            let away = names::random(usize::try_from(change).unwrap_or_default(), AT_ONCE);
            let node = (self.next.get() + self.machines + away - AT_ONCE / 2) % self.machines;
            if !self.booting.get() || !self.taken.borrow_mut().insert(node) {
                continue;
            }
            let to = (!change.is_multiple_of(10)).then_some(change);
            let begun = Instant::now();
            let done = timeout(LIMIT, change_node(&mut connection, node, to)).await;
            let mut result = self.result.borrow_mut();
            if let Ok(Ok(())) = done {
                result.made.push(begun.elapsed());
                if to.is_some() {
                    self.taken.borrow_mut().remove(&node);
                }
            } else {
                // Made or not: the node is left alone from now on.
                result.changes_failed += 1;
                connection.close();
            }
        }
    }
}

async fn change_node(connection: &mut Connection, node: u32, to: Option<u32>) -> Result<()> {
    let path = format!("/v1/nodes/{}", names::uuid(node, 1));
    let answer = if let Some(number) = to {
        let field = "/instance_info/kernel_append_params";
        let patch = json!([{ "op": "add", "path": field, "value": format!("bench-change={number}") }]);
        connection.call(Method::PATCH, &path, Some(&patch)).await?
    } else {
        let path = format!("{path}/states/provision");
        connection.call(Method::PUT, &path, Some(&json!({ "target": "deleted" }))).await?
    };
    ensure!(answer.succeeded(), "{}: {}", answer.status, answer.text());
    let path = format!("{path}?fields=provision_state,reservation");
    while to.is_none() {
        let node = connection.call(Method::GET, &path, None).await?.json();
        if is_settled(&node, "available") {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
