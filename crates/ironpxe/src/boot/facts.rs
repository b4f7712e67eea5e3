//! The data that boot decisions are based on, from this service's database.
//!
//! Boot requests and previews read everything through [`BootFacts`], so that another source of
//! nodes only needs an implementation here.

use std::sync::Arc;

use ironpxe_core::boot::{Machine, boots_from_volume};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::Result;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::volume::Volumes;

use crate::db::{BootRows, CommitVersion, Db, Revisions, Versioned};

/// The data of a machine.
#[derive(Debug)]
pub(super) struct MachineFacts {
    pub(super) rows: Arc<BootRows>,
    /// Only loaded if the machine boots from a volume.
    pub(super) volumes: Option<Volumes>,
}

impl MachineFacts {
    pub(super) fn machine(&self) -> Machine<'_> {
        Machine {
            port: self.rows.port.as_ref(),
            volumes: self.volumes.as_ref(),
            ..Machine::of(&self.rows.node)
        }
    }
}

/// The source of nodes, ports and volumes. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct BootFacts {
    db: Db,
}

impl BootFacts {
    /// Reads this service's database.
    pub(super) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// The current commit version of the source, if it is known without a query. Later reads are
    /// not older.
    pub(super) fn version(&self) -> Option<CommitVersion> {
        self.db.commit_version()
    }

    /// The commit version at some time after the call, queried if necessary.
    pub(super) async fn fetch_version(&self) -> Result<Option<CommitVersion>> {
        Ok(self.db.fetch_commit_version().await?)
    }

    /// Node and port of each known machine, in one query.
    pub(super) async fn rows(&self, machines: &[BootIdent]) -> Result<Versioned<BootRows>> {
        Ok(self.db.boot_rows(machines).await?)
    }

    /// Only the revisions of these rows.
    pub(super) async fn revisions(&self, machines: &[BootIdent]) -> Result<Versioned<Revisions>> {
        Ok(self.db.boot_revisions(machines).await?)
    }

    /// Adds the volumes to the rows of a machine, if it needs them.
    pub(super) async fn complete(&self, rows: Arc<BootRows>) -> Result<MachineFacts> {
        let volumes = self.volumes(&rows.node).await?;
        Ok(MachineFacts { rows, volumes })
    }

    /// The volumes of a node that boots from one.
    pub(super) async fn volumes(&self, node: &Node) -> Result<Option<Volumes>> {
        Ok(match boots_from_volume(node) {
            Some(_) => Some(self.db.node_volumes(node.uuid).await?),
            None => None,
        })
    }

    /// A single node, for kickstarts, images and previews.
    pub(super) async fn node(&self, uuid: NodeUuid) -> Result<Option<Node>> {
        Ok(self.db.node_get(uuid).await?)
    }

    /// The node with this name, for previews.
    pub(super) async fn node_by_name(&self, name: &str) -> Result<Option<Node>> {
        Ok(self.db.node_get_by_name(name).await?)
    }

    /// The port with this address and its node, for previews.
    pub(super) async fn port(&self, mac: MacAddress) -> Result<Option<(Node, Port)>> {
        Ok(self.db.node_get_by_address(mac).await?)
    }

    /// All ports of a node, for previews.
    pub(super) async fn ports(&self, node: NodeUuid) -> Result<Vec<Port>> {
        Ok(self.db.node_ports(node).await?)
    }
}
