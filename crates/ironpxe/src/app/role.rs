//! What a process is, of what there is to be.
//!
//! One process can be everything, and then nothing travels. Or an API and conductors are
//! processes of their own, which meet in the database and over JSON-RPC.

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    All,
    /// What clients and machines ask.
    Api,
    /// What does the work.
    Conductor,
}

impl Role {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Conductor => "conductor",
        }
    }
}
