//! Faults: what a client can be told is wrong with its request.
//!
//! A fault is independent of HTTP and JSON-RPC except for its code, which is the same number in
//! both; each encodes it. Names and messages are those of Ironic's exceptions
//! (`common/exception.py`) where one exists, so that existing scripts recognize them. A fault is
//! sent from a conductor to the API as JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::id::{NodeUuid, PortUuid};

/// Why a request failed.
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
    /// Another volume connector has this type and connector ID.
    #[error("A volume connector with type {kind} and connector ID {connector_id} already exists.")]
    VolumeConnectorExists {
        /// The type.
        kind: String,
        /// The connector ID.
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
    /// Every eligible port already has a VIF.
    #[error("Unable to attach VIF {0}, not enough free physical ports.")]
    NoFreePhysicalPorts(String),
    /// The VIF is not attached to the node.
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
    /// Something does not exist; the client may not learn what.
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
        /// The node that the request is about.
        node: String,
    },
    /// A conductor holds the node's reservation.
    #[error(
        "Node {node} is locked by host {host}, please retry after the current operation is completed."
    )]
    NodeLocked {
        /// The node.
        node: NodeUuid,
        /// The conductor that holds it.
        host: String,
    },
    /// An invalid value; the message names the field and the fix.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// A required value is missing; the message names it.
    #[error("{0}")]
    MissingParameterValue(String),
    /// The state machine does not allow the action in this state.
    #[error(
        "The requested action \"{action}\" can not be performed on node \"{node}\" while it is in state \"{state}\"."
    )]
    InvalidStateRequested {
        /// The requested action.
        action: String,
        /// The node.
        node: NodeUuid,
        /// Its provision state.
        state: String,
    },
    /// A deletion is not allowed in this state.
    #[error(
        "Can not delete node \"{node}\" while it is in provision state \"{state}\". Valid provision states to perform deletion are: \"('manageable', 'enroll', 'adopt failed', 'available')\", or set the node into maintenance mode"
    )]
    NodeNotDeletable {
        /// The node.
        node: NodeUuid,
        /// Its provision state.
        state: String,
    },
    /// The node is protected.
    #[error("Node {0} is protected and cannot be undeployed, rebuilt or deleted")]
    NodeProtected(NodeUuid),
    /// The node has an instance and is not in maintenance.
    #[error("Node {node} is associated with instance {instance}.")]
    NodeAssociated {
        /// The node.
        node: NodeUuid,
        /// Its instance.
        instance: String,
    },
    /// The node's provision state is transient.
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
        /// The requested operation.
        operation: Cow<'static, str>,
        /// The node.
        node: NodeUuid,
    },
    /// The node is retired.
    #[error("The {operation} operation can't be performed on node {node} because it is retired.")]
    NodeIsRetired {
        /// The requested operation.
        operation: Cow<'static, str>,
        /// The node.
        node: NodeUuid,
    },
    /// No live conductor has this hardware type and conductor group.
    #[error(
        "No valid host was found. Reason: No conductor service registered which supports driver {driver} for conductor group \"{group}\". Ensure the driver is valid and enabled."
    )]
    NoValidHost {
        /// The hardware type.
        driver: String,
        /// The conductor group.
        group: String,
    },
    /// The hardware type does not have this implementation of an interface.
    #[error(
        "Could not find the following interface in the 'ironic.hardware.interfaces.{kind}' entrypoint: {name}. Valid interfaces are {valid}."
    )]
    InterfaceNotFound {
        /// The kind of interface.
        kind: Cow<'static, str>,
        /// The requested implementation.
        name: String,
        /// The available implementations, as a comma-separated list.
        valid: String,
    },
    /// The driver does not support the operation.
    #[error("Driver {driver} does not support {extension} (disabled or not implemented).")]
    UnsupportedDriverExtension {
        /// The hardware type.
        driver: String,
        /// The missing operation.
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
        /// The HTTP method of the call.
        http_method: Cow<'static, str>,
    },
    /// The node's provision state does not allow the change; the text says which and why.
    #[error("{0}")]
    InvalidState(String),
    /// A provision request failed validation; nothing was started.
    #[error("{0}")]
    InstanceDeployFailure(String),
    /// A JSON-Patch could not be applied.
    #[error("Couldn't apply patch '{patch}'. Reason: {reason}")]
    PatchError {
        /// The patch.
        patch: String,
        /// Why it was rejected.
        reason: String,
    },
    /// The requested microversion does not have the resource or method.
    #[error("Request not acceptable.")]
    NotAcceptable,
    /// As [`Fault::NotAcceptable`], with the required microversion.
    #[error("Request not acceptable. The minimal required API version should be 1.{0}")]
    NeedsVersion(u16),
    /// The endpoint does not exist in the requested microversion.
    #[error("The API is not supported for this version")]
    NotInThisVersion,
    /// The request is valid but cannot be served now.
    #[error("{reason}, please retry in {retry_after} s.")]
    Unavailable {
        /// What is unavailable.
        reason: String,
        /// Seconds to wait before a retry.
        retry_after: u16,
    },
    /// An internal error. The text is the cause, for the log; the client only gets the request ID
    /// to find it there.
    #[error("{0}")]
    Internal(String),
}

/// The result of an operation that a client can request.
pub type Result<T, E = Fault> = std::result::Result<T, E>;
impl Fault {
    /// What is unavailable, and when to retry, in seconds (see [`retry_after`](crate::retry_after)).
    pub fn unavailable(reason: impl Into<String>, retry_after: u16) -> Self {
        Self::Unavailable {
            reason: reason.into(),
            retry_after,
        }
    }

    /// The HTTP status, also the code of the JSON-RPC error.
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
            | Self::VifAlreadyAttached { .. }
            | Self::NodeNotDeletable { .. }
            | Self::NodeAssociated { .. }
            | Self::NodeInTransition(_)
            | Self::InvalidState(_)
            | Self::FieldFixedInState { .. } => 409,

            Self::NodeProtected(_) => 403,

            // Ironic's exceptions have 404 for some of these, which its API turns into 400: what
            // does not exist is not what the URL names.
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
