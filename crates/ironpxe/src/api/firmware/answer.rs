//! What a machine is answered, and with which status.
//!
//! Firmware can *show* only a script that comes with 200, and *retries* only what comes with
//! `Retry-After`. So a decision, also a refusal, is a script with 200; what cannot be decided now
//! is 503 with `Retry-After`. A client that is not firmware hears faults as Ironic words them, and
//! is shown the same script otherwise.
//!
//! The first byte of every 200 is the `#` of `#!ipxe`: on a machine with a BIOS, iPXE takes
//! anything else for machine code and runs it.

use std::convert::Infallible;

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ironpxe_core::boot::{Scripts, UnknownMachine};
use ironpxe_core::error::Fault;
use ironpxe_core::passthru::PassthruReply;
use serde_json::Value;
use tracing::{error, warn};

use crate::api::error::ApiError;
use crate::rpc::Context;

/// When a machine shall ask again for what could not be decided, in seconds.
const RETRY_AFTER: u16 = 5;

/// How every script begins.
const MAGIC: &str = "#!ipxe\n";

/// Whether the client runs what it gets: iPXE names itself so in every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsFirmware(bool);

impl IsFirmware {
    /// By the first `User-Agent`.
    pub(super) fn new(agent: Option<&[u8]>) -> Self {
        Self(agent.is_some_and(|agent| agent.starts_with(b"iPXE/")))
    }

    /// By the headers of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT);
        Self::new(agent.map(HeaderValue::as_bytes))
    }

    /// Whether it is.
    pub(super) fn is_so(self) -> bool {
        self.0
    }
}

impl<S: Sync> FromRequestParts<S> for IsFirmware {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// The mark of an answer that firmware may be given with a 2xx status: a script, or a download that
/// a script names. [`super::guard`] lets nothing else through to firmware.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForFirmware;

/// The answer to a request for a script.
pub(super) fn script_answer(
    IsFirmware(is_firmware): IsFirmware,
    scripts: &Scripts,
    ctx: &Context,
    result: Result<String, Fault>,
) -> Response {
    match result {
        Ok(script) => text_response(script),
        Err(fault) if is_firmware => fault_for_firmware(scripts, ctx, &fault),
        Err(fault) => ApiError::from(fault).into_response(),
    }
}

/// The answer to a passthru call, where it is a script or the client is firmware; what there was
/// to answer, where it is an ordinary call.
pub(crate) fn passthru_answer(
    IsFirmware(is_firmware): IsFirmware,
    scripts: &Scripts,
    ctx: &Context,
    result: Result<PassthruReply, Fault>,
) -> Result<Response, Result<PassthruReply, Fault>> {
    match result {
        Ok(PassthruReply {
            value: Value::String(text),
            attach: true,
            ..
        }) if !is_firmware || text.starts_with(MAGIC) => Ok(text_response(text)),
        Err(fault) if is_firmware => Ok(fault_for_firmware(scripts, ctx, &fault)),
        ordinary => Err(ordinary),
    }
}

/// A text, exactly as long as it says, and not to be kept.
pub(super) fn text_response(text: String) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (Extension(ForFirmware), headers, text).into_response()
}

fn fault_for_firmware(scripts: &Scripts, ctx: &Context, fault: &Fault) -> Response {
    let mut kind = UnknownMachine::Other;
    let (what, fix) = match fault {
        Fault::Unavailable { retry_after, .. } => return ask_again(*retry_after),
        Fault::Internal(cause) => {
            error!(req.id = ctx.request_id, "boot request failed: {cause}");
            return ask_again(RETRY_AFTER);
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
            warn!(req.id = ctx.request_id, "machine not booted: {other}");
            (
                format!("ironpxe: {other}"),
                "Fix: correct the URL in the DHCP option or script that led here.".to_owned(),
            )
        }
    };
    refusal_script(scripts, ctx, kind, &[&what, &fix])
}

/// A script that shows these lines and ends.
pub(super) fn refusal_script(
    scripts: &Scripts,
    ctx: &Context,
    kind: UnknownMachine,
    lines: &[&str],
) -> Response {
    match scripts.refuse_stranger(kind, lines, &ctx.request_id) {
        Ok(script) => text_response(script),
        Err(problem) => {
            error!(req.id = ctx.request_id, "{problem}");
            ask_again(RETRY_AFTER)
        }
    }
}

/// 503, with an empty body of known length: iPXE waits and asks again by itself.
fn ask_again(seconds: u16) -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::RETRY_AFTER, HeaderValue::from(seconds))],
        String::new(),
    )
        .into_response()
}
