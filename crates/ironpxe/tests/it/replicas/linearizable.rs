//! A read after a committed change sees it, on every replica.
//!
//! Writers change nodes through all replicas in turn, while readers ask all of them for the nodes'
//! scripts. Every script says which change it is of; the history of all requests is then checked
//! against the rule that each node behaves as one shared register.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use ironpxe_testkit::ironic::Ironic;
use serde_json::json;

use super::fixture::{ReplicasFixture, active_node, boot_path, on_each_site};

const NODES: usize = 4;
const WRITES: u64 = 40;
const READERS_PER_REPLICA: usize = 2;

/// One request: when it was sent, when it was answered, and which version it wrote or saw.
#[derive(Debug, Clone, Copy)]
struct Event {
    sent: Instant,
    answered: Instant,
    version: u64,
}

#[test]
fn every_replica_serves_the_last_committed_change() -> Result<()> {
    on_each_site(check_site)
}

fn check_site(site: &ReplicasFixture) -> Result<()> {
    let clients = site.clients()?;
    let first = clients.first().context("no replica")?;
    let machines: Vec<(String, String)> = (0..NODES)
        .map(|number| {
            let mac = format!("52:54:00:00:01:{number:02x}");
            Ok((active_node(first, &mac)?, mac))
        })
        .collect::<Result<_>>()?;

    let done = AtomicBool::new(false);
    let (writes, reads) = thread::scope(|scope| -> Result<_> {
        let readers: Vec<_> = clients
            .iter()
            .flat_map(|client| std::iter::repeat_n(client, READERS_PER_REPLICA))
            .map(|client| scope.spawn(|| read_until(client, &machines, &done)))
            .collect();
        let writers: Vec<_> = machines
            .iter()
            .map(|(uuid, _)| scope.spawn(|| write(&clients, uuid)))
            .collect();
        let writes: Result<Vec<_>> = writers.into_iter().map(joined).collect();
        done.store(true, Ordering::Relaxed);
        let reads: Result<Vec<_>> = readers.into_iter().map(joined).collect();
        Ok((writes?, reads?))
    })?;

    let mut checked = 0;
    for (number, writes) in writes.iter().enumerate() {
        let reads: Vec<Event> = reads
            .iter()
            .filter_map(|reader| reader.get(number))
            .flatten()
            .copied()
            .collect();
        check(writes, &reads).with_context(|| format!("node {number}"))?;
        checked += reads.len();
    }
    ensure!(checked > NODES * 100, "only {checked} reads");
    Ok(())
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("a thread panicked"),
    }
}

/// Writes each version through the next replica.
fn write(clients: &[Ironic], uuid: &str) -> Result<Vec<Event>> {
    (1..=WRITES)
        .zip(clients.iter().cycle())
        .map(|(version, client)| {
            let value = format!("version={version}");
            let patch = [json!({
                "op": "replace", "path": "/driver_info/kernel_append_params", "value": value,
            })];
            let sent = Instant::now();
            client
                .patch(&format!("/v1/nodes/{uuid}"), &json!(patch))?
                .expect_status(200)?;
            Ok(Event {
                sent,
                answered: Instant::now(),
                version,
            })
        })
        .collect()
}

/// Reads all machines' scripts in turn; gives the reads of each.
fn read_until(
    client: &Ironic,
    machines: &[(String, String)],
    done: &AtomicBool,
) -> Result<Vec<Vec<Event>>> {
    let mut reads = vec![Vec::new(); machines.len()];
    while !done.load(Ordering::Relaxed) {
        for ((_, mac), reads) in machines.iter().zip(&mut reads) {
            let sent = Instant::now();
            let answer = client.get_as_firmware(&boot_path(mac))?;
            ensure!(answer.status == 200, "{}: {}", answer.status, answer.text);
            reads.push(Event {
                sent,
                answered: Instant::now(),
                version: version(&answer.text)?,
            });
        }
    }
    Ok(reads)
}

fn version(script: &str) -> Result<u64> {
    let digits = script
        .split_whitespace()
        .find_map(|word| word.strip_prefix("version="))
        .with_context(|| format!("no version in {script}"))?;
    Ok(digits.parse()?)
}

/// Whether the reads are those of one register: none sees what had been overwritten before it was
/// sent, none sees what was written after it was answered, and none sees less than one that was
/// answered before it was sent.
fn check(writes: &[Event], reads: &[Event]) -> Result<()> {
    for read in reads {
        for write in writes {
            ensure!(
                write.answered > read.sent || write.version <= read.version,
                "a stale read: version {} was committed before a read that gave {}",
                write.version,
                read.version
            );
            ensure!(
                write.sent < read.answered || write.version > read.version,
                "version {} was read before it was written",
                read.version
            );
        }
    }
    let mut by_answer: Vec<&Event> = reads.iter().collect();
    by_answer.sort_by_key(|read| read.answered);
    let mut by_sending: Vec<&Event> = reads.iter().collect();
    by_sending.sort_by_key(|read| read.sent);
    let mut earlier = by_answer.into_iter().peekable();
    let mut seen = 0;
    for read in by_sending {
        while let Some(before) = earlier.next_if(|before| before.answered < read.sent) {
            seen = seen.max(before.version);
        }
        ensure!(
            read.version >= seen,
            "back in time: {} after {seen}",
            read.version
        );
    }
    Ok(())
}

/// The check finds what it is there to find.
#[test]
fn nonlinearizable_histories_are_detected() {
    let start = Instant::now();
    let at = |millis| start + std::time::Duration::from_millis(millis);
    let event = |sent, answered, version| Event {
        sent: at(sent),
        answered: at(answered),
        version,
    };
    let writes = [event(10, 20, 1), event(30, 40, 2)];
    let good = [
        event(0, 5, 0),
        event(11, 19, 0),
        event(11, 19, 1),
        event(21, 29, 1),
        event(31, 39, 1),
        event(41, 50, 2),
    ];
    assert!(check(&writes, &good).is_ok());
    assert!(check(&writes, &[event(21, 22, 0)]).is_err(), "stale");
    assert!(
        check(&writes, &[event(0, 5, 1)]).is_err(),
        "not yet written"
    );
    let back = [event(11, 12, 1), event(13, 14, 0)];
    assert!(check(&writes, &back).is_err(), "back in time");
}
