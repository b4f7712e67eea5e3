//! Hardware types, and which driver interfaces can be used with them.
//!
//! A hardware type is a table: for each kind of interface, the implementations it supports, the
//! default first (`hardware.rs`). What an implementation means for a node is in
//! [`ironpxe_core::driver`].

mod hardware;
mod registry;

pub use hardware::HardwareType;
pub use registry::{Drivers, DriversError};
