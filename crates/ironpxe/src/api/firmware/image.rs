//! `GET /v1/images/<node>/<kind>/<tag>/<expires>/<signature>/<name>`: an image that the machine
//! cannot fetch from its source.
//!
//! Boot scripts contain these URLs. One is served until it expires, as long as the node's machine
//! would boot the same image; the bytes are relayed, not stored. Errors never have status 200,
//! because firmware executes such responses.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Path, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use ironpxe_core::error::Fault;

use super::encode::ForFirmware;
use crate::api::CommonState;
use crate::api::error::ApiError;
use crate::images::{self, ByteRange, ImageError, OpenImage, Transfer};
use crate::rpc::Context;

pub(super) async fn get(
    State(state): State<CommonState>,
    Extension(ctx): Extension<Context>,
    Path((node, kind, tag, expires, signature, name)): Path<(
        String,
        String,
        String,
        String,
        String,
        String,
    )>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    asked: ImageHeaders,
) -> Result<Response, ApiError> {
    let verified = state.images.verify_url(images::Parts {
        node: &node,
        kind: &kind,
        tag: &tag,
        expires: &expires,
        signature: &signature,
        name: &name,
    });
    let verified = verified.map_err(|problem| ApiError::Forbidden(problem.to_string()))?;
    let image = state
        .boot
        .image(&ctx.request_id, verified.node, verified.kind);
    let image = match image.await {
        Ok(image) => image,
        Err(Fault::NotFound) => return Err(no_longer_booted()),
        Err(fault) => return Err(fault.into()),
    };
    let transfer = Transfer {
        request_id: ctx.request_id,
        node: verified.node,
        kind: verified.kind,
        image: image.to_string(),
    };
    if !verified.is_for(&image) {
        transfer.failed("the URL is for an image that the node no longer boots");
        return Err(no_longer_booted());
    }
    let client = images::Client {
        node: verified.node,
        peer: peer.map(|Extension(ConnectInfo(peer))| peer.ip()),
    };
    match state.images.open(&image, asked.range, client).await {
        Ok(opened) => Ok(answer(opened, asked.head, transfer)),
        Err(error) => {
            // Only an operator can fix it, who needs the field's name.
            let field = state.boot.image_field(verified.node, verified.kind, &image);
            let field = field.await;
            // The only log line about it.
            match field {
                Some(field) => transfer.failed(&format!("{error} ({field})")),
                None => transfer.failed(&error.to_string()),
            }
            refusal(&error, &transfer.request_id)
        }
    }
}

/// The request headers for the image.
pub(super) struct ImageHeaders {
    head: bool,
    range: Option<ByteRange>,
}

impl<S: Sync> FromRequestParts<S> for ImageHeaders {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            head: parts.method == Method::HEAD,
            range: ByteRange::of(&parts.headers),
        })
    }
}

fn answer(opened: OpenImage, head: bool, transfer: Transfer) -> Response {
    let mut headers = HeaderMap::new();
    let mut set = |name, value| headers.insert(name, value);
    let octets = HeaderValue::from_static("application/octet-stream");
    set(header::CONTENT_TYPE, octets);
    set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set(header::CONTENT_LENGTH, HeaderValue::from(opened.length()));
    let mut status = StatusCode::OK;
    if let Some((first, last)) = opened.part {
        status = StatusCode::PARTIAL_CONTENT;
        let total = opened.total;
        if let Ok(value) = HeaderValue::try_from(format!("bytes {first}-{last}/{total}")) {
            set(header::CONTENT_RANGE, value);
        }
    }
    let body = if head {
        Body::empty()
    } else {
        Body::from_stream(opened.stream(transfer))
    };
    (status, Extension(ForFirmware), headers, body).into_response()
}

fn no_longer_booted() -> ApiError {
    ApiError::Missing("The node no longer boots this image.".to_owned())
}

/// The source of the image and the error are only logged.
fn refusal(error: &ImageError, request_id: &str) -> Result<Response, ApiError> {
    match error {
        ImageError::NotAvailable(_) => {
            Err(ApiError::Missing("The image is not available.".to_owned()))
        }
        ImageError::Unavailable { retry_after, .. } => {
            let fault = Fault::Unavailable {
                reason: "The image is temporarily unavailable".to_owned(),
                retry_after: *retry_after,
            };
            Ok(ApiError::from(fault).answer(request_id))
        }
        ImageError::Range { total } => {
            let mut headers = HeaderMap::from_iter([(
                header::CACHE_CONTROL,
                HeaderValue::from_static("no-store"),
            )]);
            let total = total.map(|total| HeaderValue::try_from(format!("bytes */{total}")));
            if let Some(Ok(value)) = total {
                headers.insert(header::CONTENT_RANGE, value);
            }
            Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers, String::new()).into_response())
        }
    }
}
