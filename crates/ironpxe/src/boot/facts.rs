//! The data that boot decisions are based on, from this service's database, or from an existing
//! Ironic.
//!
//! Boot requests and previews read everything through [`BootFacts`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ironpxe_core::beside::IronicMachine;
use ironpxe_core::boot::{Machine, boots_from_volume};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::volume::Volumes;
use tracing::warn;

use crate::beside::{Digest, Found, Ironic, SourceError};
use crate::db::{self, BootRows, CommitVersion, Db, MAX_MACHINES_PER_QUERY};
use crate::log_interval::LogInterval;

/// The source of nodes, ports and volumes. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct BootFacts(Source);

#[derive(Debug, Clone)]
enum Source {
    Own(Db),
    Ironic(Arc<Beside>),
}

#[derive(Debug)]
struct Beside {
    ironic: Ironic,
    /// See [`IronicMachine::machine`].
    http_urls: Arc<BTreeMap<String, String>>,
    failures: LogInterval,
}

/// What one query reads of a machine.
#[derive(Debug, Clone)]
pub(super) enum MachineRows {
    Own(Arc<BootRows>),
    Ironic(Found),
}

/// Identifies the version of the rows of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Revisions {
    Own(db::Revisions),
    /// The rows of Ironic have no revision, so their content is compared.
    Content(Digest),
}

/// Results and the commit version they are valid for.
#[derive(Debug)]
pub(super) struct Versioned<T> {
    /// `None` if it is unknown.
    pub(super) version: Option<CommitVersion>,
    /// Unknown machines are absent.
    pub(super) found: HashMap<BootIdent, T>,
}

/// The data of a machine.
#[derive(Debug)]
pub(super) enum MachineFacts {
    Own {
        rows: Arc<BootRows>,
        /// Only loaded if the machine boots from a volume.
        volumes: Option<Volumes>,
    },
    Ironic {
        machine: Arc<IronicMachine>,
        http_urls: Arc<BTreeMap<String, String>>,
    },
}

impl MachineFacts {
    pub(super) fn machine(&self) -> Machine<'_> {
        match self {
            Self::Own { rows, volumes } => Machine {
                port: rows.port.as_ref(),
                volumes: volumes.as_ref(),
                ..Machine::of(&rows.node)
            },
            Self::Ironic { machine, http_urls } => machine.machine(http_urls),
        }
    }

    /// The node, to suppose another one.
    pub(super) fn node_mut(&mut self) -> &mut Node {
        match self {
            Self::Own { rows, .. } => &mut Arc::make_mut(rows).node,
            Self::Ironic { machine, .. } => &mut Arc::make_mut(machine).node,
        }
    }
}

impl BootFacts {
    /// Reads this service's database.
    pub(crate) fn new(db: &Db) -> Self {
        Self(Source::Own(db.clone()))
    }

    /// Reads an existing Ironic. `http_urls` are the URLs of its conductors' web servers by their
    /// host names (`[beside]http_urls`).
    pub(crate) fn beside(ironic: Ironic, http_urls: BTreeMap<String, String>) -> Self {
        Self(Source::Ironic(Arc::new(Beside {
            ironic,
            http_urls: Arc::new(http_urls),
            failures: LogInterval::default(),
        })))
    }

    /// The maximum number of machines per query.
    pub(super) fn max_machines_per_query(&self) -> usize {
        match &self.0 {
            Source::Own(_) => MAX_MACHINES_PER_QUERY,
            Source::Ironic(beside) => beside.ironic.max_machines_per_question(),
        }
    }

    /// The maximum number of concurrent queries of each kind; further requests share the next one.
    pub(super) fn max_queries(&self) -> usize {
        match &self.0 {
            Source::Own(_) => 2,
            Source::Ironic(beside) => beside.ironic.max_questions(),
        }
    }

    /// The current commit version of the source, if it is known without a query. Later reads are
    /// not older.
    pub(super) fn version(&self) -> Option<CommitVersion> {
        match &self.0 {
            Source::Own(db) => db.commit_version(),
            Source::Ironic(beside) => beside.ironic.version(),
        }
    }

    /// The commit version at some time after the call, queried if necessary.
    pub(super) async fn fetch_version(&self) -> Result<Option<CommitVersion>> {
        match &self.0 {
            Source::Own(db) => Ok(db.fetch_commit_version().await?),
            Source::Ironic(beside) => Ok(beside.ironic.version()),
        }
    }

    /// Node and port of each known machine, in one query.
    pub(super) async fn rows(&self, machines: &[BootIdent]) -> Result<Versioned<MachineRows>> {
        match &self.0 {
            Source::Own(db) => {
                let rows = db.boot_rows(machines).await?;
                let found = rows.found.into_iter();
                let shared = found.map(|(ident, it)| (ident, MachineRows::Own(Arc::new(it))));
                Ok(Versioned {
                    version: rows.version,
                    found: shared.collect(),
                })
            }
            Source::Ironic(beside) => {
                let answer = beside.ironic.machines(machines).await;
                let answer = answer.map_err(|error| beside.fault(machines, error))?;
                let found = answer.found.into_iter();
                Ok(Versioned {
                    version: answer.version,
                    found: found
                        .map(|(ident, found)| (ident, MachineRows::Ironic(found)))
                        .collect(),
                })
            }
        }
    }

    /// Only the revisions of these rows.
    pub(super) async fn revisions(&self, machines: &[BootIdent]) -> Result<Versioned<Revisions>> {
        match &self.0 {
            Source::Own(db) => {
                let revisions = db.boot_revisions(machines).await?;
                let found = revisions.found.into_iter();
                Ok(Versioned {
                    version: revisions.version,
                    found: found
                        .map(|(ident, it)| (ident, Revisions::Own(it)))
                        .collect(),
                })
            }
            Source::Ironic(beside) => {
                let answer = beside.ironic.digests(machines).await;
                let answer = answer.map_err(|error| beside.fault(machines, error))?;
                let found = answer.found.into_iter();
                Ok(Versioned {
                    version: answer.version,
                    found: found
                        .map(|(ident, it)| (ident, Revisions::Content(it)))
                        .collect(),
                })
            }
        }
    }

    /// Adds the volumes to the rows of a machine, if it needs them. Also returns what the data can
    /// be validated by; `None` if it depends on more than these rows.
    pub(super) async fn complete(
        &self,
        rows: MachineRows,
    ) -> Result<(MachineFacts, Option<Revisions>)> {
        match (rows, &self.0) {
            (MachineRows::Own(rows), Source::Own(db)) => {
                let volumes = match boots_from_volume(&rows.node) {
                    Some(_) => Some(db.node_volumes(rows.node.uuid).await?),
                    None => None,
                };
                let revisions = volumes.is_none().then_some(Revisions::Own(rows.revisions));
                Ok((MachineFacts::Own { rows, volumes }, revisions))
            }
            (MachineRows::Ironic(found), Source::Ironic(beside)) => {
                let Found { machine, digest } = found;
                let http_urls = Arc::clone(&beside.http_urls);
                let revisions = digest.map(Revisions::Content);
                Ok((MachineFacts::Ironic { machine, http_urls }, revisions))
            }
            _ => Err(Fault::Internal("rows of another source".to_owned())),
        }
    }

    /// A single machine, ignoring the cache and its limits: for previews.
    pub(super) async fn machine(&self, ident: BootIdent) -> Result<Option<MachineFacts>> {
        let mut answer = self.rows(&[ident]).await?;
        match answer.found.remove(&ident) {
            Some(rows) => Ok(Some(self.complete(rows).await?.0)),
            None => Ok(None),
        }
    }

    /// The node with this name, for previews.
    pub(super) async fn node_by_name(&self, name: &str) -> Result<Option<NodeUuid>> {
        match &self.0 {
            Source::Own(db) => Ok(db.node_get_by_name(name).await?.map(|node| node.uuid)),
            Source::Ironic(beside) => Ok(beside.ironic.node_by_name(name).await?),
        }
    }

    /// All ports of a node, for previews.
    pub(super) async fn ports(&self, node: NodeUuid) -> Result<Vec<Port>> {
        match &self.0 {
            Source::Own(db) => Ok(db.node_ports(node).await?),
            Source::Ironic(beside) => Ok(beside.ironic.ports(node).await?),
        }
    }
}

impl Beside {
    /// Logs why the source gave no answer, and tells clients to retry.
    fn fault(&self, machines: &[BootIdent], error: SourceError) -> Fault {
        if let (SourceError::Answer(problem), [_, _, ..]) = (&error, machines) {
            // It may be about one machine only: each is asked for alone.
            return Fault::Internal(problem.to_string());
        }
        if self.failures.is_due() {
            warn!("machines are not booted now, and will retry: {error}");
        }
        error.into()
    }
}
