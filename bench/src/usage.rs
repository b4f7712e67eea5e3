//! Processor time and memory, as the kernel counts them.

use std::fs;
use std::iter::Sum;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

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
    // Processes that end meanwhile, and entries that are no process, are passed over.
    let read = |entry: fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The program's name is in parentheses, and may itself hold any.
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let field = |index: usize| fields.get(index)?.parse::<usize>().ok();
        Some((pid, u32::try_from(field(1)?).ok()?, field(11)? + field(12)?))
    };
    let all = fs::read_dir("/proc").context("cannot list processes")?;
    let all: Vec<_> = all.filter_map(|entry| read(entry.ok()?)).collect();
    let (mut usages, mut family) = (Vec::new(), vec![pid]);
    while let Some(member) = family.pop() {
        family.extend(all.iter().filter(|it| it.1 == member).map(|it| it.0));
        if let Some((_, _, ticks)) = all.iter().find(|it| it.0 == member) {
            let (rss, pss) = (memory(member, "Rss:"), memory(member, "Pss:"));
            usages.push(Usage { cpu: seconds(*ticks)?, rss, pss });
        }
    }
    Ok(usages.into_iter().sum())
}

fn seconds(ticks: usize) -> Result<f64> {
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("no clock tick")?;
    Ok(number(ticks) / number(usize::try_from(per_second)?))
}

/// One line of what the kernel says of a process's memory, in MiB.
fn memory(pid: u32, line: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib = text.lines().find_map(|it| it.strip_prefix(line)?.trim().strip_suffix(" kB"));
    number(kib.and_then(|it| it.parse().ok()).unwrap_or_default()) / 1024.0
}
