//! Errors of OpenStack clients, and which of them are temporary.

use std::time::Duration;

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service} request {asked}: {cause}")]
pub(crate) struct OpenStackError {
    /// The service.
    pub service: &'static str,
    /// The purpose: `for image <id>`.
    pub asked: String,
    /// The cause.
    pub cause: Cause,
}

impl OpenStackError {
    /// Whether the same request may succeed later without a change of the request or the
    /// configuration.
    pub(crate) fn is_temporary(&self) -> bool {
        self.cause.is_temporary()
    }

    /// Whether the service responded that the account lacks the right.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self.cause, Cause::Status { status: 403, .. })
    }

    /// Whether the service responded that the resource does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self.cause, Cause::Status { status: 404, .. })
    }

    /// Whether the response is 404, but not by Ironic's API: by a proxy, for example.
    pub(crate) fn is_not_found_elsewhere(&self) -> bool {
        matches!(
            self.cause,
            Cause::Status {
                status: 404,
                is_ironics: false,
                ..
            }
        )
    }
}

/// The cause of a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cause {
    /// No connection.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The server's certificate is not trusted.
    #[error("TLS failed: {0}; see cafile")]
    Tls(String),
    /// Timeout.
    #[error("no response within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// An error response.
    #[error("response status {status}{}", Self::words(.message))]
    Status {
        /// The HTTP status.
        status: u16,
        /// Its message.
        message: String,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
        /// Whether it has the version header of Ironic's API, as all responses of its resources.
        is_ironics: bool,
    },
    /// It rejected two tokens, one of which was new.
    #[error("a new token was rejected (401){}", Self::words(.0))]
    TokenRefused(String),
    /// Keystone issued no token.
    #[error("no token: {0}")]
    NoToken(Box<OpenStackError>),
    /// Too many redirects, or one to another origin.
    #[error("redirect refused: {0}")]
    Redirect(String),
    /// The response is malformed.
    #[error("malformed response: {0}")]
    Malformed(String),
    /// The catalog does not have the service.
    #[error(
        "the catalog has no service {service_type:?} ({looked_for}); see region_name, valid_interfaces and endpoint_override"
    )]
    NotInCatalog {
        /// The type of the service.
        service_type: &'static str,
        /// The requested interfaces and region.
        looked_for: String,
    },
    /// The image has no data.
    #[error("the image has no data yet")]
    NoData,
    /// A setting is missing or wrong.
    #[error("{0}")]
    Settings(String),
}

impl Cause {
    /// See [`OpenStackError::is_temporary`].
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            // A truncated response is most likely from a proxy in trouble.
            Self::Unreachable(_)
            | Self::Timeout(_)
            | Self::TokenRefused(_)
            | Self::Malformed(_) => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            Self::NoToken(error) => error.is_temporary(),
            Self::Tls(_)
            | Self::Redirect(_)
            | Self::NotInCatalog { .. }
            | Self::NoData
            | Self::Settings(_) => false,
        }
    }

    /// The service's `Retry-After`.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::NoToken(error) => error.cause.retry_after(),
            _ => None,
        }
    }

    fn words(message: &str) -> String {
        match message {
            "" => String::new(),
            message => format!(": {message}"),
        }
    }
}
