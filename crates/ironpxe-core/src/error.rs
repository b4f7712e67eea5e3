//! Faults: what can be wrong with a request, in words a client may hear.
//!
//! A fault knows nothing of HTTP or JSON-RPC but its code, which is the same number in both; each edge
//! words it. Names and messages are those of Ironic's exceptions (`common/exception.py`) where it has one, so
//! that operators and scripts find what they know. A fault can travel from a conductor to the API
//! as JSON, and is the same fault there.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::id::{NodeUuid, PortUuid};
use crate::provision_state::ProvisionState;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Fault {
    /// No node has this UUID or name.
    #[error("Node {0} could not be found.")]
    NodeNotFound(String),
    /// No port has this UUID, name or address.
    #[error("Port {0} could not be found.")]
    PortNotFound(String),
    /// No volume connector has this UUID.
    #[error("Volume connector {0} could not be found.")]
    VolumeConnectorNotFound(String),
    /// No volume target has this UUID.
    #[error("Volume target {0} could not be found.")]
    VolumeTargetNotFound(String),
    /// The node has no history entry with this UUID.
    #[error("Node history record {0} could not be found.")]
    NodeHistoryNotFound(String),
    /// Another volume connector is of this kind and name.
    #[error("A volume connector with type {kind} and connector ID {connector_id} already exists.")]
    VolumeConnectorExists {
        /// The kind.
        kind: String,
        /// The name.
        connector_id: String,
    },
    /// Another volume connector or target has this UUID.
    #[error("A volume {what} with UUID {uuid} already exists.")]
    VolumeUuidExists {
        /// `connector` or `target`.
        what: Cow<'static, str>,
        /// The UUID.
        uuid: String,
    },
    /// Another volume target of the node has this boot index.
    #[error("A volume target with boot index '{0}' for the same node already exists.")]
    VolumeBootIndexExists(i64),
    /// The VIF is plugged into a port already.
    #[error("Unable to attach VIF because VIF {vif} is already attached to Ironic Port {port}")]
    VifAlreadyAttached {
        /// The VIF.
        vif: String,
        /// The port that has it.
        port: PortUuid,
    },
    /// Each port that it could be plugged into has a VIF.
    #[error("Unable to attach VIF {0}, not enough free physical ports.")]
    NoFreePhysicalPorts(String),
    /// The node has no such VIF.
    #[error("Unable to detach VIF {vif} from node {node} because it is not attached to it.")]
    VifNotAttached {
        /// The VIF.
        vif: String,
        /// The node.
        node: NodeUuid,
    },
    /// No conductor has this name.
    #[error("Conductor {0} could not be found.")]
    ConductorNotFound(String),
    /// No hardware type has this name (worded as `GET /v1/drivers/<driver>` does).
    #[error("Could not find the following driver(s) or hardware type(s): {0}.")]
    DriverNotFound(String),
    /// No hardware type has this name (worded as `…/vendor_passthru/methods` does).
    #[error("The driver '{0}' is unknown.")]
    DriverUnknown(String),
    /// Something is not there, and a client that may not know shall not learn which.
    #[error("Resource could not be found.")]
    NotFound,
    /// Another node has this UUID.
    #[error("A node with UUID {0} already exists.")]
    NodeAlreadyExists(NodeUuid),
    /// Another node has this name.
    #[error("A node with name {0} already exists.")]
    DuplicateName(String),
    /// Another port has this address.
    #[error("A port with MAC address {0} already exists.")]
    MacAlreadyExists(String),
    /// Another port has this UUID.
    #[error("A port with UUID {0} already exists.")]
    PortAlreadyExists(String),
    /// Another port has this name.
    #[error("A port with name {0} already exists.")]
    PortDuplicateName(String),
    /// Another node has this instance.
    #[error(
        "Instance {instance} is already associated with a node, it cannot be associated with this other node {node}"
    )]
    InstanceAssociated {
        /// The instance.
        instance: String,
        /// The node that was to get it.
        node: String,
    },
    /// A conductor is changing the node right now.
    #[error(
        "Node {node} is locked by host {host}, please retry after the current operation is completed."
    )]
    NodeLocked {
        /// The node.
        node: NodeUuid,
        /// Who holds it.
        host: String,
    },
    /// A value is not acceptable; the message names the field and the fix.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// A needed value is missing; the message names it.
    #[error("{0}")]
    MissingParameterValue(String),
    /// The state machine does not allow this here.
    #[error(
        "The requested action \"{action}\" can not be performed on node \"{node}\" while it is in state \"{state}\"."
    )]
    InvalidStateRequested {
        /// What was asked.
        action: String,
        /// Of which node.
        node: NodeUuid,
        /// Where it stands.
        state: String,
    },
    /// The node changed while the request was on its way.
    #[error(
        "Node {node} can not be updated: it left state \"{expected}\" meanwhile, please retry."
    )]
    NodeChanged {
        /// The node.
        node: NodeUuid,
        /// The state the request was made for.
        expected: ProvisionState,
    },
    /// A deletion is not allowed in this state.
    #[error(
        "Can not delete node \"{node}\" while it is in provision state \"{state}\". Valid provision states to perform deletion are: \"('manageable', 'enroll', 'adopt failed', 'available')\", or set the node into maintenance mode"
    )]
    NodeNotDeletable {
        /// The node.
        node: NodeUuid,
        /// Where it stands.
        state: String,
    },
    /// The node is protected.
    #[error("Node {0} is protected and cannot be undeployed, rebuilt or deleted")]
    NodeProtected(NodeUuid),
    /// The node carries an instance, and is not in maintenance.
    #[error("Node {node} is associated with instance {instance}.")]
    NodeAssociated {
        /// The node.
        node: NodeUuid,
        /// Its instance.
        instance: String,
    },
    /// The node is on its way from one provision state to another.
    #[error("Node {0} can not be updated while a state transition is in progress.")]
    NodeInTransition(NodeUuid),
    /// An interface or the driver may not be changed in this state.
    #[error(
        "Node {node} can not have {field} updated unless it is in one of allowed (available, enroll, inspect wait, inspecting, manageable) states or in maintenance mode."
    )]
    FieldFixedInState {
        /// The node.
        node: NodeUuid,
        /// The field.
        field: Cow<'static, str>,
    },
    /// The node is in maintenance.
    #[error(
        "The {operation} operation can't be performed on node {node} because it's in maintenance mode."
    )]
    NodeInMaintenance {
        /// What was asked.
        operation: Cow<'static, str>,
        /// Of which node.
        node: NodeUuid,
    },
    /// The node is retired.
    #[error("The {operation} operation can't be performed on node {node} because it is retired.")]
    NodeIsRetired {
        /// What was asked.
        operation: Cow<'static, str>,
        /// Of which node.
        node: NodeUuid,
    },
    /// Nobody enabled this hardware type.
    #[error(
        "No valid host was found. Reason: No conductor service registered which supports driver {driver} for conductor group \"{group}\". Ensure the driver is valid and enabled."
    )]
    NoValidHost {
        /// The hardware type.
        driver: String,
        /// The conductor group.
        group: String,
    },
    /// The hardware type lacks this implementation of an interface.
    #[error(
        "Could not find the following interface in the 'ironic.hardware.interfaces.{kind}' entrypoint: {name}. Valid interfaces are {valid}."
    )]
    InterfaceNotFound {
        /// The kind of interface.
        kind: Cow<'static, str>,
        /// What was asked.
        name: String,
        /// What there is, as a list for humans.
        valid: String,
    },
    /// The driver cannot do this at all.
    #[error("Driver {driver} does not support {extension} (disabled or not implemented).")]
    UnsupportedDriverExtension {
        /// The hardware type.
        driver: String,
        /// What it lacks.
        extension: String,
    },
    /// No such passthru method.
    #[error("No handler for method {0}")]
    NoPassthruMethod(String),
    /// The passthru method exists, but not for this HTTP method.
    #[error("The method {method} does not support HTTP {http_method}")]
    PassthruHttpMethod {
        /// The passthru method.
        method: String,
        /// How it was called.
        http_method: Cow<'static, str>,
    },
    /// The node's provision state forbids the change. The text says which, and why.
    #[error("{0}")]
    InvalidState(String),
    /// A provision request failed validation before anything was started.
    #[error("{0}")]
    InstanceDeployFailure(String),
    /// A JSON-Patch could not be applied.
    #[error("Couldn't apply patch '{patch}'. Reason: {reason}")]
    PatchError {
        /// The patch.
        patch: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The API version does not have what was asked.
    #[error("Request not acceptable.")]
    NotAcceptable,
    /// As [`Fault::NotAcceptable`], with the version that would have it.
    #[error("Request not acceptable. The minimal required API version should be 1.{0}")]
    NeedsVersion(u16),
    /// The endpoint does not exist in the client's API version.
    #[error("The API is not supported for this version")]
    NotInThisVersion,
    /// Nothing is wrong with the request; it cannot be answered now.
    #[error("{reason}, please retry in {retry_after} s.")]
    Unavailable {
        /// What is missing.
        reason: String,
        /// When to come back, in seconds.
        retry_after: u16,
    },
    /// A fault of this service. The text is the cause, for the log; an edge tells the client only
    /// that something broke, and under which request the log has it.
    #[error("{0}")]
    Internal(String),
}

/// The result of anything a client can ask for.
pub type Result<T, E = Fault> = std::result::Result<T, E>;
impl Fault {
    /// The HTTP status, which is the code of a JSON-RPC error, too.
    ///
    /// Source: the `code` of Ironic's exceptions.
    pub fn code(&self) -> u16 {
        match self {
            Self::NodeNotFound(_)
            | Self::PortNotFound(_)
            | Self::VolumeConnectorNotFound(_)
            | Self::VolumeTargetNotFound(_)
            | Self::NodeHistoryNotFound(_)
            | Self::ConductorNotFound(_)
            | Self::DriverNotFound(_)
            | Self::DriverUnknown(_)
            | Self::NotFound
            | Self::NotInThisVersion => 404,

            Self::NodeAlreadyExists(_)
            | Self::DuplicateName(_)
            | Self::MacAlreadyExists(_)
            | Self::PortAlreadyExists(_)
            | Self::PortDuplicateName(_)
            | Self::InstanceAssociated { .. }
            | Self::VolumeConnectorExists { .. }
            | Self::VolumeUuidExists { .. }
            | Self::VolumeBootIndexExists(_)
            | Self::NodeLocked { .. }
            | Self::NodeChanged { .. }
            | Self::VifAlreadyAttached { .. }
            | Self::NodeNotDeletable { .. }
            | Self::NodeAssociated { .. }
            | Self::NodeInTransition(_)
            | Self::InvalidState(_)
            | Self::FieldFixedInState { .. } => 409,

            Self::NodeProtected(_) => 403,

            // Ironic has 404 for some of these and turns it into 400 wherever a client can meet it:
            // what is missing is not what the URL names.
            Self::NoValidHost { .. }
            | Self::InvalidParameterValue(_)
            | Self::MissingParameterValue(_)
            | Self::InvalidStateRequested { .. }
            | Self::NoFreePhysicalPorts(_)
            | Self::VifNotAttached { .. }
            | Self::NodeInMaintenance { .. }
            | Self::NodeIsRetired { .. }
            | Self::InterfaceNotFound { .. }
            | Self::UnsupportedDriverExtension { .. }
            | Self::NoPassthruMethod(_)
            | Self::PassthruHttpMethod { .. }
            | Self::InstanceDeployFailure(_)
            | Self::PatchError { .. } => 400,

            Self::NotAcceptable | Self::NeedsVersion(_) => 406,
            Self::Unavailable { .. } => 503,
            Self::Internal(_) => 500,
        }
    }
}
