//! Responses to boot requests: the only place that chooses status and `Retry-After`.
//!
//! Firmware *shows* a script only with status 200, and *retries* only with `Retry-After`. So every
//! decision, including a refusal, is a script with 200; if it cannot be made now, the response is
//! 503 with `Retry-After`. Other clients get faults, which are encoded as by Ironic, and otherwise
//! the same script.
//!
//! The first byte of every 200 is the `#` of `#!ipxe`: on BIOS machines, iPXE executes anything
//! else as machine code. Kickstarts are only for installers.

use http::StatusCode;
use ironpxe_core::boot::{Scripts, UnknownMachine};
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::retry_after;
use tracing::{error, warn};

use crate::fault_status::status_of;

/// The kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// Firmware, which executes what it gets.
    Firmware,
    /// Any other client, which reads error documents.
    Other,
}

impl ClientKind {
    /// Determined by the first `User-Agent`: iPXE identifies itself in every request.
    pub(crate) fn of_user_agent(agent: Option<&[u8]>) -> Self {
        match agent {
            Some(agent) if agent.starts_with(b"iPXE/") => Self::Firmware,
            _ => Self::Other,
        }
    }
}

/// The response to a boot request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BootResponse {
    /// The status.
    pub(crate) status: StatusCode,
    /// When to retry, in seconds.
    pub(crate) retry_after: Option<u16>,
    /// The body.
    pub(crate) body: BootBody,
}

/// The body of a response.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BootBody {
    /// An iPXE script.
    Script(String),
    /// A kickstart; never sent to firmware.
    Kickstart(String),
    /// Empty: firmware does not show the body of an error.
    Empty,
    /// A fault, for other clients.
    Fault(Fault),
}

/// The fault of requests over the limit.
pub(super) fn overloaded() -> Fault {
    Fault::unavailable("Too many concurrent boot requests", retry_after::SERVICE)
}

/// The fault while the hardware types are unknown because no conductor has registered.
pub(super) fn no_conductor() -> Fault {
    Fault::unavailable("No conductor is running", retry_after::SERVICE)
}

impl BootResponse {
    /// The response to a request for a script.
    pub(super) fn new(
        scripts: &Scripts,
        request_id: &str,
        client: ClientKind,
        result: Result<String>,
    ) -> Self {
        match (result, client) {
            (Ok(script), _) => Self::script(script),
            (Err(fault), ClientKind::Firmware) => fault_for_firmware(scripts, request_id, &fault),
            (Err(fault), ClientKind::Other) => Self::fault(fault),
        }
    }

    /// The response to a request for a kickstart.
    pub(super) fn kickstart(result: Result<String>) -> Self {
        result.map_or_else(Self::fault, |text| Self::ok(BootBody::Kickstart(text)))
    }

    /// A script that shows these lines and exits.
    pub(super) fn refusal(
        scripts: &Scripts,
        request_id: &str,
        kind: UnknownMachine,
        lines: &[&str],
    ) -> Self {
        match scripts.refuse_unknown_machine(kind, lines, request_id) {
            Ok(script) => Self::script(script),
            Err(problem) => {
                error!(req.id = request_id, "{problem}");
                Self::ask_again(retry_after::SERVICE)
            }
        }
    }

    fn script(script: String) -> Self {
        Self::ok(BootBody::Script(script))
    }

    fn ok(body: BootBody) -> Self {
        Self {
            status: StatusCode::OK,
            retry_after: None,
            body,
        }
    }

    /// 503 without a body: iPXE waits and retries.
    fn ask_again(seconds: u16) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(seconds),
            body: BootBody::Empty,
        }
    }

    fn fault(fault: Fault) -> Self {
        Self {
            status: status_of(&fault),
            retry_after: match fault {
                Fault::Unavailable { retry_after, .. } => Some(retry_after),
                _ => None,
            },
            body: BootBody::Fault(fault),
        }
    }
}

fn fault_for_firmware(scripts: &Scripts, request_id: &str, fault: &Fault) -> BootResponse {
    let mut kind = UnknownMachine::Other;
    let (what, fix) = match fault {
        Fault::Unavailable { retry_after, .. } => return BootResponse::ask_again(*retry_after),
        Fault::Internal(cause) => {
            error!(req.id = request_id, "boot request failed: {cause}");
            return BootResponse::ask_again(retry_after::SERVICE);
        }
        Fault::PortNotFound(address) => {
            kind = UnknownMachine::Address;
            (
                format!("ironpxe: no port has the address {address}."),
                format!("Fix: baremetal port create --node UUID {address}; then boot again."),
            )
        }
        Fault::NodeNotFound(node) => (
            format!("ironpxe: no node has the UUID {node}."),
            "Fix: correct node_uuid in the boot URL of the DHCP server.".to_owned(),
        ),
        Fault::NotFound => (
            "ironpxe: nothing to boot for this machine.".to_owned(),
            "Fix: ask the operator, with the request ID below.".to_owned(),
        ),
        other => {
            warn!(req.id = request_id, "machine not booted: {other}");
            (
                format!("ironpxe: {other}"),
                "Fix: correct the boot URL of the DHCP server or script.".to_owned(),
            )
        }
    };
    BootResponse::refusal(scripts, request_id, kind, &[&what, &fix])
}
