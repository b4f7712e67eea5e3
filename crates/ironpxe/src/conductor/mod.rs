//! The conductor: does what the API asks.
//!
//! Work that changes a node takes the node's reservation in the same statement that
//! accepts it (`provision/`). `liveness.rs` is how conductors know of each other, and end the work
//! that one of them left behind.

mod callback_timeouts;
mod heartbeat;
mod history;
mod images;
mod liveness;
mod nodes;
mod passthru;
mod ports;
mod power;
mod provision;
mod service;
mod validate;
mod vifs;
mod volumes;

use std::sync::Arc;
use std::time::Duration;

use ironpxe_core::boot::BootSettings;
use ironpxe_core::dhcp::DhcpSettings;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
pub use ironpxe_core::provision::CallbackTimeouts;
use ironpxe_core::provision::refuse_if_reserved;

pub use self::history::HistorySettings;
use crate::boot::BootService;
use crate::db::Db;
use crate::dhcp::Dhcp;
use crate::drivers::Drivers;
use crate::images::Images;
use crate::lifecycle::Tasks;

use self::liveness::Life;

/// What the conductor is configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name it registers under (`[DEFAULT]host`).
    pub host: String,
    /// The group of nodes it works for (`[conductor]conductor_group`).
    pub conductor_group: String,
    /// `[conductor]automated_clean`.
    pub automated_clean: bool,
    /// `[conductor]allow_provisioning_in_maintenance`.
    pub allow_provisioning_in_maintenance: bool,
    /// `[conductor]heartbeat_interval`.
    pub heartbeat_interval: Duration,
    /// `[conductor]check_provision_state_interval`: how often to look for what others left behind,
    /// and for nodes that have waited too long.
    pub take_over_interval: Duration,
    /// How long a node waits for its ramdisk.
    pub callback_timeouts: CallbackTimeouts,
    /// What is kept of the history of nodes.
    pub history: HistorySettings,
    /// Where this conductor answers JSON-RPC, as `host:port`; empty if only its own process asks.
    pub endpoint: String,
    /// What boot decisions depend on.
    pub boot: BootSettings,
    /// Finds out where images are.
    pub images: Images,
    /// Who tells the DHCP server about machines.
    pub dhcp: Dhcp,
    /// What it is told depends on this.
    pub dhcp_options: DhcpSettings,
}

/// The conductor of this process. Clones are the same conductor.
#[derive(Debug, Clone)]
pub struct LocalConductor {
    db: Db,
    drivers: Arc<Drivers>,
    /// Answers those that ask a conductor for a boot script over JSON-RPC.
    boot: BootService,
    settings: Arc<Settings>,
    tasks: Tasks,
    life: Arc<Life>,
}

impl LocalConductor {
    /// Registers the conductor, ends what an earlier run under this name left behind, keeps
    /// telling the database that it is alive, and takes over from those that are not.
    pub async fn start(
        db: Db,
        drivers: Drivers,
        boot: BootService,
        settings: Settings,
        tasks: Tasks,
    ) -> Result<Self> {
        let drivers = Arc::new(drivers);
        let conductor = Self {
            db,
            drivers,
            boot,
            settings: Arc::new(settings),
            tasks,
            life: Arc::new(Life::new()),
        };
        conductor.begin().await?;
        Ok(conductor)
    }

    async fn node(&self, uuid: NodeUuid) -> Result<Node> {
        self.db
            .node_get(uuid)
            .await?
            .ok_or_else(|| Fault::NodeNotFound(uuid.to_string()))
    }
}

#[cfg(test)]
mod tests;
