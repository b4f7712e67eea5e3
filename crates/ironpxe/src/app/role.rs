//! The role of a process.
//!
//! One process can be both API and conductor. Or they are separate processes, connected by the
//! database and JSON-RPC.

use clap::ValueEnum;

/// The role of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// API and conductor
    #[default]
    All,
    /// Serves clients and machines
    Api,
    /// Executes changes
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
