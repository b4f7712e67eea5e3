//! Processor time and memory, as the kernel counts them.

use anyhow::{Context, Result};
use procfs::process::{Process, Stat, all_processes};

use crate::figures::{mebibytes, number};

/// What processes have used so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time, in seconds.
    pub(crate) cpu: f64,
    /// Resident memory, in MiB. Pages that several processes share count in each of them.
    pub(crate) rss: f64,
    /// The same, but of shared pages only the share of each.
    pub(crate) pss: f64,
}

/// Of these processes and all their descendants.
pub(crate) fn of(pids: &[u32]) -> Result<Usage> {
    // Processes that end meanwhile are passed over.
    let all = all_processes().context("cannot list processes")?;
    let all: Vec<Stat> = all.filter_map(|process| process.ok()?.stat().ok()).collect();
    let mut family = pids.iter().map(|it| i32::try_from(*it)).collect::<Result<Vec<_>, _>>()?;
    let mut usage = Usage::default();
    while let Some(member) = family.pop() {
        family.extend(all.iter().filter(|it| it.ppid == member).map(|it| it.pid));
        if let Some(stat) = all.iter().find(|it| it.pid == member) {
            let ticks = usize::try_from(stat.utime + stat.stime)?;
            usage.cpu += number(ticks) / number(usize::try_from(procfs::ticks_per_second())?);
            usage.rss += memory(member, "Rss");
            usage.pss += memory(member, "Pss");
        }
    }
    Ok(usage)
}

/// What the kernel says of a process's memory, in MiB; nothing of one that has ended.
fn memory(pid: i32, what: &str) -> f64 {
    let rollup = Process::new(pid).and_then(|it| it.smaps_rollup());
    let maps = rollup.ok().and_then(|it| it.memory_map_rollup.0.into_iter().next());
    let bytes = maps.and_then(|it| it.extension.map.get(what).copied());
    mebibytes(bytes.unwrap_or_default())
}
