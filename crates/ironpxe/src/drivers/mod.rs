//! Hardware types and their driver interfaces.
//!
//! A hardware type is a table: the supported implementations of each kind of interface, the default
//! first (`hardware.rs`). What an implementation means for a node is in [`ironpxe_core::driver`].

mod hardware;
mod registry;

pub(crate) use registry::{Drivers, DriversError};
