//! Hardware types, and the driver interfaces they are composed of.
//!
//! A hardware type is a table: for each kind of interface, the implementations it supports, the
//! default first (`hardware.rs`). What an implementation does is in the file of its kind
//! (`deploy.rs`, `power.rs`, …).

pub mod agent;
pub mod boot;
pub mod deploy;
mod hardware;
pub mod management;
mod registry;
pub mod steps;
pub mod storage;

pub use hardware::HardwareType;
pub use registry::{Drivers, DriversError};
