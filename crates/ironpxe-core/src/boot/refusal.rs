//! Why a machine is not booted, and what would change that.

use std::fmt;

use super::located::ImageKind;
use crate::mac::MacAddress;
use crate::provision_state::{Phase, ProvisionState};

/// Why nothing is booted. [`fmt::Display`] gives the reason, [`Refusal::advice`] the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is to be booted in this provision state.
    StateBootsNothing(ProvisionState),
    /// The provision state is not one this release knows.
    UnknownState(String),
    /// The work that is under way does without a ramdisk, and has nothing else to boot.
    RamdiskDisabled {
        /// The field that says so.
        field: String,
    },
    /// The node is in maintenance because of a fault.
    Fault(String),
    /// The node is known by this port, but may not boot from it.
    PortNotPxeEnabled(MacAddress),
    /// Something is needed and not given.
    Missing {
        /// The fields to set.
        fields: String,
    },
    /// A value cannot be used.
    BadValue {
        /// The field it stands in.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An image cannot be had.
    Image {
        /// What it is for the machine.
        kind: ImageKind,
        /// Its reference.
        image: String,
        /// Why not.
        problem: String,
    },
    /// Two fields contradict each other.
    Conflict {
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
}

impl Refusal {
    /// What an operator can do about it, for the node they call `node`.
    pub fn advice(&self, node: &str) -> String {
        use ProvisionState as S;
        match self {
            Self::StateBootsNothing(S::Enroll) => {
                format!("baremetal node manage {node}, provide, deploy; then boot again")
            }
            Self::StateBootsNothing(S::Manageable) => {
                format!("baremetal node provide {node}, deploy; then boot again")
            }
            Self::StateBootsNothing(S::Available) => {
                format!("baremetal node deploy {node}; then boot again")
            }
            Self::StateBootsNothing(state) => match state.row().phase {
                Phase::Working(_) => "wait until that is done; then boot again".to_owned(),
                Phase::Idle | Phase::Waiting(_) | Phase::Held(_) | Phase::Failed(_) => {
                    format!("see last_error: baremetal node show {node} --fields last_error")
                }
            },
            Self::RamdiskDisabled { .. } => {
                "wait until the node is cleaned; then boot again".to_owned()
            }
            Self::UnknownState(_) => "upgrade this service, or repair the node's record".to_owned(),
            Self::Fault(_) => format!("repair it; then baremetal node maintenance unset {node}"),
            Self::PortNotPxeEnabled(mac) => {
                format!("set pxe_enabled on port {mac}, or boot from another NIC")
            }
            Self::BadValue { field, .. } if field.ends_with("_disable_ramdisk") => {
                format!("baremetal node abort {node}; then start that work again")
            }
            // What was found out at deployment, and nobody can set.
            Self::Missing { fields: field } | Self::BadValue { field, .. }
                if field.starts_with("driver_internal_info.") =>
            {
                format!("deploy again: baremetal node rebuild {node}")
            }
            Self::Missing { fields } => format!("set {fields}"),
            Self::BadValue { field, .. } => format!("correct {field}"),
            Self::Image { kind, .. } => {
                format!("name another {}, or make this one available", kind.name())
            }
            Self::Conflict { one, other } => format!("unset {one} or {other}"),
        }
    }
}

impl Refusal {
    /// The reason without the fields that [`Refusal::advice`] names anyway, for where both have
    /// little room.
    pub(super) fn gist(&self) -> String {
        match self {
            Self::Missing { .. } => "what it needs is not set".to_owned(),
            Self::BadValue { problem, .. } | Self::Image { problem, .. } => problem.clone(),
            Self::Conflict { .. } => "two fields contradict each other".to_owned(),
            Self::StateBootsNothing(_)
            | Self::UnknownState(_)
            | Self::RamdiskDisabled { .. }
            | Self::Fault(_)
            | Self::PortNotPxeEnabled(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateBootsNothing(_) => f.write_str("nothing is to be booted in this state"),
            Self::UnknownState(word) => write!(f, "provision state {word:?} is not known here"),
            Self::RamdiskDisabled { field } => {
                write!(f, "{field} is true: no ramdisk is used")
            }
            Self::Fault(fault) => write!(f, "it is in maintenance, with the fault \"{fault}\""),
            Self::PortNotPxeEnabled(mac) => write!(f, "its port {mac} has pxe_enabled=false"),
            Self::Missing { fields } => write!(f, "{fields} not set"),
            Self::BadValue { field, problem } => write!(f, "{field}: {problem}"),
            Self::Image {
                kind,
                image,
                problem,
            } => write!(f, "{} {image}: {problem}", kind.name()),
            Self::Conflict { one, other } => write!(f, "{one} and {other} are both set"),
        }
    }
}
