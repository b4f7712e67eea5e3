//! `[api]`

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::endpoint::PublicEndpoint;
use super::section::section;

section! {
    /// The REST API and the endpoints for machines.
    ["api"] pub struct Api {
        /// The address to listen on.
        pub host_ip: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
        /// The TCP port to listen on; 0 takes any free one.
        pub port: u16 = 6385;
        /// The URL of this service for clients, machines and ramdisks, for example
        /// `http://10.0.0.1:6385`, without `/v1`. Not set: links in responses use the host in the
        /// client's request, and boot scripts use `host_ip` and `port`; so it is required if
        /// `host_ip` is a wildcard address (`0.0.0.0`, `::`).
        pub public_endpoint: Option<PublicEndpoint> = None;
        /// Whether the API uses TLS (1.2 and 1.3). Requires `cert_file` and `key_file`.
        pub enable_ssl_api: bool = false;
        /// The certificate chain of the API without the root, as PEM. It and `key_file` are read
        /// again when they change; connections are not interrupted.
        pub cert_file: Option<PathBuf> = None;
        /// The private key of the certificate, as PEM.
        pub key_file: Option<PathBuf> = None;
        /// With `auth_strategy = keystone`: who is admin of a project, or has the role `service` in
        /// it, may enrol nodes, which the project then owns; and who is admin of it may delete them.
        pub project_admin_can_manage_own_nodes: bool = true;
        /// The maximum number of resources in a list response.
        pub max_limit: u32 = 1000, in 1..=1_000_000;
        /// The largest request body, in bytes.
        pub max_json_body_size: u32 = 1024 * 1024, in 1024..=1024 * 1024 * 1024;
        /// The largest body of a provision request, in bytes; it can contain a config drive.
        pub max_json_body_size_provision: u32 = 64 * 1024 * 1024, in 1024..=1024 * 1024 * 1024;
        /// The memory for all requests in progress, in bytes: at least three times the largest
        /// body. Requests beyond it get 503 with `Retry-After`. One address can use three quarters
        /// of it.
        pub max_request_memory: u32 = 256 * 1024 * 1024, in 1024 * 1024..=4_000_000_000;
        /// The maximum nesting of a request body.
        pub max_json_body_depth: u8 = 25, in 1..=100;
        /// Do not tell a machine why it gets no boot script, unless it has a boot token
        /// (`[pxe]boot_token_lifetime`): the response would reveal to unknown clients which machines
        /// exist. The reason is in the log, under the request ID on the machine's console. With
        /// `[beside]on_refusal = "refuse"` the default is `false`.
        pub restrict_boot_config: bool = true;
        /// The maximum number of concurrent boot requests. Requests beyond it get 503 and are
        /// retried, so that the others need not wait.
        pub max_boot_requests: u32 = 1000, in 1..=1_000_000;
        /// How long `/readyz` reports "not ready" before the service stops accepting requests, in
        /// seconds: as long as a load balancer needs to notice.
        pub shutdown_delay: u16 = 0, in 0..=600;
        /// Whether ramdisks can look up their node, send heartbeats and end an inspection. Needs no
        /// credentials; the node's agent token is checked.
        pub enable_ramdisk_endpoints: bool = true;
        /// Allow listening on other addresses than loopback although clients are not authenticated.
        /// Only for trusted networks.
        pub allow_unauthenticated_access: bool = false;
    }
}
