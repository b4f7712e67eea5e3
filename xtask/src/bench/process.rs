//! What a server and everything it started used, as the kernel counts it.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

/// A reading of the counters.
#[derive(Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    /// Resident memory. Pages that several processes share count in each of them.
    pub(super) rss_mib: f64,
    /// The same, but of shared pages only the share of each.
    pub(super) pss_mib: f64,
}

/// Reads the counters of the process `pid` and of all its descendants.
pub(super) fn usage(pid: u32) -> Result<Usage> {
    let all = processes()?;
    let mut family = vec![pid];
    let mut ticks = 0;
    let (mut rss, mut pss) = (0, 0);
    while let Some(member) = family.pop() {
        family.extend(
            all.iter()
                .filter(|other| other.parent == member)
                .map(|other| other.pid),
        );
        if let Some(found) = all.iter().find(|other| other.pid == member) {
            ticks += found.ticks;
            rss += kib(member, "Rss:");
            pss += kib(member, "Pss:");
        }
    }
    Ok(Usage {
        cpu_seconds: seconds(ticks)?,
        rss_mib: mib(rss),
        pss_mib: mib(pss),
    })
}

/// Seconds of processor time: of the whole machine, and of children of ours that have ended.
pub(super) struct Machine {
    pub(super) busy: f64,
    pub(super) total: f64,
    pub(super) ended_children: f64,
}

/// Reads the counters of the machine and of this process.
pub(super) fn machine() -> Result<Machine> {
    let text = fs::read_to_string("/proc/stat").context("cannot read the machine's counters")?;
    // user, nice, system, idle, waiting for disks, interrupts (two kinds), stolen
    let ticks: Vec<u64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|number| number.parse().ok())
        .collect();
    let total: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    let own = fs::read_to_string("/proc/self/stat").context("cannot read our own counters")?;
    let own = parse(0, &own).context("our own counters are unreadable")?;
    Ok(Machine {
        busy: seconds(total - idle)?,
        total: seconds(total)?,
        ended_children: seconds(own.ended_children_ticks)?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "tick counts are far below 2^52")]
fn seconds(ticks: u64) -> Result<f64> {
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("no clock tick")?;
    Ok(ticks as f64 / per_second as f64)
}

struct Process {
    pid: u32,
    parent: u32,
    ticks: u64,
    ended_children_ticks: u64,
}

fn processes() -> Result<Vec<Process>> {
    let entries = fs::read_dir("/proc").context("cannot read the list of processes")?;
    // Processes that end meanwhile, and entries that are no process, are passed over.
    Ok(entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            parse(pid, &fs::read_to_string(entry.path().join("stat")).ok()?)
        })
        .collect())
}

/// Reads one `stat` line. The program's name is in parentheses and may itself hold any of them.
fn parse(pid: u32, stat: &str) -> Option<Process> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        ticks: number(11)? + number(12)?,
        ended_children_ticks: number(13)? + number(14)?,
    })
}

/// One line of what the kernel says of a process's memory, in KiB.
fn kib(pid: u32, line: &str) -> u64 {
    let path = Path::new("/proc")
        .join(pid.to_string())
        .join("smaps_rollup");
    fs::read_to_string(path)
        .ok()
        .and_then(|text| {
            let found = text.lines().find_map(|it| it.strip_prefix(line))?;
            found.trim().strip_suffix(" kB")?.parse().ok()
        })
        .unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory sizes are far below 2^52"
)]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) b (c)) S 3 7 7 0 -1 4194304 10 0 0 0 120 34 5 6 20 0 1 0 5 6 7";
        let process = parse(7, line).unwrap();
        assert_eq!(
            (process.parent, process.ticks, process.ended_children_ticks),
            (3, 154, 11)
        );
    }

    #[test]
    fn the_kernel_counts_us_and_the_machine() {
        let own = usage(std::process::id()).unwrap();
        assert!(own.rss_mib >= own.pss_mib && own.pss_mib > 0.0);
        let machine = machine().unwrap();
        assert!(machine.busy > 0.0 && machine.busy < machine.total);
    }
}
