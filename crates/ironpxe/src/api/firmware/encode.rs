//! A boot response as HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Extension;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use crate::api::error::ApiError;
use crate::boot::{BootBody, BootResponse, Client, ClientKind};

impl ClientKind {
    /// From the headers of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT);
        Self::of_user_agent(agent.map(HeaderValue::as_bytes))
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self {
            kind: ClientKind::of(&parts.headers),
            address: peer.map(|ConnectInfo(peer)| peer.ip()),
        })
    }
}

/// Marks a response that firmware may get with a 2xx status: a script, or a download from a
/// script's URL. [`super::guard`] blocks all others.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForFirmware;

impl IntoResponse for BootResponse {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            BootBody::Script(text) => (Extension(ForFirmware), uncached(text)).into_response(),
            BootBody::Kickstart(text) => uncached(text).into_response(),
            BootBody::Empty => String::new().into_response(),
            // With the same status and `Retry-After`; the service layer encodes the body.
            BootBody::Fault(fault) => return ApiError::from(fault).into_response(),
        };
        *response.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A text that must not be cached, with its `Content-Length`.
fn uncached(text: String) -> impl IntoResponse {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let no_store = HeaderValue::from_static("no-store");
    let headers = [
        (header::CONTENT_TYPE, plain),
        (header::CACHE_CONTROL, no_store),
    ];
    (headers, text)
}
