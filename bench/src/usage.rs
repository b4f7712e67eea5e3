//! Processor time and memory, as the kernel counts them.

use std::iter::Sum;

use anyhow::{Context, Result};
use procfs::process::{Process, Stat, all_processes};

use crate::figures::number;

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

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, it| Self {
            cpu: sum.cpu + it.cpu,
            rss: sum.rss + it.rss,
            pss: sum.pss + it.pss,
        })
    }
}

/// Of the process `pid` and of all its descendants.
pub(crate) fn of(pid: u32) -> Result<Usage> {
    // Processes that end meanwhile are passed over.
    let all = all_processes().context("cannot list processes")?;
    let all: Vec<Stat> = all.filter_map(|process| process.ok()?.stat().ok()).collect();
    let (mut usages, mut family) = (Vec::new(), vec![i32::try_from(pid)?]);
    while let Some(member) = family.pop() {
        family.extend(all.iter().filter(|it| it.ppid == member).map(|it| it.pid));
        if let Some(stat) = all.iter().find(|it| it.pid == member) {
            let ticks = usize::try_from(stat.utime + stat.stime)?;
            let per_second = usize::try_from(procfs::ticks_per_second())?;
            let cpu = number(ticks) / number(per_second);
            usages.push(Usage { cpu, rss: memory(member, "Rss"), pss: memory(member, "Pss") });
        }
    }
    Ok(usages.into_iter().sum())
}

/// What the kernel says of a process's memory, in MiB; nothing of one that has ended.
fn memory(pid: i32, what: &str) -> f64 {
    let rollup = Process::new(pid).and_then(|it| it.smaps_rollup());
    let maps = rollup.ok().and_then(|it| it.memory_map_rollup.0.into_iter().next());
    let bytes = maps.and_then(|it| it.extension.map.get(what).copied());
    number(bytes.and_then(|it| usize::try_from(it).ok()).unwrap_or_default()) / 1024.0 / 1024.0
}
