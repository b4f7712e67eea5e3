//! Conductors: who does the work.

use time::OffsetDateTime;

/// A conductor as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conductor {
    /// The name it registered under (`[DEFAULT]host`).
    pub hostname: String,
    /// Its group; nodes of the same group are its work. Empty is the default group.
    pub conductor_group: String,
    /// The hardware types it has enabled.
    pub drivers: Vec<String>,
    /// Whether it has been heard of lately.
    pub alive: bool,
    /// When it first registered.
    pub created_at: OffsetDateTime,
    /// When it was last heard of.
    pub updated_at: Option<OffsetDateTime>,
}
