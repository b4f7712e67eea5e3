//! The storm: thousands of machines that all boot, while operators go on changing nodes.
//!
//! Each machine does what iPXE does: asks for `boot.ipxe`, then over the same connection for its
//! own script, then another server for a kernel of 1 MiB. Told 503, it waits as long as it was
//! told and asks again. Every script is held against what the operators have done to its node
//! ([`super::expected`]).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    client::{Client, Done, Handle, On, Request},
    contestants::Contestant,
    expected::Expected,
    figures::{Latencies, number, shown},
    http, load,
    operators::{self, Operators},
};

pub(super) const KERNEL_BYTES: usize = 1024 * 1024;
/// So many machines are powered on at the same moment.
const AT_ONCE: usize = 1000;
/// How long a machine waits for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a machine asks again before it gives up.
const TRIES: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Who takes part.
pub(super) struct Storm<'a> {
    pub(super) contestant: &'a Contestant,
    pub(super) images: SocketAddr,
    pub(super) machines: u32,
    pub(super) changes_per_second: u32,
}

/// What came out of one.
#[derive(Default)]
pub(super) struct Weather {
    pub(super) seconds: f64,
    pub(super) first: Latencies,
    pub(super) scripts: Latencies,
    pub(super) kernels: Latencies,
    /// From power-on to the kernel, all waits included.
    pub(super) boots: Latencies,
    /// Machines that never got all they wanted, with the last reason.
    pub(super) failed: usize,
    pub(super) failure: Option<String>,
    /// How often a machine was told to come back.
    pub(super) told_to_wait: usize,
    pub(super) wrong: Vec<String>,
    pub(super) changes: usize,
    pub(super) changes_failed: usize,
    pub(super) change_latencies: Latencies,
    pub(super) idle_mib: f64,
    pub(super) peak_mib: f64,
    pub(super) kernel_bytes: usize,
}

#[derive(Clone, Copy)]
enum Stage {
    First,
    Script,
    Kernel,
}

/// What a machine does next.
enum Next {
    /// Asks over the same connection.
    Ask,
    /// Asks another server.
    AskElsewhere,
    AskAt(Instant),
    Finished,
}

struct Machine {
    stage: Stage,
    started: Instant,
    tries: u32,
    connection: Option<Handle>,
}

impl Storm<'_> {
    pub(super) fn run(&self) -> Result<Weather> {
        let mut weather = Weather {
            idle_mib: self.rss_mib()?,
            ..Weather::default()
        };
        let mut client = Client::new(2 * AT_ONCE + 64, PATIENCE)?;
        let mut expected = Expected::default();
        let address = self.contestant.target.address;
        let mut operators = Operators::new(address, self.machines, self.changes_per_second);
        let mut machines: BTreeMap<u32, Machine> = BTreeMap::new();
        let mut asleep: BinaryHeap<Reverse<(Instant, u32)>> = BinaryHeap::new();
        let mut next = 0;
        let start = Instant::now();
        let mut next_look = start;
        while next < self.machines || !machines.is_empty() {
            let now = Instant::now();
            while next < self.machines && machines.len() < AT_ONCE {
                let machine = Machine {
                    stage: Stage::First,
                    started: now,
                    tries: 0,
                    connection: None,
                };
                self.ask(&mut client, next, &machine)?;
                machines.insert(next, machine);
                next += 1;
            }
            while asleep.peek().is_some_and(|Reverse((when, _))| *when <= now) {
                if let Some(Reverse((_, index))) = asleep.pop()
                    && let Some(machine) = machines.get(&index)
                {
                    self.ask(&mut client, index, machine)?;
                }
            }
            operators.act(now, &mut client, &mut expected)?;
            if now >= next_look {
                weather.peak_mib = weather.peak_mib.max(self.rss_mib()?);
                next_look = now + LOOK_EVERY;
            }
            for done in client.turn(now + Duration::from_millis(5))? {
                if done.tag >= operators::TAGS {
                    operators.take(&done, &mut expected);
                    continue;
                }
                let index = u32::try_from(done.tag)?;
                let Some(mut machine) = machines.remove(&index) else {
                    continue;
                };
                match self.went(&mut weather, &expected, index, &mut machine, &done) {
                    Next::Ask => self.ask(&mut client, index, &machine)?,
                    Next::AskElsewhere => {
                        if let Some(handle) = machine.connection.take() {
                            client.close(handle);
                        }
                        self.ask(&mut client, index, &machine)?;
                    }
                    Next::AskAt(when) => {
                        if let Some(handle) = machine.connection.take() {
                            client.close(handle);
                        }
                        asleep.push(Reverse((when, index)));
                    }
                    Next::Finished => {
                        if let Some(handle) = machine.connection {
                            client.close(handle);
                        }
                        continue;
                    }
                }
                machines.insert(index, machine);
            }
        }
        weather.seconds = start.elapsed().as_secs_f64();
        weather.changes = operators.made();
        weather.changes_failed = operators.failed();
        weather.change_latencies = operators.into_latencies();
        Ok(weather)
    }

    fn rss_mib(&self) -> Result<f64> {
        let all = load::usages(&self.contestant.target)?;
        Ok(all.iter().map(|(_, it)| it.rss_mib).sum())
    }

    fn ask(&self, client: &mut Client, index: u32, machine: &Machine) -> Result<()> {
        let server = self.contestant.target.address;
        let (to, path) = match machine.stage {
            Stage::First => (server, "/boot.ipxe".to_owned()),
            Stage::Script => (server, self.contestant.target.path(index)),
            Stage::Kernel => (self.images, "/kernel".to_owned()),
        };
        client.submit(Request {
            to,
            bytes: http::firmware_request(&path),
            tag: u64::from(index),
            due: Instant::now(),
            on: machine.connection.map_or(On::New, On::Given),
        })
    }

    /// What a machine does with an answer.
    fn went(
        &self,
        weather: &mut Weather,
        expected: &Expected,
        index: u32,
        machine: &mut Machine,
        done: &Done,
    ) -> Next {
        machine.connection = done.connection;
        let answer = match &done.outcome {
            Ok(answer) if answer.status == 200 => answer,
            other => {
                machine.tries += 1;
                let wait = match other {
                    Ok(answer) if answer.status == 503 => {
                        weather.told_to_wait += 1;
                        answer.retry_after.unwrap_or(1)
                    }
                    _ => 1,
                };
                if machine.tries < TRIES {
                    return Next::AskAt(done.ended + Duration::from_secs(wait));
                }
                weather.failed += 1;
                weather.failure = Some(match other {
                    Ok(answer) => format!("status {}", answer.status),
                    Err(error) => format!("{error:#}"),
                });
                return Next::Finished;
            }
        };
        match machine.stage {
            Stage::First => {
                weather.first.push(done.latency());
                if !answer.body.starts_with(b"#!ipxe") {
                    weather
                        .wrong
                        .push(format!("machine {index}: boot.ipxe is no script"));
                }
                machine.stage = Stage::Script;
                Next::Ask
            }
            Stage::Script => {
                weather.scripts.push(done.latency());
                let text = String::from_utf8_lossy(&answer.body);
                if let Err(why) = expected.check(index, &text, done.sent, done.ended) {
                    weather.wrong.push(why);
                }
                machine.stage = Stage::Kernel;
                Next::AskElsewhere
            }
            Stage::Kernel => {
                weather.kernels.push(done.latency());
                weather.boots.push(done.ended - machine.started);
                weather.kernel_bytes += answer.length;
                if answer.length != KERNEL_BYTES {
                    weather
                        .wrong
                        .push(format!("machine {index}: a kernel of {}", answer.length));
                }
                Next::Finished
            }
        }
    }
}

/// The columns of [`Weather::cells`].
pub(super) const HEADINGS: &[&str] = &[
    "",
    "all have booted after, s",
    "boot.ipxe: p99, ms",
    "script: p50, ms",
    "script: p99, ms",
    "script: p99.9, ms",
    "a boot: p50, ms",
    "a boot: p99, ms",
    "told to wait (503)",
    "never booted",
    "wrong scripts",
    "changes (failed)",
    "a change: p99, ms",
    "memory idle → peak (RSS), MiB",
    "kernels, MB/s",
];

impl Weather {
    pub(super) fn cells(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            shown(self.seconds, 1),
            shown(self.first.percentile(99.0), 1),
            shown(self.scripts.percentile(50.0), 1),
            shown(self.scripts.percentile(99.0), 1),
            shown(self.scripts.percentile(99.9), 1),
            shown(self.boots.percentile(50.0), 0),
            shown(self.boots.percentile(99.0), 0),
            self.told_to_wait.to_string(),
            self.failed.to_string(),
            self.wrong.len().to_string(),
            format!("{} ({})", self.changes, self.changes_failed),
            shown(self.change_latencies.percentile(99.0), 1),
            format!("{:.0} → {:.0}", self.idle_mib, self.peak_mib),
            shown(number(self.kernel_bytes) / 1e6 / self.seconds, 0),
        ]
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "boot_ipxe": self.first.json(),
            "script": self.scripts.json(),
            "kernel": self.kernels.json(),
            "boot": self.boots.json(),
            "told_to_wait": self.told_to_wait,
            "never_booted": self.failed,
            "why": self.failure,
            "wrong_scripts": self.wrong,
            "changes": self.changes,
            "changes_failed": self.changes_failed,
            "change": self.change_latencies.json(),
            "rss_idle_mib": self.idle_mib,
            "rss_peak_mib": self.peak_mib,
            "kernel_bytes": self.kernel_bytes,
        })
    }
}
