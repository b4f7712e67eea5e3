//! Responses to boot requests: the only place that chooses status and `Retry-After`.
//!
//! Firmware *shows* a script only with status 200, and *retries* only with `Retry-After`. So every
//! decision, including a refusal, is a script with 200; if it cannot be made now, the response is
//! 503 with `Retry-After`; and 404 means that it is not made here: the machine uses what its own
//! boot script has for it. Other clients get faults, which are encoded as by Ironic, and otherwise
//! the same script.
//!
//! The first byte of every 200 is the `#` of `#!ipxe`: on BIOS machines, iPXE executes anything
//! else as machine code. Kickstarts are only for installers.

use std::net::IpAddr;

use http::StatusCode;
use ironpxe_core::boot::{Scripts, TemplateError, UnknownActions, UnknownMachine};
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

/// The client of a boot request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its kind.
    pub(crate) kind: ClientKind,
    /// The address it connects from, if it is known: its own, or a proxy's.
    pub(crate) address: Option<IpAddr>,
}

impl Client {
    /// No firmware, and of no known address.
    pub(crate) const OTHER: Self = Self {
        kind: ClientKind::Other,
        address: None,
    };
}

/// Why there is no script for a machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NoScript {
    /// A request that cannot be answered, now or at all.
    Fault(Fault),
    /// This service does not decide what the machine boots: 404, so that its own boot script does.
    /// The fault is for other clients.
    NotMine(Fault),
    /// As above, for a machine of an existing Ironic.
    LeftToIronic,
    /// An unknown machine, whose script does what is configured. The fault is for other clients.
    Unknown(Fault, UnknownActions),
}

impl NoScript {
    /// For clients that read error documents.
    fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) | Self::NotMine(fault) | Self::Unknown(fault, _) => fault,
            Self::LeftToIronic => Fault::NotFound,
        }
    }
}

impl From<Fault> for NoScript {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
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
    /// The response to a request for a script. `tries_next`: a boot script asks for the next address
    /// of the machine if this one is not booted here, so it never gets 404.
    pub(super) fn new(
        scripts: &Scripts,
        request_id: &str,
        client: ClientKind,
        tries_next: bool,
        result: Result<String, NoScript>,
    ) -> Self {
        let no_script = match result {
            Ok(script) => return Self::script(script),
            Err(no_script) => no_script,
        };
        let refuse = UnknownActions::refuse();
        let (fault, kind, actions) = match no_script {
            no_script if client == ClientKind::Other && !tries_next => {
                return Self::fault(no_script.into_fault());
            }
            NoScript::Fault(fault) => return fault_for_firmware(scripts, request_id, &fault),
            NoScript::NotMine(_) | NoScript::LeftToIronic if !tries_next => {
                return Self::not_mine();
            }
            NoScript::LeftToIronic => {
                let what = "ironpxe: this machine is left to Ironic's own script.".to_owned();
                let why = "It is not selected, or refused: see [beside], and the log of ironpxe.";
                let lines = [what, why.to_owned()];
                return Self::refusal(scripts, request_id, UnknownMachine::Other, &lines);
            }
            NoScript::NotMine(fault) => {
                let kind = kind_of(&fault);
                (fault, kind, refuse)
            }
            NoScript::Unknown(fault, actions) => {
                // If the reason is hidden, only what is configured to happen then tells.
                let kind = if actions.only_refuse() {
                    kind_of(&fault)
                } else {
                    UnknownMachine::Address
                };
                (fault, kind, if tries_next { refuse } else { actions })
            }
        };
        let [what, fix] = &lines_of(&fault);
        let script = scripts.unknown_machine(kind, [what, fix], request_id, &actions);
        Self::script_or_retry(request_id, script)
    }

    /// The response to a request for a kickstart.
    pub(super) fn kickstart(result: Result<String>) -> Self {
        result.map_or_else(Self::fault, |text| Self::ok(BootBody::Kickstart(text)))
    }

    /// A script that shows these lines, the problem and the fix, and exits.
    pub(super) fn refusal(
        scripts: &Scripts,
        request_id: &str,
        kind: UnknownMachine,
        [what, fix]: &[String; 2],
    ) -> Self {
        let script = scripts.refuse_unknown_machine(kind, [what, fix], request_id);
        Self::script_or_retry(request_id, script)
    }

    fn script_or_retry(request_id: &str, script: Result<String, TemplateError>) -> Self {
        match script {
            Ok(script) => Self::script(script),
            Err(problem) => {
                error!(req.id = request_id, "{problem}");
                Self::ask_again(retry_after::SERVICE)
            }
        }
    }

    /// 404 without a body: iPXE fails to fetch a script, and its own script can go on.
    fn not_mine() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            retry_after: None,
            body: BootBody::Empty,
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
    match fault {
        Fault::Unavailable { retry_after, .. } => return BootResponse::ask_again(*retry_after),
        Fault::Internal(cause) => {
            error!(req.id = request_id, "boot request failed: {cause}");
            return BootResponse::ask_again(retry_after::SERVICE);
        }
        Fault::PortNotFound(_) | Fault::NodeNotFound(_) | Fault::NotFound => {}
        other => warn!(req.id = request_id, "machine not booted: {other}"),
    }
    BootResponse::refusal(scripts, request_id, UnknownMachine::Other, &lines_of(fault))
}

/// What is wrong, and how to fix it, for the console.
fn lines_of(fault: &Fault) -> [String; 2] {
    match fault {
        Fault::PortNotFound(address) => [
            format!("ironpxe: no port has the address {address}."),
            format!("Fix: baremetal port create --node UUID {address}; then boot again."),
        ],
        Fault::NodeNotFound(node) => [
            format!("ironpxe: no node has the UUID {node}."),
            "Fix: correct node_uuid in the boot URL of the DHCP server.".to_owned(),
        ],
        Fault::NotFound => [
            "ironpxe: nothing to boot for this machine.".to_owned(),
            "The operator finds the reason in the log of ironpxe, by this request ID:".to_owned(),
        ],
        other => [
            format!("ironpxe: {other}"),
            "Fix: correct the boot URL of the DHCP server or script.".to_owned(),
        ],
    }
}

/// Whether `/boot.ipxe` is told that the machine is unknown.
fn kind_of(fault: &Fault) -> UnknownMachine {
    match fault {
        Fault::PortNotFound(_) => UnknownMachine::Address,
        _ => UnknownMachine::Other,
    }
}
