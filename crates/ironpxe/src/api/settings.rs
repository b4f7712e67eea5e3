//! What the API is told about itself.

use crate::server::RequestMemory;

/// The API's settings; [`crate::config`] reads them, [`crate::app`] hands them over.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[api]public_endpoint`: what links begin with. Without it, what the client called us.
    pub public_endpoint: Option<String>,
    /// `[api]max_limit`: the most resources of one answer.
    pub max_limit: u32,
    /// `[api]max_json_body_size`, in bytes.
    pub max_body_bytes: usize,
    /// `[api]max_json_body_size_provision`, in bytes: a config drive is larger than the rest.
    pub max_provision_body_bytes: usize,
    /// `[api]max_request_memory`: for all that clients send.
    pub memory: RequestMemory,
    /// `[api]max_json_body_depth`: how deep a body may be nested.
    pub max_json_body_depth: usize,
    /// `[api]restrict_boot_config`: clients do not learn which machines exist.
    pub restrict_boot_config: bool,
    /// `[DEFAULT]host`: the conductor that the API's answers name.
    pub host: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_endpoint: None,
            max_limit: 1000,
            max_body_bytes: 1024 * 1024,
            max_provision_body_bytes: 64 * 1024 * 1024,
            memory: RequestMemory::new(256 * 1024 * 1024, "[api]max_request_memory"),
            max_json_body_depth: 25,
            restrict_boot_config: true,
            host: "localhost".to_owned(),
        }
    }
}
