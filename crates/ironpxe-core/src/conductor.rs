//! Conductors: who does the work.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::interface::InterfaceKind;

/// A conductor as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conductor {
    /// The name it registered under (`[DEFAULT]host`).
    pub hostname: String,
    /// Its group; nodes of the same group are its work. Empty is the default group.
    pub conductor_group: String,
    /// The hardware types it has enabled.
    pub drivers: Vec<String>,
    /// What each of them offers.
    pub interfaces: Vec<Hardware>,
    /// Where it answers JSON-RPC, as `host:port`; empty when it serves only its own process.
    pub endpoint: String,
    /// Which of its runs this is; another one after each start.
    pub run_id: String,
    /// Whether it has not said that it goes.
    pub online: bool,
    /// Whether it is online, and has been heard of lately.
    pub alive: bool,
    /// When it first registered.
    pub created_at: OffsetDateTime,
    /// When it was last heard of.
    pub updated_at: Option<OffsetDateTime>,
}

/// A hardware type that a conductor has enabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// The hardware type's name.
    pub name: String,
    /// For each kind of interface: the default and all enabled implementations.
    pub interfaces: Vec<DriverInterfaces>,
}

/// The implementations of one kind of interface in a hardware type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverInterfaces {
    /// The kind.
    pub kind: InterfaceKind,
    /// What a new node gets.
    pub default: String,
    /// What a node may be given.
    pub enabled: Vec<String>,
}
