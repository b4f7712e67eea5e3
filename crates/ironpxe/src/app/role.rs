//! The role of a process.
//!
//! One process can be both API and conductor. Or they are separate processes, connected by the
//! database and JSON-RPC.

/// The role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Both.
    All,
    /// Serves clients and machines.
    Api,
    /// Executes changes.
    Conductor,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Conductor => "conductor",
        }
    }
}
