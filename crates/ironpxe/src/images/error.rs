//! Why an image is not to be had.

use std::error::Error as StdError;

/// When a machine shall ask again for what is not to be had now, in seconds.
pub const RETRY_AFTER: u16 = 5;

/// Why an image is not to be had. The texts are for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It is not there, or not given out; to ask again does not help.
    #[error("{0}")]
    Gone(String),
    /// It will pass.
    #[error("{problem}")]
    NotNow {
        /// What is wrong.
        problem: String,
        /// When to ask again, in seconds.
        retry_after: u16,
    },
    /// The image has no such bytes.
    #[error("it has none of the bytes that were asked for")]
    Range {
        /// How many it has, if that is known.
        total: Option<u64>,
    },
}

impl ImageError {
    /// What will pass.
    pub(super) fn not_now(problem: impl Into<String>) -> Self {
        Self::NotNow {
            problem: problem.into(),
            retry_after: RETRY_AFTER,
        }
    }
}

/// An error with what is behind it, in one line.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        // Some repeat their cause in their own words.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}
