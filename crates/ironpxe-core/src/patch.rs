//! Changes a client may make to a node or a port.
//!
//! A change is plain data, so that it can travel to the conductor, which applies it to the
//! resource as it is *then* (and again, if somebody else was faster).

use json_patch::Patch;
use serde::{Deserialize, Serialize};

/// A change to a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeChange {
    /// `PATCH /v1/nodes/<node>`.
    Patch(Patch),
    /// `PUT` and `DELETE /v1/nodes/<node>/maintenance`.
    Maintenance {
        /// Into maintenance, or out of it.
        on: bool,
        /// Why.
        reason: Option<String>,
    },
    /// `PUT /v1/nodes/<node>/traits`: all of them.
    Traits(Vec<String>),
}

/// A change to a port: `PATCH /v1/ports/<port>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortChange(pub Patch);
