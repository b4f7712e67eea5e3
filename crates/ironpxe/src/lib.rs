//! ironpxe: network booting of bare metal.
//!
//! A service with the Ironic bare-metal API that generates iPXE scripts on request from the node's
//! provision state in the database. `docs/architecture.md` is the map of this crate.
//!
//! The executable calls [`run`]; every other module is private.

mod api;
mod app;
mod auth;
mod beside;
mod boot;
mod cli;
mod client_network;
mod clock;
mod conductor;
mod config;
mod db;
mod dhcp;
mod drivers;
mod error_chain;
mod fault_status;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod ident;
mod images;
mod lifecycle;
mod log_interval;
mod openstack;
mod policy;
mod rpc;
mod server;
mod telemetry;
mod tls;
mod url_key;

pub use self::cli::run;
