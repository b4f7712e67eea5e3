//! Operators who change nodes all the time: mostly a kernel argument, and every tenth time they
//! undeploy a node, so that its machine is no longer to be booted.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    api,
    client::{Client, Done, On, Request},
    expected::{Boots, Expected, MARK},
    figures::Latencies,
    http::{self, Answer},
    names::{self, Kind, scrambled},
};

pub(super) struct Operators {
    address: SocketAddr,
    nodes: u32,
    every: Duration,
    next: Option<Instant>,
    begun: u32,
    /// What is under way, by node.
    under_way: HashMap<u32, Step>,
    /// Nodes that are left alone from now on.
    done_with: HashSet<u32>,
    made: usize,
    failed: usize,
    failure: Option<String>,
    latencies: Latencies,
}

#[derive(Clone, Copy)]
enum Step {
    Patching,
    /// Asked for, and not yet accepted.
    Undeploying,
    /// Accepted; it is to be asked whether it is done.
    Accepted {
        at: Instant,
    },
    /// That is being asked.
    Looking {
        accepted_at: Instant,
    },
}

/// Tags of their requests, beside which there are those of others, are these and the node's number.
pub(super) const TAGS: u64 = 1 << 40;

/// Among how many nodes they choose at a time.
const AROUND: u32 = 1000;

/// No undeployment takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

impl Operators {
    pub(super) fn new(address: SocketAddr, nodes: u32, changes_per_second: u32) -> Self {
        Self {
            address,
            nodes,
            every: Duration::from_secs(1) / changes_per_second.max(1),
            next: None,
            begun: 0,
            under_way: HashMap::new(),
            done_with: HashSet::new(),
            made: 0,
            failed: 0,
            failure: None,
            latencies: Latencies::default(),
        }
    }

    pub(super) fn made(&self) -> usize {
        self.made
    }

    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    /// Why the last one that failed did.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.clone()
    }

    /// Of the calls that asked for a change.
    pub(super) fn into_latencies(self) -> Latencies {
        self.latencies
    }

    /// Begins the changes that are due, of nodes around `node`: that is where machines boot.
    pub(super) fn act(
        &mut self,
        now: Instant,
        around: u32,
        client: &mut Client,
        expected: &mut Expected,
    ) -> Result<()> {
        while self.next.is_none_or(|it| it <= now) {
            let due = self.next.unwrap_or(now);
            self.next = Some(due + self.every);
            self.begun += 1;
            let away = scrambled(u64::from(self.begun)) % u64::from(AROUND);
            let away = u32::try_from(away).unwrap_or_default();
            let node = (around + self.nodes + away - AROUND / 2) % self.nodes.max(1);
            if !self.under_way.contains_key(&node) && !self.done_with.contains(&node) {
                let (step, boots, bytes) = change(node, self.begun);
                expected.begin(node, boots);
                self.under_way.insert(node, step);
                self.send(client, node, bytes, due)?;
            }
        }
        let accepted = |(node, step): (&u32, &Step)| match step {
            Step::Accepted { at } => Some((*node, *at)),
            _ => None,
        };
        let accepted: Vec<_> = self.under_way.iter().filter_map(accepted).collect();
        for (node, accepted_at) in accepted {
            self.under_way.insert(node, Step::Looking { accepted_at });
            let uuid = names::uuid(node, Kind::Node);
            let path = format!("/v1/nodes/{uuid}?fields=provision_state,reservation,last_error");
            self.send(client, node, http::request("GET", &path, None), now)?;
        }
        Ok(())
    }

    fn send(&self, client: &mut Client, node: u32, bytes: Vec<u8>, due: Instant) -> Result<()> {
        client.submit(Request {
            to: self.address,
            bytes,
            tag: TAGS | u64::from(node),
            due,
            on: On::Any,
        })
    }

    /// Takes an answer to one of its requests.
    pub(super) fn take(&mut self, done: &Done, expected: &mut Expected) {
        let node = u32::try_from(done.tag ^ TAGS).unwrap_or_default();
        let Some(step) = self.under_way.remove(&node) else {
            return;
        };
        let success = |it: &&Answer| (200..300).contains(&it.status);
        let Some(answer) = done.outcome.as_ref().ok().filter(success) else {
            // Made or not: who knows. The node is left alone, and both are allowed from now on.
            self.failed += 1;
            self.done_with.insert(node);
            self.failure = Some(match &done.outcome {
                Ok(answer) => {
                    let text = String::from_utf8_lossy(&answer.body);
                    format!("{}: {text}", answer.status)
                }
                Err(error) => format!("{error:#}"),
            });
            return;
        };
        match step {
            Step::Patching => {
                self.latencies.push(done.latency());
                expected.made(node);
                self.made += 1;
            }
            Step::Undeploying | Step::Accepted { .. } => {
                self.latencies.push(done.latency());
                self.under_way
                    .insert(node, Step::Accepted { at: done.ended });
            }
            Step::Looking { accepted_at } => {
                let seen = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
                if api::is_settled(&seen, "available") {
                    expected.made(node);
                    self.made += 1;
                    self.done_with.insert(node);
                } else if accepted_at.elapsed() > PATIENCE {
                    self.failed += 1;
                    self.done_with.insert(node);
                } else {
                    let again = Step::Accepted { at: accepted_at };
                    self.under_way.insert(node, again);
                }
            }
        }
    }
}

/// The change with this number: the first step of it, what is booted then, and the request.
fn change(node: u32, number: u32) -> (Step, Boots, Vec<u8>) {
    let uuid = names::uuid(node, Kind::Node);
    if number.is_multiple_of(10) {
        let path = format!("/v1/nodes/{uuid}/states/provision");
        let body = json!({ "target": "deleted" }).to_string();
        let bytes = http::request("PUT", &path, Some(&body));
        return (Step::Undeploying, Boots::Nothing, bytes);
    }
    let body = json!([{
        "op": "add",
        "path": "/instance_info/kernel_append_params",
        "value": format!("{MARK}{number}"),
    }]);
    let path = format!("/v1/nodes/{uuid}");
    let bytes = http::request("PATCH", &path, Some(&body.to_string()));
    (Step::Patching, Boots::Instance(number), bytes)
}
