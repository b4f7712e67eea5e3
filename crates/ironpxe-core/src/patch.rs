//! Changes a client may make to a node, a port or a volume.
//!
//! A change is plain data that can be sent to a conductor, which applies it to the current resource
//! (and again after a concurrent change). Applying is pure and atomic: a rejected change leaves the
//! resource unmodified.
//!
//! [`node::fields`], [`port::fields`] and the like define what each field may hold (also used when
//! a resource is created); [`rules`] has the changes that a node's state forbids.

use std::collections::BTreeSet;

use json_patch::Patch;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Fault, Result};
use crate::field;
use crate::field::value::Field;
use crate::node::fields::NODE_FIELDS;
use crate::node::{self, Node};
use crate::port::fields::PORT_FIELDS;
use crate::port::{self, Port};
use crate::volume::Volume;

mod document;
mod rules;

/// How many traits a node may have, as in Ironic.
pub const MAX_TRAITS: usize = 50;

/// A change to a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeChange {
    /// `PATCH /v1/nodes/<node>`.
    Patch(Patch),
    /// `PUT` and `DELETE /v1/nodes/<node>/maintenance`.
    Maintenance {
        /// Whether to set it or to clear it.
        on: bool,
        /// Why.
        reason: Option<String>,
    },
    /// `PUT /v1/nodes/<node>/traits`: replaces all.
    Traits(Vec<String>),
    /// `PUT /v1/nodes/<node>/traits/<trait>`.
    TraitAdded(String),
    /// `DELETE /v1/nodes/<node>/traits/<trait>`; no-op if the node does not have the trait.
    TraitRemoved(String),
}

/// A change to a port: `PATCH /v1/ports/<port>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortChange(pub Patch);

/// A change to a volume connector or target: `PATCH /v1/volume/connectors/<connector>` and
/// `PATCH /v1/volume/targets/<target>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeChange(pub Patch);

impl NodeChange {
    /// Applies the change; on error the node is unmodified.
    pub fn apply(&self, node: &mut Node) -> Result<()> {
        match self {
            Self::Patch(patch) => *node = patched_node(node, patch)?,
            Self::Maintenance { on, reason } => {
                node.maintenance = *on;
                node.maintenance_reason = if *on { reason.clone() } else { None };
                if !on {
                    node.fault = None;
                }
            }
            Self::Traits(traits) => set_traits(node, traits.iter().cloned())?,
            Self::TraitAdded(added) => {
                let all: Vec<String> = node.traits.iter().chain([added]).cloned().collect();
                set_traits(node, all)?;
            }
            Self::TraitRemoved(removed) => node.traits.retain(|kept| kept != removed),
        }
        Ok(())
    }

    /// Whether the change writes this field, for example `boot_interface`.
    pub fn sets(&self, field: &str) -> bool {
        match self {
            Self::Patch(patch) => patch.iter().any(|op| document::root(op) == field),
            Self::Maintenance { .. } => field == "maintenance" || field == "maintenance_reason",
            Self::Traits(_) | Self::TraitAdded(_) | Self::TraitRemoved(_) => field == "traits",
        }
    }
}

impl PortChange {
    /// Applies the change; on error the port is unmodified.
    pub fn apply(&self, port: &mut Port) -> Result<()> {
        let mut next = port.clone();
        let mut document = field::document(PORT_FIELDS, port);
        write(&mut document, &self.0, &port::fields::PATCHABLE, |field| {
            field::set(PORT_FIELDS, &mut next, field)
        })?;
        *port = next;
        Ok(())
    }
}

impl VolumeChange {
    /// Applies the change; on error the volume is unmodified.
    pub fn apply<V: Volume>(&self, volume: &mut V) -> Result<()> {
        let mut next = volume.clone();
        let mut document = field::document(V::FIELDS, volume);
        let patchable = field::names(V::FIELDS, |field| field.is_patchable);
        write(&mut document, &self.0, &patchable, |field| {
            field::set(V::FIELDS, &mut next, field)
        })?;
        *volume = next;
        Ok(())
    }
}

/// Applies `patch` to `document` and calls `set` for each field it wrote; returns their names.
fn write(
    document: &mut Value,
    patch: &Patch,
    patchable: &[&'static str],
    mut set: impl FnMut(&Field<'_>) -> Result<()>,
) -> Result<BTreeSet<&'static str>> {
    let changed = document::apply(document, patch, patchable)?;
    for name in &changed {
        let value = document.get(*name).unwrap_or(&Value::Null);
        set(&Field {
            resource: "patch",
            name,
            value,
        })?;
    }
    Ok(changed)
}

fn patched_node(node: &Node, patch: &Patch) -> Result<Node> {
    let mut next = node.clone();
    let mut document = field::document(NODE_FIELDS, node);
    let changed = write(&mut document, patch, &node::fields::PATCHABLE, |field| {
        field::set(NODE_FIELDS, &mut next, field)
    })?;
    // Writing the current value is always allowed, because clients send whole objects.
    let after = field::document(NODE_FIELDS, &next);
    let before = field::document(NODE_FIELDS, node);
    let different: BTreeSet<&str> = changed
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .collect();
    rules::check(node, &mut next, &different)?;
    Ok(next)
}

fn set_traits(node: &mut Node, traits: impl IntoIterator<Item = String>) -> Result<()> {
    let traits: BTreeSet<String> = traits.into_iter().collect();
    if traits.len() > MAX_TRAITS {
        return Err(Fault::InvalidParameterValue(format!(
            "Could not modify traits for node {} as it would exceed the maximum number of traits \
             per node: {} vs. {MAX_TRAITS}",
            node.uuid,
            traits.len()
        )));
    }
    node.traits = traits.into_iter().collect();
    Ok(())
}

#[cfg(test)]
mod tests;
