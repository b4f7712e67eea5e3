//! Errors of images.

use ironpxe_core::retry_after;

/// Why an image is not available. The texts are for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImageError {
    /// Missing or not accessible; a retry does not help.
    #[error("{0}")]
    NotAvailable(String),
    /// Temporarily unavailable.
    #[error("{problem}")]
    Unavailable {
        /// The reason.
        problem: String,
        /// When to retry, in seconds.
        retry_after: u16,
    },
    /// The requested range is outside of the image.
    #[error("the requested range is outside of the image")]
    Range {
        /// The size of the image, if known.
        total: Option<u64>,
    },
}

impl ImageError {
    /// A temporary error.
    pub(super) fn unavailable(problem: impl Into<String>) -> Self {
        Self::Unavailable {
            problem: problem.into(),
            retry_after: retry_after::IMAGE,
        }
    }
}
