//! What can go wrong when a service is asked, and whether it may pass by itself.

use std::time::Duration;

/// A question that got no answer, or not the one it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service}, asked {asked}: {cause}")]
pub struct OpenStackError {
    /// Who was asked.
    pub service: &'static str,
    /// For what: `for image <id>`.
    pub asked: String,
    /// What was wrong.
    pub cause: Cause,
}

impl OpenStackError {
    /// Whether the same question may be answered later, without anybody changing the question or
    /// the configuration.
    pub fn is_temporary(&self) -> bool {
        self.cause.is_temporary()
    }

    /// Whether the service answered that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self.cause, Cause::Status { status: 404, .. })
    }
}

/// What was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Nobody is there, or the way to them broke.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// Who is there is not whom we believe.
    #[error("there is no safe connection to it: {0}; see cafile")]
    Tls(String),
    /// It took too long.
    #[error("it has not answered within {} s", .0.as_secs_f32())]
    TooLate(Duration),
    /// It answered, but not with what was asked for.
    #[error("it answered {status}{}", Self::words(.message))]
    Status {
        /// The HTTP status.
        status: u16,
        /// What it said of it.
        message: String,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// It refused two tokens, of which one was new.
    #[error("it does not accept a new token (401){}", Self::words(.0))]
    TokenRefused(String),
    /// Keystone did not give a token.
    #[error("there is no token for it: {0}")]
    NoToken(Box<OpenStackError>),
    /// It sent us elsewhere once too often, or to somebody else.
    #[error("redirect refused: {0}")]
    Redirect(String),
    /// Its answer cannot be understood.
    #[error("malformed response: {0}")]
    Garbage(String),
    /// There is no such service for us.
    #[error(
        "the catalog has no service {service_type:?} ({looked_for}); see region_name, valid_interfaces and endpoint_override"
    )]
    NotInCatalog {
        /// The type of the service.
        service_type: &'static str,
        /// Interfaces and region that were looked for.
        looked_for: String,
    },
    /// The image has no data.
    #[error("it has no data of the image yet")]
    NoData,
    /// A setting is missing or wrong.
    #[error("{0}")]
    Settings(String),
}

impl Cause {
    /// See [`OpenStackError::is_temporary`].
    pub fn is_temporary(&self) -> bool {
        match self {
            // Half an answer is most likely that of somebody in between who is in trouble.
            Self::Unreachable(_) | Self::TooLate(_) | Self::TokenRefused(_) | Self::Garbage(_) => {
                true
            }
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            Self::NoToken(error) => error.is_temporary(),
            Self::Tls(_)
            | Self::Redirect(_)
            | Self::NotInCatalog { .. }
            | Self::NoData
            | Self::Settings(_) => false,
        }
    }

    /// How long the service asked to be left alone.
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
