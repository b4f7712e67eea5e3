//! What the implementations of driver interfaces mean for a node, as far as it follows from its
//! record: who does which work, how the machine boots, what is remembered where.
//!
//! Which implementations a hardware type supports is in the conductor's `drivers`.

pub mod agent;
pub mod boot;
pub mod deploy;
pub mod management;
pub mod steps;
pub mod storage;
