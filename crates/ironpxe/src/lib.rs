//! ironpxe: network booting of bare metal.
//!
//! A service with the Ironic bare-metal API that generates iPXE scripts on request from the node's
//! provision state in the database. `docs/architecture.md` is the map of this crate.

pub mod api;
pub mod app;
pub mod boot;
pub mod clock;
pub mod conductor;
pub mod config;
pub mod db;
pub mod dhcp;
pub mod drivers;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod ident;
pub mod images;
pub mod lifecycle;
pub mod openstack;
pub mod rpc;
pub mod server;
pub mod telemetry;
pub mod tls;
