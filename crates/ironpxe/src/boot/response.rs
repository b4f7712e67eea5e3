//! What a boot request is answered: the one place that chooses status and `Retry-After`.
//!
//! Firmware can *show* only a script that comes with 200, and *retries* only what comes with
//! `Retry-After`. So a decision, also a refusal, is a script with 200; what cannot be decided now
//! is 503 with `Retry-After`. A client that is not firmware is given faults, which its encoder words
//! as Ironic does, and the same script otherwise.
//!
//! The first byte of every 200 is the `#` of `#!ipxe`: on a machine with a BIOS, iPXE takes
//! anything else for machine code and runs it. A kickstart is for installers alone.

use http::StatusCode;
use ironpxe_core::boot::{Scripts, UnknownMachine};
use ironpxe_core::error::{Fault, Result};
use tracing::{error, warn};

/// When a client shall ask again for what could not be answered, in seconds.
const RETRY_AFTER: u16 = 5;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// Firmware, which runs what it gets.
    Firmware,
    /// Anything else, which reads error documents.
    Other,
}

impl Client {
    /// By the first `User-Agent`: iPXE names itself so in every request.
    pub(crate) fn of_user_agent(agent: Option<&[u8]>) -> Self {
        match agent {
            Some(agent) if agent.starts_with(b"iPXE/") => Self::Firmware,
            _ => Self::Other,
        }
    }
}

/// The answer to a boot request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BootResponse {
    /// The status.
    pub(crate) status: StatusCode,
    /// When to ask again, in seconds.
    pub(crate) retry_after: Option<u16>,
    /// What it says.
    pub(crate) body: BootBody,
}

/// What a boot request is answered with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BootBody {
    /// An iPXE script.
    Script(String),
    /// A kickstart, which firmware is not given.
    Kickstart(String),
    /// Nothing: firmware shows no text that comes with an error.
    Empty,
    /// A fault, for a client that reads it.
    Fault(Fault),
}

/// Why a request is not answered when there are too many.
pub(super) fn overloaded() -> Fault {
    unavailable("Too many machines ask at once")
}

/// Why a request is not answered before a conductor has said which hardware types there are.
pub(super) fn no_conductor() -> Fault {
    unavailable("No conductor is running")
}

fn unavailable(reason: &str) -> Fault {
    Fault::Unavailable {
        reason: reason.to_owned(),
        retry_after: RETRY_AFTER,
    }
}

impl BootResponse {
    /// What a request for a script is answered.
    pub(super) fn new(
        scripts: &Scripts,
        request_id: &str,
        client: Client,
        result: Result<String>,
    ) -> Self {
        match (result, client) {
            (Ok(script), _) => Self::script(script),
            (Err(fault), Client::Firmware) => fault_for_firmware(scripts, request_id, &fault),
            (Err(fault), Client::Other) => Self::fault(fault),
        }
    }

    /// What a request for a kickstart is answered.
    pub(super) fn kickstart(result: Result<String>) -> Self {
        result.map_or_else(Self::fault, |text| Self::ok(BootBody::Kickstart(text)))
    }

    /// A script that shows these lines and ends.
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
                Self::ask_again(RETRY_AFTER)
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

    /// 503 without a text: iPXE waits and asks again by itself.
    fn ask_again(seconds: u16) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(seconds),
            body: BootBody::Empty,
        }
    }

    fn fault(fault: Fault) -> Self {
        let internal = StatusCode::INTERNAL_SERVER_ERROR;
        Self {
            status: StatusCode::from_u16(fault.code()).unwrap_or(internal),
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
            return BootResponse::ask_again(RETRY_AFTER);
        }
        Fault::PortNotFound(address) => {
            kind = UnknownMachine::Address;
            (
                format!("ironpxe: no port has the address {address}."),
                format!("Fix: baremetal port create --node UUID {address}; then boot again."),
            )
        }
        Fault::NodeNotFound(node) => (
            format!("ironpxe: there is no node {node}."),
            "Fix: correct the node_uuid in the DHCP option that led here.".to_owned(),
        ),
        Fault::NotFound => (
            "ironpxe: there is nothing to boot for this machine.".to_owned(),
            "Fix: ask the operator, with the request id below.".to_owned(),
        ),
        other => {
            warn!(req.id = request_id, "machine not booted: {other}");
            (
                format!("ironpxe: {other}"),
                "Fix: correct the URL in the DHCP option or script that led here.".to_owned(),
            )
        }
    };
    BootResponse::refusal(scripts, request_id, kind, &[&what, &fix])
}
