//! Faults in JSON-RPC responses, the counterpart of `api/error.rs`.
//!
//! Ironic's client reads `code`, `message` and `data.class`, and raises the exception of that class
//! if it is in `ironic.common.exception`. `data.fault` is the fault itself, so that it is preserved
//! between ironpxe processes.

use ironpxe_core::error::Fault;
use ironpxe_core::retry_after;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The `error` of a response.
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
    /// A [`Fault`], possibly one of a newer release.
    fault: Value,
}

impl FaultOnWire {
    /// The fault as sent.
    pub(super) fn from_fault(fault: &Fault) -> Self {
        let class = class(fault);
        Self {
            code: fault.code().into(),
            message: fault.to_string(),
            data: Data {
                class: format!("ironic.common.exception.{class}"),
                fault: serde_json::to_value(fault).unwrap_or_default(),
            },
        }
    }

    /// The received fault, or the closest one if it is unknown.
    pub(super) fn into_fault(self) -> Fault {
        if let Ok(fault) = serde_json::from_value(self.data.fault) {
            return fault;
        }
        match self.code {
            404 => Fault::NotFound,
            406 => Fault::NotAcceptable,
            503 => Fault::unavailable(self.message, retry_after::SERVICE),
            400..=499 => Fault::InvalidParameterValue(self.message),
            // Includes JSON-RPC's own codes: the call was invalid.
            code => Fault::Internal(format!(
                "the conductor responded with {code}: {}",
                self.message
            )),
        }
    }
}

/// Ironic's exception class for a fault, in `ironic.common.exception`. For a fault that Ironic does
/// not have, the class it would raise for the same request.
fn class(fault: &Fault) -> &'static str {
    match fault {
        Fault::NodeNotFound(_) => "NodeNotFound",
        Fault::PortNotFound(_) => "PortNotFound",
        Fault::VolumeConnectorNotFound(_) => "VolumeConnectorNotFound",
        Fault::VolumeTargetNotFound(_) => "VolumeTargetNotFound",
        Fault::NodeHistoryNotFound(_) => "NodeHistoryNotFound",
        Fault::ConductorNotFound(_) => "ConductorNotFound",
        Fault::DriverNotFound(_) | Fault::DriverUnknown(_) => "DriverNotFound",
        Fault::NotFound | Fault::NotInThisVersion => "NotFound",

        Fault::VifAlreadyAttached { .. } => "VifAlreadyAttached",
        Fault::NodeAlreadyExists(_) => "NodeAlreadyExists",
        Fault::DuplicateName(_) => "DuplicateName",
        Fault::MacAlreadyExists(_) => "MACAlreadyExists",
        Fault::PortAlreadyExists(_) => "PortAlreadyExists",
        Fault::PortDuplicateName(_) => "PortDuplicateName",
        Fault::InstanceAssociated { .. } => "InstanceAssociated",
        Fault::VolumeConnectorExists { .. } => "VolumeConnectorTypeAndIdAlreadyExists",
        Fault::VolumeUuidExists { what, .. } if what == "connector" => {
            "VolumeConnectorAlreadyExists"
        }
        Fault::VolumeUuidExists { .. } => "VolumeTargetAlreadyExists",
        Fault::VolumeBootIndexExists(_) => "VolumeTargetBootIndexAlreadyExists",
        Fault::NodeLocked { .. } => "NodeLocked",
        Fault::NodeAssociated { .. } => "NodeAssociated",
        Fault::NodeInTransition(_) => "Conflict",
        Fault::InvalidState(_)
        | Fault::NodeNotDeletable { .. }
        | Fault::FieldFixedInState { .. } => "InvalidState",

        Fault::NodeProtected(_) => "NodeProtected",

        Fault::NoFreePhysicalPorts(_) => "NoFreePhysicalPorts",
        Fault::VifNotAttached { .. } => "VifNotAttached",
        Fault::NoValidHost { .. } => "NoValidHost",
        Fault::InvalidParameterValue(_)
        | Fault::NoPassthruMethod(_)
        | Fault::PassthruHttpMethod { .. } => "InvalidParameterValue",
        Fault::MissingParameterValue(_) => "MissingParameterValue",
        Fault::InvalidStateRequested { .. } => "InvalidStateRequested",
        Fault::NodeInMaintenance { .. } => "NodeInMaintenance",
        Fault::NodeIsRetired { .. } => "NodeIsRetired",
        Fault::InterfaceNotFound { .. } => "InterfaceNotFoundInEntrypoint",
        Fault::UnsupportedDriverExtension { .. } => "UnsupportedDriverExtension",
        Fault::InstanceDeployFailure(_) => "InstanceDeployFailure",
        Fault::PatchError { .. } => "PatchError",

        Fault::NotAcceptable | Fault::NeedsVersion(_) => "NotAcceptable",
        Fault::Unavailable { .. } => "TemporaryFailure",
        Fault::Internal(_) => "IronicException",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::error::{ApiError, tests::faults};
    use crate::fault_status::status_of;

    #[test]
    fn wire_form_of_every_fault_matches_the_snapshot() {
        let mut table = String::new();
        for fault in faults() {
            let sent = serde_json::to_string(&FaultOnWire::from_fault(&fault)).unwrap();
            table.push_str(&sent);
            table.push('\n');
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn every_fault_round_trips() {
        for fault in faults() {
            let text = serde_json::to_string(&FaultOnWire::from_fault(&fault)).unwrap();
            let sent: FaultOnWire = serde_json::from_str(&text).unwrap();
            assert_eq!(
                sent.code,
                i64::from(status_of(&fault).as_u16()),
                "{fault:?}"
            );
            let got = sent.into_fault();
            assert_eq!(got, fault);
            let answer = |fault| ApiError::from(fault).answer("req-1").status();
            assert_eq!(answer(got), answer(fault));
        }
    }

    #[test]
    fn unknown_fault_keeps_its_code_and_message() {
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
