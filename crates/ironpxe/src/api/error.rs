//! What a client hears when something is wrong: the one place where faults become HTTP.
//!
//! Handlers return an [`ApiError`]. It travels through the router as it is, inside an empty
//! response, and the outermost layer ([`super::request`]) words it: only there the request's id is
//! known, and only there it is logged.
//!
//! Ironic has three shapes of error bodies, and clients look into all of them:
//! * most handlers: `{"error_message": "{\"faultcode\": …, \"faultstring\": …}"}`, a JSON document
//!   inside a JSON string;
//! * its router: the same, with `code`, `title` and `description`;
//! * its body guard: `faultcode` and `faultstring` without the wrapping.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ironpxe_core::error::Fault;
use ironpxe_core::microversion::VersionRefused;
use serde_json::{Value, json};

use crate::db::DbError;

/// Why a request was not answered as wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// A fault of the domain.
    Fault(Fault),
    /// The version header cannot be served.
    Version {
        /// Why.
        refused: VersionRefused,
        /// Whether `/` was asked for, which words it differently.
        at_root: bool,
    },
    /// No such path.
    NoRoute,
    /// The path is there, and not for this method.
    MethodNotAllowed,
    /// A part of the path is not what it has to be.
    BadPath(String),
    /// What belongs to the named resource is not there.
    Missing(String),
    /// This service does not do what was asked.
    NotImplemented(String),
    /// Whoever asks may not have it.
    Forbidden(String),
    /// The resource cannot be changed right now; the same request may succeed later.
    Conflict(String),
    /// The body is larger than the configuration allows.
    BodyTooLarge,
    /// The body is nested deeper than the configuration allows.
    BodyTooDeep,
}

/// What handlers return.
pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

impl ApiError {
    /// A value that is not acceptable.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Fault(Fault::InvalidParameterValue(message.into()))
    }

    /// What the log must hear about it, besides what the client hears.
    pub(crate) fn cause(&self) -> Option<String> {
        match self {
            Self::Fault(fault) if status(fault).is_server_error() => Some(fault.to_string()),
            _ => None,
        }
    }

    /// Whether Ironic answers this without its version headers.
    pub(crate) fn is_unversioned(&self) -> bool {
        match self {
            Self::NoRoute
            | Self::MethodNotAllowed
            | Self::BadPath(_)
            | Self::BodyTooLarge
            | Self::BodyTooDeep => true,
            Self::Version { refused, .. } => *refused == VersionRefused::Malformed,
            Self::Fault(_)
            | Self::Missing(_)
            | Self::NotImplemented(_)
            | Self::Forbidden(_)
            | Self::Conflict(_) => false,
        }
    }

    /// The answer, for the request with this id.
    pub(crate) fn answer(&self, request_id: &str) -> Response {
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
            // What broke is nobody's business but the log's; the id leads there.
            Self::Fault(fault @ Fault::Internal(_)) => worded(
                status(fault),
                Shape::Fault,
                &format!("The server failed to answer; its log has the cause under {request_id}."),
            ),
            Self::Fault(fault) => worded(status(fault), Shape::Fault, &fault.to_string()),
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
        }
    }
}

/// Which status a fault gets.
pub(crate) fn status(fault: &Fault) -> StatusCode {
    StatusCode::from_u16(fault.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
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

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        Self::Fault(error.into())
    }
}

/// Carries an error to the layer that words it.
#[derive(Debug, Clone)]
pub(crate) struct Failure(pub(crate) ApiError);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        // The status is set already, for layers in between that look at it.
        let mut response = self.worded("").status.into_response();
        response.extensions_mut().insert(Failure(self));
        response
    }
}

#[cfg(test)]
pub(crate) mod tests;
