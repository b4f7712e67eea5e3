//! What operators do: enrolling, patching and bringing nodes from state to state, eight at a time.
//! The same calls go to real Ironic in the same run, if that is asked for.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{
    api::{self, Template},
    boot::Outcome,
    client::{Client, Done, On, Request},
    contestants::Contestant,
    figures::{Latencies, Table, number, shown},
    http, names,
    process::{self, Usage},
};

/// So many calls are under way at once.
const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_mins(1);
/// A node is looked at again after a quarter of the time it has taken, and not earlier than this.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);
/// No more nodes than this, however fast they are made.
const MOST: usize = 20_000;
/// Addresses from here on are nobody else's.
const FIRST_ADDRESS: u32 = 1_000_000;
/// The changes of state: the verb, and where it leads.
const VERBS: [(&str, &str); 2] = [("manage", "manageable"), ("provide", "available")];

/// Whom the calls go to.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) processes: Vec<(&'static str, u32)>,
    pub(super) database: Option<u32>,
}

/// What came of one kind of call.
struct Phase {
    name: String,
    latencies: Latencies,
    /// Other answers than success, by status; 0 stands for none.
    failed: BTreeMap<u16, usize>,
    seconds: f64,
    cpu_seconds: f64,
    database_cpu_seconds: f64,
}

/// Measures each service, `time` for each kind of call.
pub(super) fn run(services: &[Service], time: Duration) -> Result<Outcome> {
    let mut measured = Vec::new();
    for service in services {
        measured.push(service.measure(time)?);
    }
    let mut headings = vec![String::new()];
    for service in services {
        let name = &service.name;
        headings.push(format!("{name}: per second"));
        headings.extend(["p50, ms", "p99, ms", "CPU, ms", "failed"].map(str::to_owned));
    }
    let mut table = Table::new(headings);
    let kinds = measured.first().map_or(0, Vec::len);
    for kind in 0..kinds {
        let phases: Vec<&Phase> = measured.iter().filter_map(|it| it.get(kind)).collect();
        let name = phases.first().map(|it| it.name.clone()).unwrap_or_default();
        let mut cells = vec![name];
        for phase in phases {
            cells.extend([
                shown(phase.per_second(), 0),
                shown(phase.latencies.percentile(50.0), 1),
                shown(phase.latencies.percentile(99.0), 1),
                phase.cpu(),
                phase.failed.values().sum::<usize>().to_string(),
            ]);
        }
        table.row(cells);
    }
    let all: Map<String, Value> = services
        .iter()
        .zip(&measured)
        .map(|(service, phases)| {
            let phases = phases.iter().map(|it| (it.name.clone(), it.json()));
            (service.name.clone(), Value::Object(phases.collect()))
        })
        .collect();
    Ok(Outcome {
        markdown: format!(
            "{AT_ONCE} calls at once. A change of state is done when the node is in the new state \
             and nobody works on it. CPU is per call, that of the database server behind the \
             plus.\n\n{}",
            table.into_text()
        ),
        json: Value::Object(all),
    })
}

impl Phase {
    fn per_second(&self) -> f64 {
        number(self.latencies.count()) / self.seconds
    }

    /// Milliseconds for each call.
    fn cpu(&self) -> String {
        let each = |seconds: f64| shown(seconds * 1e3 / number(self.latencies.count()), 2);
        match self.database_cpu_seconds {
            none if none <= 0.0 => each(self.cpu_seconds),
            database => format!("{} + {}", each(self.cpu_seconds), each(database)),
        }
    }

    fn json(&self) -> Value {
        let failed = self
            .failed
            .iter()
            .map(|(it, count)| (it.to_string(), json!(count)));
        json!({
            "per_second": self.per_second(),
            "latency": self.latencies.json(),
            "failed": failed.collect::<Map<_, _>>(),
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "database_cpu_seconds": self.database_cpu_seconds,
        })
    }
}

impl Service {
    pub(super) fn of(contestant: &Contestant) -> Self {
        Self {
            name: contestant.kind.title().to_owned(),
            address: contestant.target.address,
            processes: contestant.target.processes.clone(),
            database: contestant.target.database,
        }
    }

    fn measure(&self, time: Duration) -> Result<Vec<Phase>> {
        let mut uuids = Vec::new();
        let mut phases = Vec::new();
        let create = |position: usize| {
            let body = api::node(&format!("made-{position}"), Template::Deploying).to_string();
            Some(http::request("POST", "/v1/nodes", Some(&body)))
        };
        phases.push(self.calls("create a node", time, create, |body| {
            let made = serde_json::from_slice(body).unwrap_or(Value::Null);
            uuids.extend(api::uuid(&made).ok());
        })?);
        let port = |position: usize| {
            let uuid = uuids.get(position)?;
            let address = names::mac(FIRST_ADDRESS + u32::try_from(position).ok()?, ":");
            let body = json!({ "node_uuid": uuid, "address": address }).to_string();
            Some(http::request("POST", "/v1/ports", Some(&body)))
        };
        phases.push(self.calls("create a port", time, port, |_| {})?);
        let patch = |position: usize| {
            let uuid = uuids.get(position % uuids.len().max(1))?;
            let body = json!([{ "op": "add", "path": "/extra/position", "value": position }]);
            let path = format!("/v1/nodes/{uuid}");
            Some(http::request("PATCH", &path, Some(&body.to_string())))
        };
        phases.push(self.calls("patch a node", time, patch, |_| {})?);
        let show = |position: usize| {
            let uuid = uuids.get(position % uuids.len().max(1))?;
            Some(http::request("GET", &format!("/v1/nodes/{uuid}"), None))
        };
        phases.push(self.calls("show a node", time, show, |_| {})?);
        let mut ready = uuids.clone();
        for (verb, state) in VERBS {
            let (phase, arrived) = self.changes_of_state(&ready, verb, state, time)?;
            phases.push(phase);
            ready = arrived;
        }
        Ok(phases)
    }

    fn usage(&self) -> Result<(f64, f64)> {
        let mut seconds = 0.0;
        for (_, pid) in &self.processes {
            seconds += process::usage(*pid)?.cpu_seconds;
        }
        let database = self.database.map_or(Ok(Usage::default()), process::usage)?;
        Ok((seconds, database.cpu_seconds))
    }

    /// Sends the requests that `bytes` gives, until it gives no more or the time is over.
    fn calls(
        &self,
        name: &str,
        time: Duration,
        bytes: impl Fn(usize) -> Option<Vec<u8>>,
        mut take: impl FnMut(&[u8]),
    ) -> Result<Phase> {
        let mut client = Client::new(AT_ONCE, PATIENCE)?;
        let mut phase = Phase::new(name);
        let before = self.usage()?;
        let start = Instant::now();
        let (mut next, mut more) = (0, true);
        while more || client.under_way() > 0 {
            more = more && start.elapsed() < time && next < MOST;
            while more && client.under_way() < AT_ONCE {
                let Some(bytes) = bytes(next) else {
                    more = false;
                    break;
                };
                client.submit(self.request(bytes, next))?;
                next += 1;
            }
            for done in client.turn(Instant::now() + PATIENCE)? {
                if let Some(body) = phase.take(&done) {
                    phase.latencies.push(done.latency());
                    take(body);
                }
            }
        }
        self.finish(&mut phase, start, before)?;
        Ok(phase)
    }

    /// Has each node change its state; gives those that have.
    fn changes_of_state(
        &self,
        uuids: &[String],
        verb: &str,
        state: &str,
        time: Duration,
    ) -> Result<(Phase, Vec<String>)> {
        let mut client = Client::new(AT_ONCE, PATIENCE)?;
        let mut phase = Phase::new(&format!("{verb} a node"));
        let mut arrived = Vec::new();
        // When each was asked for.
        let mut under_way: BTreeMap<usize, Instant> = BTreeMap::new();
        // When each is looked at again.
        let mut looks: BinaryHeap<Reverse<(Instant, usize)>> = BinaryHeap::new();
        let before = self.usage()?;
        let start = Instant::now();
        let (mut next, mut more) = (0, true);
        while more || !under_way.is_empty() {
            more = more && start.elapsed() < time;
            while more && under_way.len() < AT_ONCE {
                let Some(uuid) = uuids.get(next) else {
                    more = false;
                    break;
                };
                let path = format!("/v1/nodes/{uuid}/states/provision");
                let body = json!({ "target": verb }).to_string();
                client.submit(self.request(http::request("PUT", &path, Some(&body)), next))?;
                under_way.insert(next, Instant::now());
                next += 1;
            }
            let now = Instant::now();
            while looks.peek().is_some_and(|Reverse((when, _))| *when <= now) {
                if let Some(Reverse((_, position))) = looks.pop() {
                    let uuid = uuids.get(position).context("no such node")?;
                    let path = format!("/v1/nodes/{uuid}?fields=provision_state,reservation");
                    client.submit(self.request(http::request("GET", &path, None), position))?;
                }
            }
            let next_look = looks.peek().map(|Reverse((when, _))| *when);
            let until = next_look.unwrap_or(now + Duration::from_millis(100));
            for done in client.turn(until)? {
                let position = usize::try_from(done.tag)?;
                let uuid = uuids.get(position).context("no such node")?;
                let Some(body) = phase.take(&done) else {
                    under_way.remove(&position);
                    continue;
                };
                let node = serde_json::from_slice(body).unwrap_or(Value::Null);
                let asked = under_way.get(&position).copied().unwrap_or(start);
                if api::is_settled(&node, state) {
                    phase.latencies.push(asked.elapsed());
                    under_way.remove(&position);
                    arrived.push(uuid.clone());
                } else if asked.elapsed() > PATIENCE {
                    *phase.failed.entry(0).or_default() += 1;
                    under_way.remove(&position);
                } else {
                    // So that looking costs little of what is looked at.
                    let wait = (asked.elapsed() / 4).max(SHORTEST_WAIT);
                    looks.push(Reverse((Instant::now() + wait, position)));
                }
            }
        }
        self.finish(&mut phase, start, before)?;
        Ok((phase, arrived))
    }

    fn finish(&self, phase: &mut Phase, start: Instant, before: (f64, f64)) -> Result<()> {
        let after = self.usage()?;
        phase.seconds = start.elapsed().as_secs_f64();
        phase.cpu_seconds = after.0 - before.0;
        phase.database_cpu_seconds = after.1 - before.1;
        Ok(())
    }

    fn request(&self, bytes: Vec<u8>, position: usize) -> Request {
        Request {
            to: self.address,
            bytes,
            tag: u64::try_from(position).unwrap_or_default(),
            due: Instant::now(),
            on: On::Any,
        }
    }
}

impl Phase {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            latencies: Latencies::default(),
            failed: BTreeMap::new(),
            seconds: 0.0,
            cpu_seconds: 0.0,
            database_cpu_seconds: 0.0,
        }
    }

    /// The body of a success; anything else is counted.
    fn take<'a>(&mut self, done: &'a Done) -> Option<&'a [u8]> {
        match &done.outcome {
            Ok(answer) if (200..300).contains(&answer.status) => return Some(&answer.body),
            Ok(answer) => *self.failed.entry(answer.status).or_default() += 1,
            Err(_) => *self.failed.entry(0).or_default() += 1,
        }
        None
    }
}
