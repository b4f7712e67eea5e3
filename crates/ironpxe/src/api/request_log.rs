//! The end of every request: its ID, its error, and its log line.

use std::any::Any;
use std::borrow::Cow;
use std::time::Instant;

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use ironpxe_core::boot_token::mask_tokens;
use ironpxe_core::error::Fault;
use ironpxe_core::mask::STARS;

use crate::api::error::{ApiError, Failure};
use crate::auth::Caller;

/// The header names of the request ID in a response.
pub(super) const REQUEST_ID: [HeaderName; 2] = [
    HeaderName::from_static("x-openstack-request-id"),
    HeaderName::from_static("openstack-request-id"),
];

/// The same names as sent to machines.
pub(super) const REQUEST_ID_ON_WIRE: [&str; 2] = ["X-Openstack-Request-Id", "Openstack-Request-Id"];

/// The data for the log line of a request.
pub(super) struct RequestInfo<'r> {
    pub(super) id: &'r str,
    pub(super) global_id: Option<&'r str>,
    pub(super) method: &'r Method,
    pub(super) path: &'r str,
    pub(super) started: Instant,
    /// Who sent it, if it came that far.
    pub(super) caller: Option<&'r Caller>,
}

impl RequestInfo<'_> {
    /// Encodes the error, sets the request ID, and logs the request.
    pub(super) fn answered(&self, mut response: Response) -> Response {
        let failure = response.extensions_mut().remove::<Failure>();
        let mut cause = None;
        if let Some(Failure(error)) = failure {
            cause = error.cause();
            let mut worded = error.answer(self.id);
            for (name, value) in response.headers() {
                if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
                    worded.headers_mut().insert(name.clone(), value.clone());
                }
            }
            response = worded;
        }
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            sort_allow(response.headers_mut());
        }
        if let Ok(id) = HeaderValue::from_str(self.id) {
            for name in REQUEST_ID {
                response.headers_mut().insert(name, id.clone());
            }
        }
        self.log(response.status(), cause.as_deref());
        response
    }

    /// Logs the request. `cause` is only for the log.
    pub(super) fn log(&self, status: StatusCode, cause: Option<&str>) {
        let Self {
            id,
            method,
            path,
            started,
            ..
        } = self;
        let global_id = self.global_id.unwrap_or_default();
        let status = status.as_u16();
        let user = self.caller.and_then(Caller::user);
        let project = self.caller.and_then(Caller::project);
        if let Some(cause) = cause {
            tracing::error!(
                req.id = %id, req.global_id = %global_id, %method, path = &*masked_path(path), status,
                user, project, elapsed = ?started.elapsed(),
                error = %cause, "request failed"
            );
        } else {
            tracing::debug!(
                req.id = %id, req.global_id = %global_id, %method, path = &*masked_path(path), status,
                user, project, elapsed = ?started.elapsed(),
                "request completed"
            );
        }
    }
}

/// A path for the log, with the signature of an image's URL masked: it gives access to the image. So
/// does a boot token, which has no place in a path, but may be written there by mistake.
pub(super) fn masked_path(path: &str) -> Cow<'_, str> {
    /// The position of the signature in `images/<node>/<kind>/<tag>/<expires>/<signature>/<name>`.
    const SIGNATURE: usize = 5;
    let Some((before, after)) = path.split_once("images/") else {
        return mask_tokens(path);
    };
    // Repeated slashes are the same path.
    let mut seen = 0;
    let masked: String = after
        .split_inclusive('/')
        .map(|part| {
            let name = part.trim_end_matches('/');
            seen += usize::from(!name.is_empty());
            match part.strip_prefix(name) {
                Some(slash) if seen == SIGNATURE && !name.is_empty() => format!("{STARS}{slash}"),
                _ => part.to_owned(),
            }
        })
        .collect();
    Cow::Owned(format!("{before}images/{masked}"))
}

/// A panic is an internal error.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> ApiError {
    let text = panic
        .downcast_ref::<&'static str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Fault::Internal(format!("a handler panicked: {text}")).into()
}

/// Ironic lists the allowed methods alphabetically, without `HEAD`.
fn sort_allow(headers: &mut HeaderMap) {
    let Some(allow) = headers
        .get(header::ALLOW)
        .and_then(|allow| allow.to_str().ok())
    else {
        return;
    };
    let mut methods: Vec<&str> = allow
        .split(',')
        .map(str::trim)
        .filter(|method| *method != "HEAD")
        .collect();
    methods.sort_unstable();
    if let Ok(value) = HeaderValue::from_str(&methods.join(", ")) {
        headers.insert(header::ALLOW, value);
    }
}
