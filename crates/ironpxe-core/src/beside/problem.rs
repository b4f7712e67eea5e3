//! What is wrong with what a source gave.

use crate::boot::Refusal;

/// Why an answer is no machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A value in Ironic's record of a node cannot be used until it is corrected.
    #[error("{field} of node {node}: {problem}")]
    Value {
        /// The node's name or UUID.
        node: String,
        /// The field of the API, or `table.column` of the database.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A value is needed that the API does not show to this service's account.
    #[error("{field} of node {node} is masked or redacted: its value is not known here")]
    Masked {
        /// The node's name or UUID.
        node: String,
        /// The field.
        field: String,
    },
    /// The answer is not what Ironic gives. It says nothing about the machine: another answer may
    /// come when it is asked again.
    #[error("{from}: {problem}")]
    Answer {
        /// The request, or the statement.
        from: String,
        /// What is wrong with the answer.
        problem: String,
    },
}

impl Problem {
    /// The refusal to tell the machine, if the problem is in its record; otherwise the machine asks
    /// again.
    pub fn into_refusal(self) -> Result<Refusal, Self> {
        match self {
            Self::Value { field, problem, .. } => Ok(Refusal::BadValue { field, problem }),
            Self::Masked { field, .. } => Ok(Refusal::Masked { field }),
            Self::Answer { .. } => Err(self),
        }
    }
}
