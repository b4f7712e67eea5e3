//! `[api]`

use std::net::{IpAddr, Ipv4Addr};

use super::endpoint::PublicEndpoint;
use super::section::section;

section! {
    /// The REST API, and what booting machines fetch.
    ["api"] pub struct Api {
        /// The address to listen on.
        pub host_ip: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
        /// The TCP port to listen on; 0 takes any free one.
        pub port: u16 = 6385;
        /// Where clients, machines and ramdisks find this service, for example
        /// `http://10.0.0.1:6385`, without `/v1`. Not set: links in answers name the host as the
        /// client called it, and boot scripts name `host_ip` and `port`; so it is needed if
        /// `host_ip` is an address for all networks (`0.0.0.0`, `::`).
        pub public_endpoint: Option<PublicEndpoint> = None;
        /// The most resources one answer lists.
        pub max_limit: u32 = 1000, in 1..=1_000_000;
        /// The largest request body, in bytes.
        pub max_json_body_size: u32 = 1024 * 1024, in 1024..=1024 * 1024 * 1024;
        /// The largest body of a provision request, in bytes: it may hold a config drive.
        pub max_json_body_size_provision: u32 = 64 * 1024 * 1024, in 1024..=1024 * 1024 * 1024;
        /// How much memory all requests under way may take together for what their clients sent, in
        /// bytes: at least three times the largest body. What would take more is answered 503 with
        /// `Retry-After`. One address can have three quarters of it.
        pub max_request_memory: u32 = 256 * 1024 * 1024, in 1024 * 1024..=4_000_000_000;
        /// How deep a request body may be nested.
        pub max_json_body_depth: u8 = 25, in 1..=100;
        /// Do not tell a machine that gets no boot script why: the request may come from an unknown machine
        /// which machines there are.
        pub restrict_boot_config: bool = false;
        /// How many machines are answered at once. Those who ask when there are more are told
        /// to ask again in a few seconds, so that the others need not wait.
        pub max_boot_requests: u32 = 1000, in 1..=1_000_000;
        /// How long `/readyz` says no before the service stops taking requests, in seconds: as long
        /// as a load balancer in front needs to notice.
        pub shutdown_delay: u16 = 0, in 0..=600;
        /// Listen on other addresses than this host's own loopback although clients need not
        /// prove who they are. Only for networks that nobody else can reach.
        pub allow_unauthenticated_access: bool = false;
    }
}
