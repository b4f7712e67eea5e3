//! Why a machine is not booted, and how to fix it.

use std::fmt;

use super::reference::ImageKind;
use crate::mac::MacAddress;
use crate::provision_state::{Phase, ProvisionState};

/// Why nothing is booted. [`fmt::Display`] is the reason, [`Refusal::advice`] the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is booted in this provision state.
    StateBootsNothing(ProvisionState),
    /// A provision state unknown to this release.
    UnknownState(String),
    /// The current task runs without a ramdisk, and there is nothing else to boot.
    RamdiskDisabled {
        /// The field that disables the ramdisk.
        field: String,
    },
    /// The node is in maintenance because of a fault.
    Fault(String),
    /// The port matches, but must not be booted from.
    PortNotPxeEnabled(MacAddress),
    /// A required value is not set.
    Missing {
        /// The fields to set.
        fields: String,
    },
    /// A value is invalid.
    BadValue {
        /// The field.
        field: String,
        /// Why it is invalid.
        problem: String,
    },
    /// A value is needed that is hidden from this service, for example by a mask.
    Masked {
        /// The field.
        field: String,
    },
    /// An image is not available.
    Image {
        /// What it is used for.
        kind: ImageKind,
        /// Its reference.
        image: String,
        /// Why it is not available.
        problem: String,
    },
    /// Two fields are mutually exclusive.
    Conflict {
        /// The first field.
        one: &'static str,
        /// The second field.
        other: &'static str,
    },
}

impl Refusal {
    /// How an operator can fix it; `node` is the node's name or UUID in commands.
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
                Phase::Working(_) => "wait until the task is done; then boot again".to_owned(),
                Phase::Idle | Phase::Waiting(_) | Phase::Held(_) | Phase::Failed(_) => {
                    format!("see last_error: baremetal node show {node} --fields last_error")
                }
            },
            Self::RamdiskDisabled { .. } => {
                "wait until cleaning is done; then boot again".to_owned()
            }
            Self::UnknownState(_) => "upgrade this service, or repair the node's record".to_owned(),
            Self::Fault(_) => {
                format!("fix the fault; then baremetal node maintenance unset {node}")
            }
            Self::PortNotPxeEnabled(mac) => {
                format!("set pxe_enabled on port {mac}, or boot from another NIC")
            }
            Self::BadValue { field, .. } if field.ends_with("_disable_ramdisk") => {
                format!("baremetal node abort {node}; then start the task again")
            }
            // Recorded by a deployment; not writable by clients.
            Self::Missing { fields: field } | Self::BadValue { field, .. }
                if field.starts_with("driver_internal_info.") =>
            {
                format!("deploy again: baremetal node rebuild {node}")
            }
            Self::Missing { fields } => format!("set {fields}"),
            Self::Masked { field } => {
                format!("read Ironic's database, or let policies show secrets, or set {field}")
            }
            Self::BadValue { field, .. } => format!("correct {field}"),
            Self::Image { kind, .. } => {
                format!("set another {}, or make this one available", kind.name())
            }
            Self::Conflict { one, other } => format!("unset {one} or {other}"),
        }
    }
}

impl Refusal {
    /// The reason without the fields that [`Refusal::advice`] names, for when there is no room for
    /// both.
    pub(super) fn short_reason(&self) -> String {
        match self {
            Self::Missing { .. } => "a required field is not set".to_owned(),
            Self::Masked { .. } => "a required value is masked or redacted".to_owned(),
            Self::BadValue { problem, .. } | Self::Image { problem, .. } => problem.clone(),
            Self::Conflict { .. } => "two fields are mutually exclusive".to_owned(),
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
            Self::StateBootsNothing(_) => f.write_str("this state boots nothing"),
            Self::UnknownState(word) => write!(f, "unknown provision state {word:?}"),
            Self::RamdiskDisabled { field } => {
                write!(f, "{field} is true: no ramdisk is used")
            }
            Self::Fault(fault) => write!(f, "in maintenance because of the fault \"{fault}\""),
            Self::PortNotPxeEnabled(mac) => write!(f, "port {mac} has pxe_enabled=false"),
            Self::Missing { fields } => write!(f, "{fields} not set"),
            Self::Masked { field } => {
                write!(
                    f,
                    "{field} is masked or redacted: its value is not known here"
                )
            }
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
