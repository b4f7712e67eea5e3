//! Work that an agent in the ramdisk does, or that nothing does.
//!
//! Cleaning, servicing, inspection and rescue are all of one of these kinds; which one is said by
//! the name of the implementation.

/// Who does a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worker {
    /// The agent: the machine boots its ramdisk, and the node waits for it to call.
    Agent,
    /// Nobody: the work is declared done at once. The name of the implementation (`fake`,
    /// `noop`) says so.
    Nobody,
    /// It is not supported for this node (`no-inspect`, `no-rescue`).
    Unsupported,
}

impl Worker {
    /// Reads the name of an inspect or rescue interface.
    pub fn of_interface(name: &str) -> Self {
        match name {
            "agent" => Self::Agent,
            "fake" => Self::Nobody,
            _ => Self::Unsupported,
        }
    }
}
