//! Firmware asks for what is no script: nothing of that comes with a 2xx status.
//!
//! On a machine with a BIOS, iPXE runs any answer that it takes for a success and that is no script
//! as machine code; and whatever else it does with it, nobody at the console learns why. So an
//! answer to firmware is a script, or a download that a script named, or no success.
//!
//! What carries the mark [`ForFirmware`] is such an answer. Whoever writes a new endpoint need not
//! know of this file: without the mark, firmware is not given what it answers.

use std::net::SocketAddr;

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, Uri, header};
use tracing::warn;

use super::encode::ForFirmware;
use crate::api::AppState;
use crate::api::error::{ApiError, Failure};
use crate::boot::Client;
use crate::rpc::Context;

/// What is known of a request of firmware before it is answered.
pub(crate) struct Guard {
    method: Method,
    uri: Uri,
    peer: Option<SocketAddr>,
}

impl Guard {
    /// For a request, if firmware sent it.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let is_firmware = Client::of(request.headers()) == Client::Firmware;
        is_firmware.then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            peer: peer.map(|ConnectInfo(peer)| *peer),
        })
    }

    /// Refuses a method with which nobody fetches a script. It is not carried out, so that nothing
    /// is done whose success could not be told.
    pub(crate) fn check_method(&self, ctx: &Context) -> Result<(), ApiError> {
        if self.can_fetch() {
            return Ok(());
        }
        self.warn(
            ctx,
            "firmware can only fetch scripts, with GET: it was not carried out",
        );
        Err(ApiError::NoRoute)
    }

    /// What firmware is given in the place of this answer.
    pub(crate) fn check_answer(
        &self,
        state: &AppState,
        ctx: &Context,
        response: Response,
    ) -> Response {
        if !self.can_fetch() {
            // Refused already.
            return response;
        }
        if let Some(Failure(ApiError::NoRoute | ApiError::MethodNotAllowed)) =
            response.extensions().get()
        {
            self.warn(
                ctx,
                "there is nothing at this URL; /boot.ipxe is for every machine",
            );
            return response;
        }
        let has_mark = response.extensions().get::<ForFirmware>().is_some();
        if has_mark || !response.status().is_success() {
            return response;
        }
        self.warn(
            ctx,
            "firmware asked for what is no script; /boot.ipxe is for every machine",
        );
        let what = format!("ironpxe: {} is no boot script.", self.uri.path());
        let base = state.settings.public_endpoint.as_deref();
        let base = base.unwrap_or("http://HOST:PORT").trim_end_matches('/');
        let fix = format!("Fix: let the DHCP file name be {base}/boot.ipxe; then boot again.");
        let script = state.boot.show(&ctx.request_id, &[&what, &fix]);
        self.with_length(script.into_response())
    }

    /// The router, which does this for its own answers, is behind this one.
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
            path = self.uri.path(),
            peer = self.peer.map(tracing::field::display),
            "machine not booted: {problem}"
        );
    }
}
