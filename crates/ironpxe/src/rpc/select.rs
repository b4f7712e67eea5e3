//! Which conductor to ask: the conductors that live, and can do it.
//!
//! The list is the database's, at most a second old; one that has just gone is found out by asking.
//! A conductor that did not answer is asked last until it has written a heartbeat again. Of several,
//! the one that the node's `conductor` field names is asked first; what belongs to no node goes to each in
//! its turn.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ironpxe_core::conductor::Conductor;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::patch::NodeChange;
use json_patch::PatchOperation;
use time::OffsetDateTime;
use tracing::warn;

use crate::db::Db;

/// How old the list may be.
const FRESH: Duration = Duration::from_secs(1);
/// When to come back if there is nobody, in seconds.
const RETRY_AFTER: u16 = 5;

/// Who can do what a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Every conductor: all it needs is in the database.
    Any,
    /// Who has this hardware type.
    Driver(String),
    /// Who works on this node: has its hardware type, and is of its conductor group.
    Node(NodeUuid),
    /// Who would work on a node of this hardware type and group.
    Place {
        /// The hardware type.
        driver: String,
        /// The conductor group.
        group: String,
    },
}

impl Target {
    /// Who can enrol the node.
    pub(super) fn enrols(node: &Node) -> Self {
        Self::Place {
            driver: node.driver.clone(),
            group: node.conductor_group.clone(),
        }
    }

    /// Who can change the node: if it gets another hardware type, who has that one.
    pub(super) fn changes(node: NodeUuid, change: &NodeChange) -> Self {
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

/// A conductor to ask, as it was listed.
pub(super) type Peer = Arc<Conductor>;

/// Knows the conductors.
#[derive(Debug)]
pub(super) struct Directory {
    db: Db,
    listed: Mutex<Listed>,
    /// Held while the list is read, so that one request does it for all who wait.
    reading: tokio::sync::Mutex<()>,
    turn: AtomicUsize,
}

#[derive(Debug, Default)]
struct Listed {
    read: Option<Instant>,
    conductors: Arc<[Peer]>,
    /// Endpoints that did not answer, with the last heartbeat that was known after that.
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

    /// Target to ask, one after the other; at least one, or why there is none.
    pub(super) async fn candidates(&self, target: &Target) -> Result<Vec<Peer>> {
        let conductors = self.list().await?;
        let reachable = conductors.iter().filter(|it| !it.endpoint.is_empty());
        let mut live: Vec<&Peer> = reachable.clone().filter(|it| it.alive).collect();
        if live.is_empty() {
            // When all are silent, it is rather that the database takes no heartbeats. Who is
            // really gone does not answer.
            live = reachable.clone().filter(|it| it.online).collect();
        }
        if live.is_empty() {
            return Err(no_conductor("No conductor is running"));
        }
        let Some((driver, group)) = self.place(target, &live).await? else {
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
            // It says in the right words that there is no such driver.
            _ => Ok(self.in_order(target, live)),
        }
    }

    /// The hardware type and group that a call needs; `None` if anybody will do.
    async fn place(
        &self,
        target: &Target,
        live: &[&Peer],
    ) -> Result<Option<(String, Option<String>)>> {
        let alike = live.windows(2).all(|pair| match pair {
            [one, other] => {
                one.drivers == other.drivers && one.conductor_group == other.conductor_group
            }
            _ => true,
        });
        match target {
            Target::Driver(driver) => Ok(Some((driver.clone(), None))),
            Target::Place { driver, group } if !alike => {
                Ok(Some((driver.clone(), Some(group.clone()))))
            }
            Target::Node(uuid) if !alike => {
                let node = self.db.node_get(*uuid).await?;
                // Of a node that is not there, anybody can say so.
                Ok(node.map(|node| (node.driver, Some(node.conductor_group))))
            }
            Target::Any | Target::Place { .. } | Target::Node(_) => Ok(None),
        }
    }

    /// Notes that a conductor did not answer.
    pub(super) fn failed(&self, peer: &Peer) {
        let mut listed = self.lock();
        listed.suspects.insert(peer.endpoint.clone(), None);
        listed.read = None;
    }

    /// The node's own conductor first, or each in its turn; those last that did not answer lately.
    fn in_order(&self, target: &Target, mut conductors: Vec<&Peer>) -> Vec<Peer> {
        if let Target::Node(uuid) = target {
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
                warn!("the list of conductors cannot be read, the last one is used: {error}");
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Listed> {
        // It holds no half-made changes.
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
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

/// What is said when there is nobody to ask.
pub(super) fn no_conductor(reason: &str) -> Fault {
    Fault::Unavailable {
        reason: reason.to_owned(),
        retry_after: RETRY_AFTER,
    }
}
