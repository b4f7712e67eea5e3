//! Settings of the API.

use crate::server::RequestMemory;

/// The API's settings, read by [`crate::config`] and passed on by [`crate::app`].
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `[api]public_endpoint`: the base of links. If unset, the URL that the client used.
    pub public_endpoint: Option<String>,
    /// `[api]enable_ramdisk_endpoints`: whether agents can look up their node and send heartbeats.
    pub enable_ramdisk_endpoints: bool,
    /// `[api]project_admin_can_manage_own_nodes`.
    pub project_admin_can_manage_own_nodes: bool,
    /// The scheme of links if it is unset: `https` with `[api]enable_ssl_api`.
    pub scheme: &'static str,
    /// `[api]max_limit`: the maximum page size.
    pub max_limit: u32,
    /// `[api]max_json_body_size`, in bytes.
    pub max_body_bytes: usize,
    /// `[api]max_json_body_size_provision`, in bytes; larger because of config drives.
    pub max_provision_body_bytes: usize,
    /// `[api]max_request_memory`: shared by all requests.
    pub memory: RequestMemory,
    /// `[api]max_json_body_depth`: the maximum nesting of a body.
    pub max_json_body_depth: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_endpoint: None,
            enable_ramdisk_endpoints: true,
            project_admin_can_manage_own_nodes: true,
            scheme: "http",
            max_limit: 1000,
            max_body_bytes: 1024 * 1024,
            max_provision_body_bytes: 64 * 1024 * 1024,
            memory: RequestMemory::new(256 * 1024 * 1024, "[api]max_request_memory"),
            max_json_body_depth: 25,
        }
    }
}
