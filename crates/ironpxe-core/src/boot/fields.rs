//! The JSON objects of a node and of its volumes, as the boot decision reads them.
//!
//! Nodes of another Ironic can have values that are hidden: Ironic's API masks secrets by
//! `******`, whatever their type, also inside texts; and it replaces a whole object that the caller
//! may not see by `{"content": "** Redacted - requires ..."}`. Of such a value nothing is known, so
//! that a decision that depends on it is a refusal, and one that does not is not.
//!
//! That holds by construction: [`Fields`] is the only code of the decision that looks into these
//! objects, whoever reads them, and it gives out no hidden value. (A test of `beside` reads the
//! sources for that, another puts masks in every place.) What templates print besides the plan is
//! never masked by Ironic: `properties`, `extra`, and columns of their own, which are checked when
//! they are read.
//!
//! Source: Ironic's `api/controllers/v1/node.py` (`node_sanitize`), `volume_target.py`, and
//! `oslo_utils.strutils` (`mask_dict_password`).

use std::fmt;

use serde_json::Value;

use super::refusal::Refusal;
use crate::JsonMap;
use crate::id::VolumeTargetUuid;
use crate::mask::{is_hidden, is_redacted};
use crate::node::Node;
use crate::volume::VolumeTarget;

/// One of the JSON objects.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    map: &'a JsonMap,
    owner: Owner,
}

#[derive(Clone, Copy)]
enum Owner {
    /// A field of the node.
    Node(&'static str),
    /// The properties of a volume target.
    Target(VolumeTargetUuid),
}

impl<'a> Fields<'a> {
    pub(super) fn instance_info(node: &'a Node) -> Self {
        Self::of_node(&node.instance_info, "instance_info")
    }

    pub(super) fn driver_info(node: &'a Node) -> Self {
        Self::of_node(&node.driver_info, "driver_info")
    }

    pub(super) fn driver_internal_info(node: &'a Node) -> Self {
        Self::of_node(&node.driver_internal_info, "driver_internal_info")
    }

    pub(super) fn properties(node: &'a Node) -> Self {
        Self::of_node(&node.properties, "properties")
    }

    pub(super) fn deploy_step(node: &'a Node) -> Self {
        Self::of_node(&node.deploy_step, "deploy_step")
    }

    fn of_node(map: &'a JsonMap, name: &'static str) -> Self {
        let owner = Owner::Node(name);
        Self { map, owner }
    }

    pub(super) fn target(target: &'a VolumeTarget) -> Self {
        Self {
            map: &target.properties,
            owner: Owner::Target(target.uuid),
        }
    }

    /// The full name of one of its fields.
    pub(super) fn name(self, key: &str) -> String {
        format!("{}.{key}", self.owner)
    }

    /// A value, also `null`.
    pub(super) fn get(self, key: &str) -> Result<Option<&'a Value>, Refusal> {
        self.check_redacted()?;
        match self.map.get(key) {
            Some(value) if is_hidden(value) => Err(Refusal::Masked {
                field: self.name(key),
            }),
            value => Ok(value),
        }
    }

    /// Whether there is a value, also a hidden one or `null`.
    pub(super) fn has(self, key: &str) -> Result<bool, Refusal> {
        self.check_redacted()?;
        Ok(self.map.contains_key(key))
    }

    fn check_redacted(self) -> Result<(), Refusal> {
        if is_redacted(self.map) {
            let field = self.owner.to_string();
            return Err(Refusal::Masked { field });
        }
        Ok(())
    }

    /// A string. Empty and `null` count as absent, as in Ironic.
    pub(super) fn string(self, key: &str) -> Result<Option<&'a str>, Refusal> {
        Ok(self.text(key)?.filter(|text| !text.is_empty()))
    }

    /// Like [`Fields::string`], but an empty string counts as a value.
    pub(super) fn text(self, key: &str) -> Result<Option<&'a str>, Refusal> {
        match self.get(key)? {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::BadValue {
                field: self.name(key),
                problem: "must be a string".to_owned(),
            }),
        }
    }

    /// A string; a value of another type counts as absent.
    pub(super) fn string_if_any(self, key: &str) -> Result<Option<&'a str>, Refusal> {
        Ok(self.get(key)?.and_then(Value::as_str))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => f.write_str(name),
            Self::Target(uuid) => write!(f, "volume target {uuid}.properties"),
        }
    }
}
