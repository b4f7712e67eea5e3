//! Requests at a given pace, whatever becomes of them, and as fast as they are answered.
//!
//! One thread asks, on a processor that the servers do not have: they get the first half of the
//! processors, and what is measured is them and not who asks.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use serde_json::{Value, json};

use super::{
    client::{Client, Done, On, Request},
    figures::{Latencies, number},
    http,
    load::Target,
    names::scrambled,
};

/// How many connections ask again and again.
const AT_ONCE: usize = 64;

/// Who has which processors.
pub(super) struct Halves {
    /// Those of the servers, as `taskset` takes them.
    pub(super) servers: String,
    load: CpuSet,
}

impl Halves {
    /// Of the processors that we have. With a single one, both have it.
    pub(super) fn new() -> Result<Self> {
        let ours = sched_getaffinity(Pid::from_raw(0)).context("no processors")?;
        let all: Vec<usize> = (0..CpuSet::count())
            .filter(|it| ours.is_set(*it).unwrap_or(false))
            .collect();
        let middle = (all.len() / 2).max(1);
        let (servers, load) = all.split_at(middle.min(all.len()));
        let load = if load.is_empty() { servers } else { load };
        let mut set = CpuSet::new();
        for processor in load {
            set.set(*processor).context("no such processor")?;
        }
        let servers: Vec<String> = servers.iter().map(usize::to_string).collect();
        Ok(Self {
            servers: servers.join(","),
            load: set,
        })
    }

    /// Does something on the processors of the load.
    pub(super) fn on_load_side<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        thread::scope(|scope| {
            let there = || {
                sched_setaffinity(Pid::from_raw(0), &self.load).context("cannot move")?;
                work()
            };
            let joined = scope.spawn(there).join();
            joined.map_err(|_| anyhow!("the load panicked"))?
        })
    }
}

/// What is asked, and when.
pub(super) struct Offer<'a> {
    pub(super) target: &'a Target,
    pub(super) nodes: u32,
    /// How many connections there are at most. What finds none waits, as it would for the server.
    pub(super) connections: usize,
    /// After this time nobody waits for the answer any more.
    pub(super) patience: Duration,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Answered {
    /// How many requests there were.
    pub(super) offered: usize,
    /// From when a request was due until its 200 was complete.
    pub(super) accepted: Latencies,
    /// From when a request was sent until its 200 was complete: without what it waited for one of
    /// the connections, or for the load itself.
    pub(super) accepted_on_the_wire: Latencies,
    /// The same of other answers.
    pub(super) refused_on_the_wire: Latencies,
    pub(super) by_status: BTreeMap<u16, usize>,
    /// Connections that failed, and answers that took too long.
    pub(super) none: usize,
    /// From the first request until the last answer.
    pub(super) seconds: f64,
    /// How long after it was due the last request was sent: what the load was itself late.
    pub(super) late: Latencies,
}

impl Answered {
    fn take(&mut self, done: &Done) {
        self.late.push(done.sent - done.due);
        match &done.outcome {
            Ok(answer) => {
                *self.by_status.entry(answer.status).or_default() += 1;
                if answer.status == 200 {
                    self.accepted.push(done.latency());
                    self.accepted_on_the_wire.push(done.on_the_wire());
                } else {
                    self.refused_on_the_wire.push(done.on_the_wire());
                }
            }
            Err(_) => self.none += 1,
        }
    }

    /// Scripts a second.
    pub(super) fn accepted_per_second(&self) -> f64 {
        number(self.accepted.count()) / self.seconds
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "offered": self.offered,
            "seconds": self.seconds,
            "accepted": self.accepted.json(),
            "accepted_on_the_wire": self.accepted_on_the_wire.json(),
            "refused_on_the_wire": self.refused_on_the_wire.json(),
            "by_status": self.by_status.iter()
                .map(|(status, count)| (status.to_string(), json!(count)))
                .collect::<serde_json::Map<_, _>>(),
            "no_answer": self.none,
            "sent_late": self.late.json(),
        })
    }
}

impl Offer<'_> {
    /// Asks `rate` times a second for `time`, at even distances.
    pub(super) fn at(&self, rate: f64, time: Duration) -> Result<Answered> {
        let mut client = Client::new(self.connections, self.patience)?;
        let mut answered = Answered::default();
        let start = Instant::now();
        let due = |position: usize| start + Duration::from_secs_f64(number(position) / rate);
        let end = start + time;
        loop {
            let now = Instant::now();
            while due(answered.offered) <= now.min(end) {
                client.submit(self.request(answered.offered, due(answered.offered)))?;
                answered.offered += 1;
            }
            let next = due(answered.offered);
            if next > end && client.under_way() == 0 {
                break;
            }
            let until = if next > end {
                now + self.patience
            } else {
                next
            };
            for done in client.turn(until)? {
                answered.take(&done);
            }
        }
        answered.seconds = start.elapsed().as_secs_f64();
        Ok(answered)
    }

    /// Asks for each node once, over 64 connections, each again as soon as it is answered. Fails
    /// unless all are answered with a script.
    pub(super) fn each_once(&self) -> Result<()> {
        let mut client = Client::new(AT_ONCE, self.patience)?;
        let mut next = 0;
        let mut answered = Answered::default();
        while next < self.nodes || client.under_way() > 0 {
            let now = Instant::now();
            while next < self.nodes && client.under_way() < AT_ONCE {
                client.submit(self.request_for(next, now))?;
                next += 1;
            }
            for done in client.turn(now + self.patience)? {
                answered.take(&done);
            }
        }
        let scripts = answered.accepted.count();
        anyhow::ensure!(
            u32::try_from(scripts) == Ok(self.nodes),
            "of {} nodes, {scripts} got a script",
            self.nodes
        );
        Ok(())
    }

    /// Asks over 64 connections, each again as soon as it is answered.
    pub(super) fn as_fast_as_it_goes(&self, time: Duration) -> Result<Answered> {
        let mut client = Client::new(AT_ONCE, self.patience)?;
        let mut answered = Answered::default();
        let start = Instant::now();
        loop {
            let now = Instant::now();
            if now - start >= time && client.under_way() == 0 {
                break;
            }
            while now - start < time && client.under_way() < AT_ONCE {
                client.submit(self.request(answered.offered, now))?;
                answered.offered += 1;
            }
            for done in client.turn(now + self.patience)? {
                answered.take(&done);
            }
        }
        answered.seconds = start.elapsed().as_secs_f64();
        Ok(answered)
    }

    fn request(&self, position: usize, due: Instant) -> Request {
        let tag = u64::try_from(position).unwrap_or_default();
        let node = scrambled(tag) % u64::from(self.nodes.max(1));
        Request {
            tag,
            ..self.request_for(u32::try_from(node).unwrap_or_default(), due)
        }
    }

    fn request_for(&self, node: u32, due: Instant) -> Request {
        Request {
            to: self.target.address,
            bytes: http::firmware_request(&self.target.path(node)),
            tag: u64::from(node),
            due,
            on: On::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_load_have_processors() {
        let halves = Halves::new().unwrap();
        assert!(!halves.servers.is_empty());
        let there = halves.on_load_side(|| Ok(sched_getaffinity(Pid::from_raw(0))?));
        assert_eq!(there.unwrap(), halves.load);
    }
}
