//! Faults on the wire: the JSON-RPC twin of `api/error.rs`.
//!
//! `code`, `message` and `data.class` are what Ironic's own client understands: it raises the
//! exception of that class, if it is one of `ironic.common.exception`. `data.fault` is the fault
//! itself, so that ours is the same on the other side, whatever Ironic's classes can say.

use ironpxe_core::error::Fault;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// When to come back, in seconds, if the conductor does not say.
const RETRY_AFTER: u16 = 5;

/// The `error` of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct FaultOnWire {
    code: i64,
    message: String,
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Data {
    /// Ironic's exception.
    class: String,
    /// A [`Fault`], unless it is of a release that knows others.
    fault: Value,
}

impl FaultOnWire {
    /// The fault as it is sent.
    pub(super) fn from_fault(fault: &Fault) -> Self {
        let (class, code) = class_and_code(fault);
        Self {
            code,
            message: fault.to_string(),
            data: Data {
                class: format!("ironic.common.exception.{class}"),
                fault: serde_json::to_value(fault).unwrap_or_default(),
            },
        }
    }

    /// The fault that was sent, or the nearest one to what cannot be read.
    pub(super) fn into_fault(self) -> Fault {
        if let Ok(fault) = serde_json::from_value(self.data.fault) {
            return fault;
        }
        match self.code {
            404 => Fault::NotFound,
            406 => Fault::NotAcceptable,
            503 => Fault::Unavailable {
                reason: self.message,
                retry_after: RETRY_AFTER,
            },
            400..=499 => Fault::InvalidParameterValue(self.message),
            // The codes of JSON-RPC itself, too: the call was ours, and it was wrong.
            code => Fault::Internal(format!("the conductor answered {code}: {}", self.message)),
        }
    }
}

/// Ironic's class for a fault, in `ironic.common.exception`, and the code that goes with it.
/// The classes that Ironic has no fault for are those it would answer the same requests with.
fn class_and_code(fault: &Fault) -> (&'static str, i64) {
    match fault {
        Fault::NodeNotFound(_) => ("NodeNotFound", 404),
        Fault::PortNotFound(_) => ("PortNotFound", 404),
        Fault::VolumeConnectorNotFound(_) => ("VolumeConnectorNotFound", 404),
        Fault::VolumeTargetNotFound(_) => ("VolumeTargetNotFound", 404),
        Fault::NodeHistoryNotFound(_) => ("NodeHistoryNotFound", 404),
        Fault::ConductorNotFound(_) => ("ConductorNotFound", 404),
        Fault::DriverNotFound(_) | Fault::DriverUnknown(_) => ("DriverNotFound", 404),
        Fault::NotFound | Fault::NotInThisVersion => ("NotFound", 404),

        Fault::VifAlreadyAttached { .. } => ("VifAlreadyAttached", 409),
        Fault::NodeAlreadyExists(_) => ("NodeAlreadyExists", 409),
        Fault::DuplicateName(_) => ("DuplicateName", 409),
        Fault::MacAlreadyExists(_) => ("MACAlreadyExists", 409),
        Fault::PortAlreadyExists(_) => ("PortAlreadyExists", 409),
        Fault::PortDuplicateName(_) => ("PortDuplicateName", 409),
        Fault::InstanceAssociated { .. } => ("InstanceAssociated", 409),
        Fault::VolumeConnectorExists { .. } => ("VolumeConnectorTypeAndIdAlreadyExists", 409),
        Fault::VolumeUuidExists { what, .. } if what == "connector" => {
            ("VolumeConnectorAlreadyExists", 409)
        }
        Fault::VolumeUuidExists { .. } => ("VolumeTargetAlreadyExists", 409),
        Fault::VolumeBootIndexExists(_) => ("VolumeTargetBootIndexAlreadyExists", 409),
        Fault::NodeLocked { .. } => ("NodeLocked", 409),
        Fault::NodeAssociated { .. } => ("NodeAssociated", 409),
        Fault::NodeInTransition(_) => ("Conflict", 409),
        Fault::NodeChanged { .. }
        | Fault::InvalidState(_)
        | Fault::NodeNotDeletable { .. }
        | Fault::FieldFixedInState { .. } => ("InvalidState", 409),

        Fault::NodeProtected(_) => ("NodeProtected", 403),

        Fault::NoFreePhysicalPorts(_) => ("NoFreePhysicalPorts", 400),
        Fault::VifNotAttached { .. } => ("VifNotAttached", 400),
        Fault::NoValidHost { .. } => ("NoValidHost", 400),
        Fault::InvalidParameterValue(_)
        | Fault::NoPassthruMethod(_)
        | Fault::PassthruHttpMethod { .. } => ("InvalidParameterValue", 400),
        Fault::MissingParameterValue(_) => ("MissingParameterValue", 400),
        Fault::InvalidStateRequested { .. } => ("InvalidStateRequested", 400),
        Fault::NodeInMaintenance { .. } => ("NodeInMaintenance", 400),
        Fault::NodeIsRetired { .. } => ("NodeIsRetired", 400),
        Fault::InterfaceNotFound { .. } => ("InterfaceNotFoundInEntrypoint", 400),
        Fault::UnsupportedDriverExtension { .. } => ("UnsupportedDriverExtension", 400),
        Fault::InstanceDeployFailure(_) => ("InstanceDeployFailure", 400),
        Fault::PatchError { .. } => ("PatchError", 400),

        Fault::NotAcceptable | Fault::NeedsVersion(_) => ("NotAcceptable", 406),
        Fault::Unavailable { .. } => ("TemporaryFailure", 503),
        Fault::Internal(_) => ("IronicException", 500),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::error::{ApiError, status, tests::faults};

    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for fault in faults() {
            let sent = serde_json::to_string(&FaultOnWire::from_fault(&fault)).unwrap();
            table.push_str(&sent);
            table.push('\n');
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn every_fault_survives_the_way() {
        for fault in faults() {
            let text = serde_json::to_string(&FaultOnWire::from_fault(&fault)).unwrap();
            let sent: FaultOnWire = serde_json::from_str(&text).unwrap();
            assert_eq!(sent.code, i64::from(status(&fault).as_u16()), "{fault:?}");
            let got = sent.into_fault();
            assert_eq!(got, fault);
            let answer = |fault| ApiError::from(fault).answer("req-1").status();
            assert_eq!(answer(got), answer(fault));
        }
    }

    #[test]
    fn a_fault_of_another_release_keeps_what_it_says() {
        let sent = |code: i64| {
            let error = json!({
                "code": code, "message": "Because.",
                "data": {"class": "ironic.common.exception.New", "fault": {"New": 1}}, "new": 1,
            });
            let error: FaultOnWire = serde_json::from_value(error).unwrap();
            error.into_fault()
        };
        assert_eq!(sent(404), Fault::NotFound);
        assert_eq!(sent(406), Fault::NotAcceptable);
        assert_eq!(
            sent(409),
            Fault::InvalidParameterValue("Because.".to_owned())
        );
        assert!(matches!(sent(503), Fault::Unavailable { reason, .. } if reason == "Because."));
        for code in [500, -32601] {
            let Fault::Internal(cause) = sent(code) else {
                panic!("{code}")
            };
            assert!(cause.contains("Because.") && cause.contains(&code.to_string()));
        }
    }
}
