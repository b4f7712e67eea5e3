//! Why a request is not authenticated, and the response.

use http::StatusCode;
use serde_json::{Value, json};

/// Why a request is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthError {
    /// There are no credentials.
    NoCredentials,
}

impl AuthError {
    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoCredentials => StatusCode::UNAUTHORIZED,
        }
    }

    /// The body, in Ironic's form.
    pub(crate) fn body(&self) -> Value {
        match self {
            Self::NoCredentials => basic(self.status(), "Authorization required"),
        }
    }

    /// The value of `WWW-Authenticate`.
    pub(crate) fn challenge(&self) -> Option<String> {
        match self {
            Self::NoCredentials => Some("Basic realm=\"Baremetal API\"".to_owned()),
        }
    }

    /// The value of `Retry-After`, in seconds.
    pub(crate) fn retry_after(&self) -> Option<u16> {
        None
    }
}

/// The form of Ironic's `common/auth_basic.py`.
fn basic(status: StatusCode, message: &str) -> Value {
    json!({ "error": { "message": message, "code": status.as_u16() } })
}
