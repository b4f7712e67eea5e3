//! Servers on one half of the processors and the load on the other, so that it does not starve them.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The processors of servers and load, as `taskset` takes them; the same if there is only one.
pub(crate) struct Halves {
    pub(crate) servers: String,
    pub(crate) load: String,
    all: CpuSet,
}

impl Halves {
    pub(crate) fn new() -> Result<Self> {
        let all = sched_getaffinity(Pid::from_raw(0)).context("no processors")?;
        let list: Vec<String> = (0..CpuSet::count())
            .filter(|it| all.is_set(*it) == Ok(true))
            .map(|it| it.to_string())
            .collect();
        let (servers, load) = list.split_at(list.len() / 2);
        let servers = if servers.is_empty() { load } else { servers };
        Ok(Self { servers: servers.join(","), load: load.join(","), all })
    }

    /// Does something with this thread on the processors of the load.
    pub(crate) fn on_load_side<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut half = CpuSet::new();
        for processor in self.load.split(',') {
            half.set(processor.parse()?).context("no such processor")?;
        }
        sched_setaffinity(Pid::from_raw(0), &half).context("cannot change the processors")?;
        let done = work();
        sched_setaffinity(Pid::from_raw(0), &self.all).context("cannot change the processors")?;
        done
    }
}
