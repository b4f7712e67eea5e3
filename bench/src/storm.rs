//! A boot storm: thousands of machines boot while operators go on changing nodes.
//!
//! Each machine does what iPXE does: asks for `boot.ipxe`, then over the same connection for its own
//! script, then another server for a kernel of 1 MiB. Told 503, it waits as long as it was told and asks
//! again on a new connection. That scripts are right while nodes change is for the tests to show
//! (`tests/it/replicas/linearizable.rs`); here each must be the script of its own node.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::{join, join_all, select};
use hyper::Method;
use serde_json::json;
use tokio::time::{sleep, sleep_until, timeout};

use crate::Bench;
use crate::client::{self, Answer, Connection};
use crate::figures::{Cells, Table, Tally, number, shown};
use crate::names;
use crate::servers::{Service, Target};
use crate::variants::{Setup, Template};

const KERNEL_BYTES: usize = 1024 * 1024;
/// So many machines boot at the same time.
const AT_ONCE: u32 = 1000;
/// So many operators wait at the same time for their change.
const OPERATORS: u32 = 64;
/// How long a machine waits for an answer, and an operator for a change.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a machine asks before it gives up.
const TRIES: u32 = 20;

/// One storm for each: each has its own nodes, which are changed.
pub(crate) fn run(bench: &Bench) -> Result<String> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path();
    fs::write(folder.join("kernel"), vec![0x5a; KERNEL_BYTES]).context("cannot write a kernel")?;
    let root = format!("root {};", folder.display());
    let images = Service::nginx("images", &bench.nginx, folder, &root, "off", None)?;
    let mut table = Table::new("");
    for variant in bench.ironpxes() {
        let setup = Setup { nodes: bench.machines, ..bench.setup(Template::Running) };
        let deployment = setup.start(&[variant])?;
        let target = &deployment.services.first().context("nothing runs")?.target;
        let (images, next, tally) = (images.target.address, Cell::new(0), Tally::default());
        let storm = Storm { bench, target, images, next, tally };
        table.row(variant.title(), client::run(storm.run())?);
    }
    Ok(format!(
        "{} machines, {AT_ONCE} at a time; boot.ipxe, script and a kernel of 1 MiB each; {} changes a \
         second\n\n{table}",
        bench.machines, bench.changes_per_second
    ))
}

struct Storm<'a> {
    bench: &'a Bench,
    target: &'a Target,
    images: SocketAddr,
    /// The next machine to boot.
    next: Cell<u32>,
    tally: Tally,
}

impl Storm<'_> {
    /// A row of the table.
    async fn run(&self) -> Result<Cells<13>> {
        let (start, idle) = (Instant::now(), self.target.usage()?.rss);
        let peak = Cell::new(idle);
        let machines = join_all((0..AT_ONCE).map(|_| self.machines()));
        let watch = async {
            loop {
                let now = self.target.usage().map_or(idle, |it| it.rss);
                peak.set(now.max(peak.get()));
                sleep(Duration::from_millis(250)).await;
            }
        };
        let operators = join_all((0..OPERATORS).map(|it| self.operator(it, start)));
        // Operators stop as soon as all machines have booted.
        select(machines, pin!(join(watch, operators))).await;
        let (seconds, peak, tally) = (start.elapsed().as_secs_f64(), peak.get(), &self.tally);
        let bytes = number(tally.count("a boot") * KERNEL_BYTES);
        let (changes, failed) = (tally.count("a change"), tally.count("a failed change"));
        Ok([
            ("all have booted after, s", shown(seconds, 1)),
            ("boot.ipxe: p99, ms", tally.cell("boot.ipxe", 99.0, 1)),
            ("script: p50, ms", tally.cell("a script", 50.0, 1)),
            ("script: p99, ms", tally.cell("a script", 99.0, 1)),
            ("script: p99.9, ms", tally.cell("a script", 99.9, 1)),
            ("a boot: p50, ms", tally.cell("a boot", 50.0, 0)),
            ("a boot: p99, ms", tally.cell("a boot", 99.0, 0)),
            ("told to wait (503)", tally.count("told to wait").to_string()),
            ("never booted", tally.count("never booted").to_string()),
            ("changes (failed)", format!("{changes} ({failed})")),
            ("a change: p99, ms", tally.cell("a change", 99.0, 1)),
            ("memory idle → peak (RSS), MiB", format!("{idle:.0} → {peak:.0}")),
            ("kernels, MB/s", shown(bytes / 1e6 / seconds, 0)),
        ])
    }

    /// Machines, one after the other, until all have booted.
    async fn machines(&self) {
        while self.next.get() < self.bench.machines {
            let machine = self.next.replace(self.next.get() + 1);
            let powered_on = Instant::now();
            let booted = self.boot(machine).await;
            let came_of_it = if booted.is_ok() { "a boot" } else { "never booted" };
            self.tally.record(came_of_it, powered_on);
        }
    }

    async fn boot(&self, machine: u32) -> Result<()> {
        let mut service = Connection::new(self.target.address);
        let (first, asked) = self.fetch(&mut service, "/boot.ipxe").await?;
        self.tally.record("boot.ipxe", asked);
        let (script, asked) = self.fetch(&mut service, &self.target.path(machine)).await?;
        self.tally.record("a script", asked);
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
                    self.tally.record("told to wait", asked);
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
    /// goes. Each operator has nodes of his own.
    async fn operator(&self, operator: u32, start: Instant) {
        let (machines, rate) = (self.bench.machines, f64::from(self.bench.changes_per_second));
        let mut connection = Connection::new(self.target.address);
        // Nodes without an instance, and those whose last change failed.
        let mut left_alone = HashSet::new();
        for change in (0..).map(|it| it * OPERATORS + operator) {
            sleep_until((start + Duration::from_secs_f64(f64::from(change) / rate)).into()).await;
            let near = self.next.get() + machines + fastrand::u32(..AT_ONCE) - AT_ONCE / 2;
            let node = near % machines / OPERATORS * OPERATORS + operator;
            if node >= machines || left_alone.contains(&node) {
                continue;
            }
            let undeploy = change.is_multiple_of(10);
            let path = format!("/v1/nodes/{}", names::uuid(node, 1));
            let begun = Instant::now();
            let changed = async {
                if undeploy {
                    return connection.provision(&path, "deleted", "available").await;
                }
                let field = "/instance_info/kernel_append_params";
                let value = format!("bench-change={change}");
                let patch = json!([{ "op": "add", "path": field, "value": value }]);
                connection.call(Method::PATCH, &path, &patch).await.map(drop)
            };
            let changed = matches!(timeout(LIMIT, changed).await, Ok(Ok(())));
            self.tally.record(if changed { "a change" } else { "a failed change" }, begun);
            if undeploy || !changed {
                left_alone.insert(node);
            }
        }
    }
}
