//! What the driver interfaces of a node imply, as far as it follows from its record: who carries
//! out operations, how the machine boots, where data is kept.
//!
//! The implementations that each hardware type supports are in the service's `drivers`.

pub mod agent;
pub mod boot;
pub mod deploy;
pub mod management;
pub mod steps;
pub mod storage;
