//! Nodes: the bare-metal machines.

pub mod fields;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::JsonMap;
use crate::id::NodeUuid;
use crate::interface::{InterfaceKind, Interfaces};
use crate::power_state::PowerState;
use crate::provision_state::{ProvisionState, StoredState};

/// A bare-metal machine, with Ironic's fields under Ironic's names.
///
/// `driver_info`, `instance_info` and `driver_internal_info` hold secrets in clear text; the API
/// masks them in its views.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Identifies the node for its whole life.
    pub uuid: NodeUuid,
    /// A name that is unique among nodes, and a valid host name.
    pub name: Option<String>,
    /// The hardware type.
    pub driver: String,
    /// Which implementation is used for each kind of driver interface.
    pub interfaces: Interfaces,

    /// The current provision state.
    pub provision_state: StoredState,
    /// The provision state that it is moving to.
    pub target_provision_state: Option<String>,
    /// When `provision_state` last changed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub provision_updated_at: Option<OffsetDateTime>,
    /// Whether the machine has power, as last seen or set.
    pub power_state: Option<PowerState>,
    /// The power state being established.
    pub target_power_state: Option<PowerState>,
    /// The conductor that has reserved the node for a task.
    pub reservation: Option<String>,
    /// Whether an operator has excluded the node from automatic management.
    pub maintenance: bool,
    /// Why.
    pub maintenance_reason: Option<String>,
    /// What failed, if the service itself set `maintenance`.
    pub fault: Option<String>,
    /// The last error.
    pub last_error: Option<String>,

    /// Properties of the machine: `cpu_arch`, `capabilities`, …
    pub properties: JsonMap,
    /// How the driver reaches the machine, and its ramdisks.
    pub driver_info: JsonMap,
    /// What is deployed on the node.
    pub instance_info: JsonMap,
    /// The driver's own data; not writable by clients.
    pub driver_internal_info: JsonMap,
    /// Free-form data of operators.
    pub extra: JsonMap,
    /// Static network configuration for the ramdisk.
    pub network_data: JsonMap,
    /// The current RAID configuration.
    pub raid_config: JsonMap,
    /// The requested RAID configuration.
    pub target_raid_config: JsonMap,
    /// The clean step being executed.
    pub clean_step: JsonMap,
    /// The deploy step being executed.
    pub deploy_step: JsonMap,
    /// The service step being executed.
    pub service_step: JsonMap,

    /// The instance on the node.
    pub instance_uuid: Option<Uuid>,
    /// The instance's name.
    pub instance_name: Option<String>,
    /// The chassis the node is in.
    pub chassis_uuid: Option<Uuid>,
    /// The kind of machine, for schedulers.
    pub resource_class: Option<String>,
    /// The group of conductors that manage it; empty is the default group.
    pub conductor_group: String,
    /// Overrides `[conductor]automated_clean`.
    pub automated_clean: Option<bool>,
    /// A protected node cannot be undeployed, rebuilt or deleted.
    pub protected: bool,
    /// Why.
    pub protected_reason: Option<String>,
    /// A retired node cannot be made available.
    pub retired: bool,
    /// Why.
    pub retired_reason: Option<String>,
    /// The project that owns the machine.
    pub owner: Option<String>,
    /// The project that leases it.
    pub lessee: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// The shard that the node belongs to.
    pub shard: Option<String>,
    /// The node that this one is part of.
    pub parent_node: Option<Uuid>,
    /// Whether the machine's power must never be cut.
    pub disable_power_off: bool,
    /// `bios` or `uefi`, as last seen.
    pub boot_mode: Option<String>,
    /// Whether secure boot is on, as last seen.
    pub secure_boot: Option<bool>,
    /// Whether a serial console is open.
    pub console_enabled: bool,
    /// Labels for schedulers.
    pub traits: Vec<String>,

    /// When inspection last started.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub inspection_started_at: Option<OffsetDateTime>,
    /// When inspection last succeeded.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub inspection_finished_at: Option<OffsetDateTime>,
    /// When the node was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
    /// Incremented by every change. The database saves a node only if its stored revision is the
    /// one that was read, so of two concurrent changes one is retried. Not part of the API.
    pub revision: i64,
}

impl Node {
    /// A newly enrolled node with default values.
    pub fn enroll(uuid: NodeUuid, driver: impl Into<String>, now: OffsetDateTime) -> Self {
        Self {
            uuid,
            name: None,
            driver: driver.into(),
            interfaces: Interfaces::default(),
            provision_state: ProvisionState::Enroll.into(),
            target_provision_state: None,
            provision_updated_at: None,
            power_state: None,
            target_power_state: None,
            reservation: None,
            maintenance: false,
            maintenance_reason: None,
            fault: None,
            last_error: None,
            properties: JsonMap::new(),
            driver_info: JsonMap::new(),
            instance_info: JsonMap::new(),
            driver_internal_info: JsonMap::new(),
            extra: JsonMap::new(),
            network_data: JsonMap::new(),
            raid_config: JsonMap::new(),
            target_raid_config: JsonMap::new(),
            clean_step: JsonMap::new(),
            deploy_step: JsonMap::new(),
            service_step: JsonMap::new(),
            instance_uuid: None,
            instance_name: None,
            chassis_uuid: None,
            resource_class: None,
            conductor_group: String::new(),
            automated_clean: None,
            protected: false,
            protected_reason: None,
            retired: false,
            retired_reason: None,
            owner: None,
            lessee: None,
            description: None,
            shard: None,
            parent_node: None,
            disable_power_off: false,
            boot_mode: None,
            secure_boot: None,
            console_enabled: false,
            traits: Vec::new(),
            inspection_started_at: None,
            inspection_finished_at: None,
            created_at: now,
            updated_at: None,
            revision: 0,
        }
    }

    /// The implementation of one driver interface, for example `direct` for
    /// [`InterfaceKind::Deploy`].
    pub fn interface(&self, kind: InterfaceKind) -> &str {
        self.interfaces.get(kind)
    }

    /// The node's name, or its UUID if it has none.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uuid.to_string())
    }
}
