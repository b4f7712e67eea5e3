//! Why a request is not authenticated, and the response.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

/// The message of keystonemiddleware's 503, with its markup.
const UNAVAILABLE: &str = "The server is currently unavailable. Please try again at a later time.\
                           <br /><br />\nThe Keystone service is temporarily unavailable.\n\n";

/// Why a request is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthError {
    /// There is no user name and password.
    NoPassword,
    /// User name or password are wrong.
    WrongPassword,
    /// The `Authorization` header is malformed.
    BadHeader(String),
    /// There is no token, or it is not valid.
    NoToken {
        /// Keystone's URL for clients (`[keystone_authtoken]www_authenticate_uri`).
        keystone: Arc<str>,
    },
    /// Keystone cannot validate the token.
    KeystoneUnavailable,
    /// Too many credentials are being verified, or this client's were wrong too often.
    Busy {
        /// When to retry, in seconds.
        retry_after: u16,
    },
}

impl AuthError {
    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoPassword | Self::WrongPassword | Self::NoToken { .. } => {
                StatusCode::UNAUTHORIZED
            }
            Self::BadHeader(_) => StatusCode::BAD_REQUEST,
            Self::KeystoneUnavailable | Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The body: in the forms of Ironic's `common/auth_basic.py` and of keystonemiddleware.
    pub(crate) fn body(&self) -> Value {
        let status = self.status();
        let basic =
            |message: &str| json!({ "error": { "message": message, "code": status.as_u16() } });
        match self {
            Self::NoPassword => basic("Authorization required"),
            Self::WrongPassword => basic("Incorrect username or password"),
            Self::BadHeader(message) => basic(message),
            Self::NoToken { .. } => json!({ "error": {
                "code": status.as_u16(),
                "title": "Unauthorized",
                "message": "The request you have made requires authentication.",
            } }),
            Self::KeystoneUnavailable => json!({
                "message": UNAVAILABLE,
                "code": "503 Service Unavailable",
                "title": "Service Unavailable",
            }),
            Self::Busy { .. } => basic(
                "Too many credentials are being verified, or too many were wrong. Please try again \
                 later.",
            ),
        }
    }

    /// The value of `WWW-Authenticate`.
    pub(crate) fn challenge(&self) -> Option<String> {
        match self {
            Self::NoPassword | Self::WrongPassword => {
                Some("Basic realm=\"Baremetal API\"".to_owned())
            }
            Self::NoToken { keystone } => Some(format!("Keystone uri=\"{keystone}\"")),
            Self::BadHeader(_) | Self::KeystoneUnavailable | Self::Busy { .. } => None,
        }
    }

    /// The value of `Retry-After`, in seconds.
    pub(crate) fn retry_after(&self) -> Option<u16> {
        match self {
            Self::Busy { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}
