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
/// Secrets stand in `driver_info`, `instance_info` and `driver_internal_info` in clear; the API
/// masks them when it shows a node.
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

    /// Where the node stands.
    pub provision_state: StoredState,
    /// Where it is heading.
    pub target_provision_state: Option<String>,
    /// When `provision_state` last changed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub provision_updated_at: Option<OffsetDateTime>,
    /// Whether the machine has power, as last seen or set.
    pub power_state: Option<PowerState>,
    /// The power state being established.
    pub target_power_state: Option<PowerState>,
    /// The conductor that holds the node while it changes it.
    pub reservation: Option<String>,
    /// Whether an operator has taken the node out of automatic care.
    pub maintenance: bool,
    /// Why.
    pub maintenance_reason: Option<String>,
    /// What broke, when the service itself put the node into maintenance.
    pub fault: Option<String>,
    /// What went wrong last.
    pub last_error: Option<String>,

    /// What the machine is: `cpu_arch`, `capabilities`, …
    pub properties: JsonMap,
    /// How its driver reaches it, and which ramdisks it uses.
    pub driver_info: JsonMap,
    /// What shall run on it.
    pub instance_info: JsonMap,
    /// Written by drivers only.
    pub driver_internal_info: JsonMap,
    /// Free for operators.
    pub extra: JsonMap,
    /// Static network configuration for the ramdisk.
    pub network_data: JsonMap,
    /// RAID as it is.
    pub raid_config: JsonMap,
    /// RAID as it shall be.
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
    /// What kind of machine it is, for schedulers.
    pub resource_class: Option<String>,
    /// Which conductors may manage it; empty is the default group.
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
    /// The project that uses it.
    pub lessee: Option<String>,
    /// For humans.
    pub description: Option<String>,
    /// Which shard of consumers works with it.
    pub shard: Option<String>,
    /// The node this one is part of.
    pub parent_node: Option<Uuid>,
    /// Whether the machine's power must never be cut.
    pub disable_power_off: bool,
    /// `bios` or `uefi`, as last seen.
    pub boot_mode: Option<String>,
    /// Whether secure boot is on, as last seen.
    pub secure_boot: Option<bool>,
    /// Whether a serial console is open.
    pub console_enabled: bool,
    /// Labels that schedulers match.
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
    /// Counts the changes. The database saves a node only over the revision it was read at, so
    /// that of two who change it at once one starts again. Not part of the API.
    pub revision: i64,
}

impl Node {
    /// A node as it is enrolled when nothing but the necessary was said.
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

    /// What a person would call the node: its name, or else its UUID.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uuid.to_string())
    }
}
