//! Ports: the network interfaces that identify a node.

pub mod fields;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::JsonMap;
use crate::id::{NodeUuid, PortUuid};
use crate::mac::MacAddress;

/// A network interface card of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Identifies the port.
    pub uuid: PortUuid,
    /// The node it belongs to.
    pub node_uuid: NodeUuid,
    /// Its MAC address; unique among ports.
    pub address: MacAddress,
    /// Whether the node may be booted from this port.
    pub pxe_enabled: bool,
    /// A name that is unique among ports.
    pub name: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// The card's manufacturer.
    pub vendor: Option<String>,
    /// The card's purpose.
    pub category: Option<String>,
    /// The physical network it is plugged into.
    pub physical_network: Option<String>,
    /// The switch port it is connected to.
    pub local_link_connection: JsonMap,
    /// Whether the card is a smart NIC.
    pub is_smartnic: bool,
    /// Whether a dynamic portgroup may use it.
    pub available_for_dynamic_portgroup: bool,
    /// Free-form data of operators.
    pub extra: JsonMap,
    /// The driver's own data; not writable by clients.
    pub internal_info: JsonMap,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}

impl Port {
    /// A new port with default values.
    pub fn new(
        uuid: PortUuid,
        node_uuid: NodeUuid,
        address: MacAddress,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            uuid,
            node_uuid,
            address,
            pxe_enabled: true,
            name: None,
            description: None,
            vendor: None,
            category: None,
            physical_network: None,
            local_link_connection: JsonMap::new(),
            is_smartnic: false,
            available_for_dynamic_portgroup: true,
            extra: JsonMap::new(),
            internal_info: JsonMap::new(),
            created_at: now,
            updated_at: None,
        }
    }
}
