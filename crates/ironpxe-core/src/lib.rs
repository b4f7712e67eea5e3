//! The bare-metal domain of ironpxe, and the decision what a machine boots.
//!
//! Everything here is pure: no network, disk, clock or async runtime. The same input always gives
//! the same output, so the code that could wipe a disk is tested on every provision state.
//!
//! Start at [`boot`] for the decision, at [`provision_state`] for the state machine behind it, at
//! [`provision`] for how a node moves through it, and at [`node`] for the resource.

pub mod beside;
pub mod boot;
pub mod boot_device;
pub mod boot_ident;
pub mod boot_token;
pub mod conductor;
pub mod dhcp;
pub mod driver;
pub mod error;
pub mod field;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod id;
pub mod interface;
pub mod json_size;
pub mod mac;
pub mod mask;
pub mod microversion;
pub mod node;
pub mod node_history;
pub mod oslo_config;
pub mod passthru;
pub mod patch;
pub mod policy;
pub mod port;
pub mod power_state;
pub mod provision;
pub mod provision_state;
pub mod retry_after;
pub mod swift;
pub mod timestamp;
pub mod volume;
mod wire;

/// A free-form JSON object, as Ironic keeps in `driver_info`, `properties`, `extra` and others.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;
