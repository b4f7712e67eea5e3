//! Prevents 2xx responses without a script to firmware.
//!
//! On BIOS machines, iPXE executes any successful response that is not a script as machine code;
//! otherwise it fails without a reason on the console. So a response to firmware is a script, or a
//! download from a script's URL, or an error.
//!
//! Such responses are marked with [`ForFirmware`]. New endpoints are safe by default: without the
//! mark, firmware does not get their response.

use std::net::SocketAddr;

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, Uri, header};
use tracing::warn;

use super::encode::ForFirmware;
use crate::api::CommonState;
use crate::api::error::{ApiError, Failure};
use crate::api::request_log::masked_path;
use crate::boot::ClientKind;
use crate::rpc::Context;

/// The data of a firmware request, taken before it is processed.
pub(crate) struct Guard {
    method: Method,
    uri: Uri,
    peer: Option<SocketAddr>,
}

impl Guard {
    /// For a request, if it is from firmware.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let is_firmware = ClientKind::of(request.headers()) == ClientKind::Firmware;
        is_firmware.then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            peer: peer.map(|ConnectInfo(peer)| *peer),
        })
    }

    /// Rejects methods other than those that fetch a script, before the handler runs: its success
    /// could not be reported.
    pub(crate) fn check_method(&self, ctx: &Context) -> Result<(), ApiError> {
        if self.can_fetch() {
            return Ok(());
        }
        self.warn(
            ctx,
            "firmware can only fetch scripts, by GET; request not executed",
        );
        Err(ApiError::NoRoute)
    }

    /// Replaces a response that firmware must not get.
    pub(crate) fn check_answer(
        &self,
        state: &CommonState,
        ctx: &Context,
        response: Response,
    ) -> Response {
        if !self.can_fetch() {
            // Already an error.
            return response;
        }
        if let Some(Failure(ApiError::NoRoute | ApiError::MethodNotAllowed)) =
            response.extensions().get()
        {
            self.warn(ctx, "no such URL; use /boot.ipxe for every machine");
            return response;
        }
        let has_mark = response.extensions().get::<ForFirmware>().is_some();
        if has_mark || !response.status().is_success() {
            return response;
        }
        self.warn(
            ctx,
            "firmware requested a URL that is not a script; use /boot.ipxe for every machine",
        );
        let what = format!("ironpxe: {} is not a boot script.", self.uri.path());
        let base = state.settings.public_endpoint.as_deref();
        let base = base.unwrap_or("http://HOST:PORT").trim_end_matches('/');
        let fix = format!("Fix: set the DHCP boot file to {base}/boot.ipxe; then boot again.");
        let script = state.boot.show(&ctx.request_id, &[what, fix]);
        self.with_length(script.into_response())
    }

    /// The router sets the length of its own responses, but this is outside of it.
    fn with_length(&self, response: Response) -> Response {
        let length = response.body().size_hint().exact().unwrap_or_default();
        let (mut parts, body) = response.into_parts();
        let length = HeaderValue::from(length);
        parts.headers.insert(header::CONTENT_LENGTH, length);
        let body = match self.method {
            Method::HEAD => Body::empty(),
            _ => body,
        };
        Response::from_parts(parts, body)
    }

    fn can_fetch(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    fn warn(&self, ctx: &Context, problem: &str) {
        warn!(
            req.id = ctx.request_id,
            method = %self.method,
            path = &*masked_path(self.uri.path()),
            peer = self.peer.map(tracing::field::display),
            "machine not booted: {problem}"
        );
    }
}
