//! A boot storm: thousands of machines boot while operators go on changing nodes.
//!
//! Each machine does what iPXE does: asks for `boot.ipxe`, then over the same connection for its own
//! script, then another server for a kernel of 1 MiB. Told 503, it waits as long as it was told and asks
//! again on a new connection. A script is *right* if it is what its node was to boot at some moment
//! while it was asked for: by the last change that was acknowledged before, or by one made since.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
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
/// What stands before the number of a change on the kernel's command line.
const MARK: &str = "bench-change=";
const HEADINGS: &str = "|all have booted after, s|boot.ipxe: p99, ms|script: p50, ms|\
    script: p99, ms|script: p99.9, ms|a boot: p50, ms|a boot: p99, ms|told to wait (503)|\
    never booted|wrong scripts (of so many of changed nodes)|changes (failed)|a change: p99, ms|\
    memory idle → peak (RSS), MiB|kernels, MB/s";

/// One storm for each: each has its own nodes, which are changed. Fails if a script was wrong.
pub(crate) fn run(bench: &Bench) -> Result<String> {
    let (scratch, machines) = (tempfile::tempdir()?, bench.machines);
    let (files, images) = (scratch.path().join("kernels"), scratch.path().join("images"));
    fs::create_dir_all(&files)?;
    fs::write(files.join("kernel"), vec![0x5a; KERNEL_BYTES]).context("cannot write a kernel")?;
    let images = Nginx::start(&bench.nginx, &images, &files, false, None)?;
    let mut table = Table::new(HEADINGS);
    let mut wrong = Vec::new();
    let kinds = bench.kinds(&[Kind::Embedded, Kind::Postgres]);
    for kind in kinds.into_iter().filter(|it| it.is_ironpxe()) {
        let folder = scratch.path().join(kind.title());
        let field = bench.stage(&folder, machines, Template::Running).start(&[kind])?;
        let storm = Storm {
            target: &field.all.first().context("nobody to ask")?.target,
            images: images.address,
            machines,
            changes_per_second: f64::from(bench.changes_per_second),
            next: Cell::new(0),
            booting: Cell::new(true),
            changes: RefCell::default(),
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
            format!("{} ({})", result.wrong.len(), result.of_changed),
            format!("{} ({})", result.made.count(), result.changes_failed),
            result.made.cell(99.0, 1),
            format!("{idle:.0} → {peak:.0}"),
            shown(number(result.boots.count() * KERNEL_BYTES) / 1e6 / seconds, 0),
        ];
        table.row(kind.title(), cells);
        wrong.extend(result.wrong);
    }
    let text = table.into_text();
    ensure!(wrong.is_empty(), "{text}\nwrong scripts: {}: {:?}", wrong.len(), wrong.first());
    Ok(format!(
        "{machines} machines, {AT_ONCE} at a time; boot.ipxe, script and a kernel of 1 MiB each; {} \
         changes a second\n\n{text}",
        bench.changes_per_second
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
    changes: RefCell<HashMap<u32, Vec<Change>>>,
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
    wrong: Vec<String>,
    /// Scripts of nodes that had been changed, or were just being.
    of_changed: usize,
    made: Latencies,
    changes_failed: usize,
}

struct Change {
    /// What the machine boots then: its instance with this number; `None` is nothing at all.
    to: Option<u32>,
    begun: Instant,
    /// When whoever asked for it knew that it was made.
    known: Option<Instant>,
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
        let verdict = {
            let mut result = self.result.borrow_mut();
            result.scripts.push(asked.elapsed());
            let changes = self.changes.borrow();
            let changes = changes.get(&machine).map_or(&[][..], Vec::as_slice);
            result.of_changed += usize::from(!changes.is_empty());
            judge(changes, boots(machine, &script.text()), asked, Instant::now())
        };
        let (kernel, _) = self.fetch(&mut Connection::new(self.images), "/kernel").await?;
        if let Err(error) = verdict {
            self.result.borrow_mut().wrong.push(format!("node {machine}: {error}"));
        } else if !first.is_script() || kernel.length != KERNEL_BYTES {
            self.result.borrow_mut().wrong.push("a boot.ipxe or kernel is not whole".to_owned());
        }
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
            let made = Change { to, begun, known: None };
            self.changes.borrow_mut().entry(node).or_default().push(made);
            let done = timeout(LIMIT, change_node(&mut connection, node, to)).await;
            let mut result = self.result.borrow_mut();
            if let Ok(Ok(())) = done {
                result.made.push(begun.elapsed());
                let mut changes = self.changes.borrow_mut();
                if let Some(last) = changes.get_mut(&node).and_then(|it| it.last_mut()) {
                    last.known = Some(Instant::now());
                }
                if to.is_some() {
                    self.taken.borrow_mut().remove(&node);
                }
            } else {
                // Made or not: nobody knows. The node is left alone, and both are right from now on.
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
        let patch = json!([{ "op": "add", "path": field, "value": format!("{MARK}{number}") }]);
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

/// What a script boots: see [`Change::to`]; an instance without a number has 0. Fails if it is no
/// script, or another node's.
fn boots(node: u32, script: &str) -> Result<Option<u32>> {
    let says = format!("echo ironpxe: {}", names::name(node));
    let script = script.strip_prefix("#!ipxe\n").context("no script")?;
    let (_, after) = script.split_once(&says).context("a script of another node")?;
    if after.starts_with(" is not booted") && !after.contains("\nboot") {
        return Ok(None);
    }
    ensure!(after.starts_with(": active -> instance ramdisk"), "it boots something else");
    let Some((_, number)) = script.split_once(MARK) else { return Ok(Some(0)) };
    let number = number.split(|it: char| !it.is_ascii_digit()).next();
    Ok(Some(number.unwrap_or_default().parse()?))
}

/// Whether a script was right for who asked at `asked` and had it at `got`.
fn judge(
    changes: &[Change],
    seen: Result<Option<u32>>,
    asked: Instant,
    got: Instant,
) -> Result<()> {
    let known = |it: &Change| it.known.is_some_and(|known| known <= asked);
    let last_known = changes.iter().rposition(known);
    let sure = last_known.and_then(|it| changes.get(it)).map_or(Some(0), |it| it.to);
    let since = changes.iter().skip(last_known.map_or(0, |it| it + 1));
    let mut right = vec![sure];
    right.extend(since.filter(|it| it.begun <= got).map(|it| it.to));
    let seen = seen?;
    ensure!(right.contains(&seen), "{seen:?} where {right:?} is right");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_right_if_a_change_that_may_count_made_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let script = |mark| {
            format!(
                "#!ipxe\necho ironpxe: bench-7: active -> instance ramdisk\nkernel k {mark} i\n"
            )
        };
        // Begun at 10, known to be made at 40.
        for (known, asked, old_is_right) in
            [(None, 20, true), (Some(at(40)), 20, true), (Some(at(40)), 50, false)]
        {
            let change = [Change { to: Some(1), begun: at(10), known }];
            let right = |seen| judge(&change, seen, at(asked), at(60)).is_ok();
            assert!(right(boots(7, &script("bench-change=1"))));
            assert_eq!(right(boots(7, &script(""))), old_is_right);
            assert!(!right(boots(7, &script("bench-change=12"))));
            assert!(!right(boots(77, &script("bench-change=1"))));
            assert!(!right(Ok(None)));
        }
    }
}
