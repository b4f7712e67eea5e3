//! The conductor: executes the requests of the API.
//!
//! A task reserves its node in the same statement that accepts it (`provision/`). `liveness.rs` has
//! the heartbeats of conductors, and takes over from dead ones.

mod callback_timeouts;
mod dhcp_renewal;
mod heartbeat;
mod history;
mod images;
mod liveness;
mod nodes;
mod passthru;
mod ports;
mod power;
mod provision;
mod renewal_record;
mod rpc_methods;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod testing;
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
pub(crate) use ironpxe_core::provision::CallbackTimeouts;
use ironpxe_core::provision::refuse_if_reserved;

pub(crate) use self::history::HistorySettings;
use crate::boot::{BootService, BootTokens};
use crate::db::Db;
use crate::dhcp::Dhcp;
use crate::drivers::Drivers;
use crate::images::Images;
use crate::lifecycle::Tasks;

use self::liveness::Liveness;

/// The settings of the conductor.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The name it registers under (`[DEFAULT]host`).
    pub host: String,
    /// The group of nodes it manages (`[conductor]conductor_group`).
    pub conductor_group: String,
    /// `[conductor]automated_clean`.
    pub automated_clean: bool,
    /// `[conductor]allow_provisioning_in_maintenance`.
    pub allow_provisioning_in_maintenance: bool,
    /// `[conductor]heartbeat_interval`.
    pub heartbeat_interval: Duration,
    /// `[conductor]check_provision_state_interval`: how often to check for nodes of dead conductors
    /// and for timeouts.
    pub take_over_interval: Duration,
    /// The timeouts of waiting nodes.
    pub callback_timeouts: CallbackTimeouts,
    /// The settings of the node history.
    pub history: HistorySettings,
    /// Its JSON-RPC endpoint as `host:port`; empty if it only serves its own process.
    pub endpoint: String,
    /// The settings of boot decisions.
    pub boot: BootSettings,
    /// Locates images.
    pub images: Images,
    /// Configures the DHCP server.
    pub dhcp: Dhcp,
    /// The settings of DHCP options.
    pub dhcp_options: DhcpSettings,
    /// Makes the boot tokens in DHCP options, if URLs have them.
    pub boot_tokens: Option<BootTokens>,
}

/// The conductor of this process. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct LocalConductor {
    db: Db,
    drivers: Arc<Drivers>,
    /// Serves boot scripts over JSON-RPC.
    boot: BootService,
    settings: Arc<Settings>,
    tasks: Tasks,
    liveness: Arc<Liveness>,
}

impl LocalConductor {
    /// Registers the conductor, releases the nodes of an earlier run of this name, and starts the
    /// heartbeat and the other periodic tasks.
    pub(crate) async fn start(
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
            liveness: Arc::new(Liveness::new()),
        };
        conductor.start_periodic_tasks().await?;
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
