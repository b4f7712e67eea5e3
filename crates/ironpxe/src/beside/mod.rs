//! The nodes of an existing Ironic, from its database or its API. Only reads.
//!
//! [`Ironic`] is the source of nodes for the boot service if `[beside]source` is set. `sqlite.rs` and
//! `mysql.rs` execute the boot statements of [`ironpxe_core::beside::sql`], `rest.rs` requests what
//! [`ironpxe_core::beside::rest`] reads. What a machine boots is decided where it is decided for
//! this service's own nodes.
//!
//! What each source guarantees:
//!
//! * `sqlite` and `mysql`: a read sees every change committed before it began, and node, port and
//!   volumes are of one moment. A server that cannot guarantee this (a replica) is not used.
//! * `rest`: node and port are as the API read them after the request began, each at its own moment.
//!
//! A source that does not answer is an error, never an unknown machine.

pub(crate) mod check;
mod error;
mod mysql;
mod rest;
mod rows;
mod sqlite;
mod statements;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use ironpxe_core::beside::IronicMachine;
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::port::Port;

pub(crate) use self::error::SourceError;
use self::mysql::Mysql;
pub(crate) use self::mysql::{MysqlSettings, MysqlTls};
use self::rest::Rest;
pub(crate) use self::rows::Digest;
use self::sqlite::Sqlite;
use crate::db::CommitVersion;
use crate::openstack;

/// The source of an existing Ironic's nodes. Clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Ironic(Arc<Source>);

#[derive(Debug)]
enum Source {
    Sqlite(Sqlite),
    Mysql(Mysql),
    Rest(Rest),
}

/// A machine, and what identifies this version of its record.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The machine.
    pub machine: Arc<IronicMachine>,
    /// Of the rows that it was made from; `None` if the source has no rows.
    pub digest: Option<Digest>,
}

/// What a source answers about several machines.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    /// Of the database, if the source knows it.
    pub version: Option<CommitVersion>,
    /// Unknown machines are absent.
    pub found: HashMap<BootIdent, T>,
}

/// A node and the addresses of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedNode {
    /// Its UUID.
    pub uuid: NodeUuid,
    /// Its name.
    pub name: Option<String>,
    /// The addresses of its ports, as Ironic stores them.
    pub addresses: Vec<String>,
}

impl Ironic {
    /// From the file of Ironic's `SQLite` database, which may be missing for now.
    pub(crate) fn sqlite(path: &std::path::Path) -> Self {
        Self(Arc::new(Source::Sqlite(Sqlite::new(path))))
    }

    /// From Ironic's `MariaDB` or `MySQL` database. Connects when it is asked.
    pub(crate) fn mysql(settings: &MysqlSettings) -> Self {
        Self(Arc::new(Source::Mysql(Mysql::new(settings))))
    }

    /// From Ironic's API. Connects when it is asked.
    pub(crate) fn rest(api: openstack::Ironic) -> Self {
        Self(Arc::new(Source::Rest(Rest::new(api))))
    }

    /// How many machines one question may be about.
    pub(crate) fn max_machines_per_question(&self) -> usize {
        match &*self.0 {
            Source::Sqlite(_) | Source::Mysql(_) => statements::MAX_MACHINES,
            Source::Rest(_) => 1,
        }
    }

    /// How many questions may be asked at the same time. A request to Ironic's API costs it thirty
    /// times the CPU time of a query.
    pub(crate) fn max_questions(&self) -> usize {
        match &*self.0 {
            Source::Sqlite(_) | Source::Mysql(_) => 2,
            Source::Rest(_) => rest::MAX_REQUESTS,
        }
    }

    /// How many requests may wait for an answer; the others are told to come back. `None`: no limit
    /// of its own.
    pub(crate) fn max_waiting(&self) -> Option<usize> {
        match &*self.0 {
            Source::Sqlite(_) | Source::Mysql(_) => None,
            Source::Rest(_) => Some(rest::MAX_WAITING),
        }
    }

    /// The current version of the database, if it is known without a query. Later reads are not
    /// older.
    pub(crate) fn version(&self) -> Option<CommitVersion> {
        match &*self.0 {
            Source::Sqlite(sqlite) => sqlite.version(),
            Source::Mysql(_) | Source::Rest(_) => None,
        }
    }

    /// The machines with these addresses or nodes.
    pub(crate) async fn machines(
        &self,
        machines: &[BootIdent],
    ) -> Result<Answer<Found>, SourceError> {
        match &*self.0 {
            Source::Sqlite(sqlite) => rows::machines(sqlite.rows(machines).await?),
            Source::Mysql(mysql) => rows::machines(mysql.rows(machines).await?),
            Source::Rest(rest) => {
                let mut found = HashMap::new();
                for ident in machines {
                    if let Some(machine) = rest.machine(*ident).await? {
                        let machine = Arc::new(machine);
                        let digest = None;
                        found.insert(*ident, Found { machine, digest });
                    }
                }
                let version = None;
                Ok(Answer { version, found })
            }
        }
    }

    /// Only the digests of these machines, where the source has some.
    pub(crate) async fn digests(
        &self,
        machines: &[BootIdent],
    ) -> Result<Answer<Digest>, SourceError> {
        match &*self.0 {
            Source::Sqlite(sqlite) => Ok(rows::digests(sqlite.rows(machines).await?)),
            Source::Mysql(mysql) => Ok(rows::digests(mysql.rows(machines).await?)),
            Source::Rest(_) => Ok(Answer {
                version: None,
                found: HashMap::new(),
            }),
        }
    }

    /// The node with this name.
    pub(crate) async fn node_by_name(&self, name: &str) -> Result<Option<NodeUuid>, SourceError> {
        match &*self.0 {
            Source::Sqlite(sqlite) => sqlite.node_by_name(name).await,
            Source::Mysql(mysql) => mysql.node_by_name(name).await,
            Source::Rest(rest) => rest.node_by_name(name).await,
        }
    }

    /// The ports of a node.
    pub(crate) async fn ports(&self, node: NodeUuid) -> Result<Vec<Port>, SourceError> {
        match &*self.0 {
            Source::Sqlite(sqlite) => sqlite.ports(node).await,
            Source::Mysql(mysql) => mysql.ports(node).await,
            Source::Rest(rest) => rest.ports(node).await,
        }
    }

    /// All nodes, in the order of their names.
    pub(crate) async fn list(&self) -> Result<Vec<ListedNode>, SourceError> {
        let mut nodes = match &*self.0 {
            Source::Sqlite(sqlite) => sqlite.list().await?,
            Source::Mysql(mysql) => mysql.list().await?,
            Source::Rest(rest) => rest.list().await?,
        };
        nodes.sort_by(|one, other| (&one.name, one.uuid.0).cmp(&(&other.name, other.uuid.0)));
        Ok(nodes)
    }

    /// Whether the source answers now, and may be believed.
    pub(crate) async fn ping(&self) -> Result<(), SourceError> {
        match &*self.0 {
            Source::Sqlite(sqlite) => sqlite.ping().await,
            Source::Mysql(mysql) => mysql.ping().await,
            Source::Rest(rest) => rest.ping().await,
        }
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        match &*self.0 {
            Source::Sqlite(sqlite) => sqlite.close().await,
            Source::Mysql(mysql) => mysql.close().await,
            Source::Rest(_) => {}
        }
    }
}
