//! Selects the conductors for a call: the live ones that can execute it.
//!
//! The list comes from the database and is at most a second old; a call finds out if one has just
//! died. A conductor that did not respond is tried last until its next heartbeat. The conductor in
//! the node's `conductor` field is tried first; calls without a node rotate.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ironpxe_core::conductor::Conductor;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::patch::NodeChange;
use ironpxe_core::retry_after;
use json_patch::PatchOperation;
use time::OffsetDateTime;
use tracing::warn;

use crate::db::Db;

/// How long the list is used.
const FRESH: Duration = Duration::from_secs(1);
/// The conductors that can execute a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CallTarget {
    /// Any conductor.
    Any,
    /// Those with this hardware type.
    Driver(String),
    /// Those that can manage this node, by hardware type and conductor group.
    Node(NodeUuid),
    /// Those that could manage a node of this hardware type and group.
    DriverAndGroup {
        /// The hardware type.
        driver: String,
        /// The conductor group.
        group: String,
    },
}

impl CallTarget {
    /// The target for enrolling the node.
    pub(super) fn create(node: &Node) -> Self {
        Self::DriverAndGroup {
            driver: node.driver.clone(),
            group: node.conductor_group.clone(),
        }
    }

    /// The target for changing the node: by the new hardware type, if it changes.
    pub(super) fn update(node: NodeUuid, change: &NodeChange) -> Self {
        let NodeChange::Patch(patch) = change else {
            return Self::Node(node);
        };
        let driver = patch.iter().rev().find_map(|op| match op {
            PatchOperation::Add(op) if op.path.as_str() == "/driver" => op.value.as_str(),
            PatchOperation::Replace(op) if op.path.as_str() == "/driver" => op.value.as_str(),
            _ => None,
        });
        driver.map_or(Self::Node(node), |driver| Self::Driver(driver.to_owned()))
    }
}

/// A listed conductor.
pub(super) type Peer = Arc<Conductor>;

/// The list of conductors.
#[derive(Debug)]
pub(super) struct Directory {
    db: Db,
    listed: Mutex<ConductorList>,
    /// Held while the list is read, so that concurrent requests share one query.
    reading: tokio::sync::Mutex<()>,
    turn: AtomicUsize,
}

#[derive(Debug, Default)]
struct ConductorList {
    read: Option<Instant>,
    conductors: Arc<[Peer]>,
    /// Endpoints that did not respond, with their last heartbeat at that time.
    suspects: HashMap<String, Option<OffsetDateTime>>,
}

impl Directory {
    pub(super) fn new(db: Db) -> Self {
        Self {
            db,
            listed: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// The conductors to try, in order; at least one, or the fault.
    pub(super) async fn candidates(&self, target: &CallTarget) -> Result<Vec<Peer>> {
        let conductors = self.list().await?;
        let reachable = conductors.iter().filter(|it| !it.endpoint.is_empty());
        let mut live: Vec<&Peer> = reachable.clone().filter(|it| it.alive).collect();
        if live.is_empty() {
            // If all seem dead, the database probably rejects heartbeats; those that really are do
            // not respond.
            live = reachable.clone().filter(|it| it.online).collect();
        }
        if live.is_empty() {
            return Err(no_conductor("No conductor is running"));
        }
        let Some((driver, group)) = self.required_driver(target, &live).await? else {
            return Ok(self.in_order(target, live));
        };
        let suits = |it: &Peer| match &group {
            Some(group) => it.serves(&driver, group),
            None => it.drivers.contains(&driver),
        };
        let suitable: Vec<&Peer> = live.iter().copied().filter(|it| suits(it)).collect();
        if !suitable.is_empty() {
            return Ok(self.in_order(target, suitable));
        }
        if reachable.clone().any(suits) {
            return Err(no_conductor(&format!(
                "No conductor with the driver {driver} is running"
            )));
        }
        match group {
            Some(group) if live.iter().any(|it| it.drivers.contains(&driver)) => {
                Err(Fault::NoValidHost { driver, group })
            }
            // Any conductor returns the fault for an unknown driver.
            _ => Ok(self.in_order(target, live)),
        }
    }

    /// The hardware type and group that a call needs; `None` for any conductor.
    async fn required_driver(
        &self,
        target: &CallTarget,
        live: &[&Peer],
    ) -> Result<Option<(String, Option<String>)>> {
        let alike = live.windows(2).all(|pair| match pair {
            [one, other] => {
                one.drivers == other.drivers && one.conductor_group == other.conductor_group
            }
            _ => true,
        });
        match target {
            CallTarget::Driver(driver) => Ok(Some((driver.clone(), None))),
            CallTarget::DriverAndGroup { driver, group } if !alike => {
                Ok(Some((driver.clone(), Some(group.clone()))))
            }
            CallTarget::Node(uuid) if !alike => {
                let node = self.db.node_get(*uuid).await?;
                // Any conductor can return the fault for a missing node.
                Ok(node.map(|node| (node.driver, Some(node.conductor_group))))
            }
            CallTarget::Any | CallTarget::DriverAndGroup { .. } | CallTarget::Node(_) => Ok(None),
        }
    }

    /// Records that a conductor did not respond.
    pub(super) fn failed(&self, peer: &Peer) {
        let mut listed = self.lock();
        listed.suspects.insert(peer.endpoint.clone(), None);
        listed.read = None;
    }

    /// The node's conductor first, or rotated; those that did not respond lately come last.
    fn in_order(&self, target: &CallTarget, mut conductors: Vec<&Peer>) -> Vec<Peer> {
        if let CallTarget::Node(uuid) = target {
            conductors.sort_by_cached_key(|it| it.rank(*uuid));
        } else {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let first = turn.checked_rem(conductors.len()).unwrap_or(0);
            conductors.rotate_left(first);
        }
        let listed = self.lock();
        if !listed.suspects.is_empty() {
            conductors.sort_by_key(|it| listed.suspects.contains_key(&it.endpoint));
        }
        conductors.into_iter().map(Arc::clone).collect()
    }

    async fn list(&self) -> Result<Arc<[Peer]>> {
        if let Some(conductors) = self.fresh() {
            return Ok(conductors);
        }
        let _reading = self.reading.lock().await;
        if let Some(conductors) = self.fresh() {
            return Ok(conductors);
        }
        match self.db.conductor_list().await {
            Ok(conductors) => {
                let conductors = conductors.into_iter().map(Arc::new).collect();
                Ok(self.lock().renew(conductors))
            }
            Err(error) => {
                let mut listed = self.lock();
                if listed.conductors.is_empty() {
                    return Err(error.into());
                }
                warn!("cannot read the list of conductors; using the last known one: {error}");
                listed.read = Some(Instant::now());
                Ok(Arc::clone(&listed.conductors))
            }
        }
    }

    fn fresh(&self) -> Option<Arc<[Peer]>> {
        let listed = self.lock();
        let fresh = listed.read.is_some_and(|read| read.elapsed() < FRESH);
        fresh.then(|| Arc::clone(&listed.conductors))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ConductorList> {
        // No change is left incomplete by a panic.
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConductorList {
    fn renew(&mut self, conductors: Arc<[Peer]>) -> Arc<[Peer]> {
        self.suspects.retain(|endpoint, seen| {
            let listed = conductors.iter().find(|it| it.endpoint == *endpoint);
            let Some(beat) = listed.and_then(|it| it.updated_at) else {
                return false;
            };
            *seen.get_or_insert(beat) == beat
        });
        self.conductors = Arc::clone(&conductors);
        self.read = Some(Instant::now());
        conductors
    }
}

/// The fault if there is no conductor.
pub(super) fn no_conductor(reason: &str) -> Fault {
    Fault::unavailable(reason, retry_after::SERVICE)
}
