//! Errors of the API: the only place where faults are encoded as HTTP.
//!
//! Handlers return an [`ApiError`]. It passes through the router as an extension of an empty
//! response, and the service layer ([`super::request`]) encodes it, where the request ID is known,
//! and logs it.
//!
//! Ironic has three formats of error bodies, and clients parse all of them:
//! * most handlers: `{"error_message": "{\"faultcode\": …, \"faultstring\": …}"}`, a JSON document
//!   inside a JSON string;
//! * its router: the same, with `code`, `title` and `description`;
//! * its body guard: `faultcode` and `faultstring` without the wrapping.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ironpxe_core::error::Fault;
use ironpxe_core::microversion::VersionError;
use serde_json::{Value, json};

use crate::auth::AuthError;
use crate::db::DbError;
use crate::fault_status::status_of;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// A fault of the domain.
    Fault(Fault),
    /// The requested version is not supported.
    Version {
        /// The error.
        refused: VersionError,
        /// Whether the request was for `/`, which has another format.
        at_root: bool,
    },
    /// Unknown path.
    NoRoute,
    /// The method is not allowed for this path.
    MethodNotAllowed,
    /// A part of the path is invalid.
    BadPath(String),
    /// A subresource does not exist.
    Missing(String),
    /// The operation is not implemented.
    NotImplemented(String),
    /// The client lacks permission.
    Forbidden(String),
    /// The resource cannot be changed right now; a retry may succeed.
    Conflict(String),
    /// The body exceeds the configured size.
    BodyTooLarge,
    /// The body exceeds the configured depth.
    BodyTooDeep,
    /// The client is not authenticated.
    NotAuthenticated(AuthError),
}

/// The result of handlers.
pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

impl ApiError {
    /// An invalid value.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Fault(Fault::InvalidParameterValue(message.into()))
    }

    /// The cause for the log, which the client does not get.
    pub(crate) fn cause(&self) -> Option<String> {
        match self {
            Self::Fault(fault) if status_of(fault).is_server_error() => Some(fault.to_string()),
            _ => None,
        }
    }

    /// Whether Ironic omits its version headers in this response.
    pub(crate) fn is_unversioned(&self) -> bool {
        match self {
            Self::NoRoute
            | Self::MethodNotAllowed
            | Self::BadPath(_)
            | Self::BodyTooLarge
            | Self::BodyTooDeep
            | Self::NotAuthenticated(_) => true,
            Self::Version { refused, .. } => *refused == VersionError::Malformed,
            Self::Fault(_)
            | Self::Missing(_)
            | Self::NotImplemented(_)
            | Self::Forbidden(_)
            | Self::Conflict(_) => false,
        }
    }

    /// The response to the request with this ID.
    pub(crate) fn answer(&self, request_id: &str) -> Response {
        if let Self::NotAuthenticated(error) = self {
            return not_authenticated(error);
        }
        let worded = self.worded(request_id);
        let body = worded.shape.body(worded.status, &worded.message);
        let length = HeaderValue::from(body.len());
        let mut response = (worded.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Self::Fault(Fault::Unavailable { retry_after, .. }) = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after));
        }
        response
    }

    fn worded(&self, request_id: &str) -> Worded {
        let worded = |status, shape, message: &str| Worded {
            status,
            shape,
            message: message.to_owned(),
        };
        match self {
            // The cause is only logged; the request ID leads to it.
            Self::Fault(fault @ Fault::Internal(_)) => worded(
                status_of(fault),
                Shape::Fault,
                &format!(
                    "Internal server error; the server's log has the cause under {request_id}."
                ),
            ),
            Self::Fault(fault) => worded(status_of(fault), Shape::Fault, &fault.to_string()),
            Self::Version { refused, at_root } => {
                let shape = if *at_root {
                    Shape::Fault
                } else {
                    Shape::Router
                };
                worded(StatusCode::NOT_ACCEPTABLE, shape, &refused.to_string())
            }
            Self::NoRoute => worded(StatusCode::NOT_FOUND, Shape::Router, ""),
            Self::MethodNotAllowed => worded(StatusCode::METHOD_NOT_ALLOWED, Shape::Router, ""),
            Self::BadPath(message) => worded(StatusCode::BAD_REQUEST, Shape::Router, message),
            Self::Missing(message) => worded(StatusCode::NOT_FOUND, Shape::Fault, message),
            Self::NotImplemented(message) => {
                worded(StatusCode::NOT_IMPLEMENTED, Shape::Fault, message)
            }
            Self::Forbidden(message) => worded(StatusCode::FORBIDDEN, Shape::Fault, message),
            Self::Conflict(message) => worded(StatusCode::CONFLICT, Shape::Fault, message),
            Self::BodyTooLarge => worded(
                StatusCode::PAYLOAD_TOO_LARGE,
                Shape::Plain,
                "Request body is too large. Please contact the service administrator.",
            ),
            Self::BodyTooDeep => worded(
                StatusCode::BAD_REQUEST,
                Shape::Plain,
                "Request body JSON is nested too deeply. Please contact the service administrator.",
            ),
            // Its body has a form of its own.
            Self::NotAuthenticated(error) => worded(error.status(), Shape::Plain, ""),
        }
    }
}

/// Middleware responds to these in Ironic, in forms of its own.
fn not_authenticated(error: &AuthError) -> Response {
    let body = error.body().to_string();
    let length = HeaderValue::from(body.len());
    let mut response = (error.status(), body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let challenge = error.challenge();
    if let Some(challenge) = challenge.and_then(|it| HeaderValue::try_from(it).ok()) {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

struct Worded {
    status: StatusCode,
    shape: Shape,
    message: String,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Fault,
    Router,
    Plain,
}

impl Shape {
    fn body(self, status: StatusCode, message: &str) -> String {
        let faultcode = if status.is_server_error() {
            "Server"
        } else {
            "Client"
        };
        let wrapped = |inner: Value| json!({ "error_message": inner.to_string() }).to_string();
        match self {
            Self::Fault => wrapped(json!({
                "faultcode": faultcode, "faultstring": message, "debuginfo": null,
            })),
            Self::Router => wrapped(json!({
                "code": status.as_u16(),
                "title": status.canonical_reason().unwrap_or_default(),
                "description": message,
            })),
            Self::Plain => json!({ "faultcode": faultcode, "faultstring": message }).to_string(),
        }
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        Self::NotAuthenticated(error)
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        Self::Fault(error.into())
    }
}

/// Carries an error to the service layer.
#[derive(Debug, Clone)]
pub(crate) struct Failure(pub(crate) ApiError);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        // The status is already set, for layers in between.
        let mut response = self.worded("").status.into_response();
        response.extensions_mut().insert(Failure(self));
        response
    }
}

#[cfg(test)]
pub(crate) mod tests;
