//! Ports: the network interfaces by which a node is known.

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
    /// Its MAC address; no two ports share one.
    pub address: MacAddress,
    /// Whether the node may be booted from this port.
    pub pxe_enabled: bool,
    /// A name that is unique among ports.
    pub name: Option<String>,
    /// What an operator wants to remember.
    pub description: Option<String>,
    /// Who made the card.
    pub vendor: Option<String>,
    /// What the card is for.
    pub category: Option<String>,
    /// The physical network it is plugged into.
    pub physical_network: Option<String>,
    /// Which switch port it is plugged into.
    pub local_link_connection: JsonMap,
    /// Whether the card is a smart NIC.
    pub is_smartnic: bool,
    /// Whether a dynamic portgroup may use it.
    pub available_for_dynamic_portgroup: bool,
    /// Free for operators.
    pub extra: JsonMap,
    /// Written by drivers only.
    pub internal_info: JsonMap,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}

impl Port {
    /// A port as it is when nothing but the necessary was said.
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
