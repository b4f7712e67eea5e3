//! `[json_rpc]`

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::section::section;
use super::values::{Secret, Word};

section! {
    /// What an API and conductors in processes of their own say to each other
    /// (`ironpxe serve --role api`, `--role conductor`). The same file serves both.
    ["json_rpc"] pub struct JsonRpc {
        /// The address a conductor listens on, and registers under. An address for all networks
        /// (`0.0.0.0`) is registered as `[DEFAULT]host`, which must then be a name that the API
        /// finds.
        pub host_ip: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
        /// The TCP port a conductor listens on; 0 takes any free one.
        pub port: u16 = 8089;
        /// How an API proves to a conductor who it is: `noauth` (not at all) or `http_basic`.
        pub auth_strategy: RpcAuth = RpcAuth::NoAuth;
        /// Whom a conductor lets in with `http_basic`: an htpasswd file of bcrypt hashes, as
        /// `htpasswd -nbB NAME PASSWORD` makes them. Changes count at once.
        pub http_basic_auth_user_file: Option<PathBuf> = None;
        /// The name an API gives with `http_basic`.
        pub username: Option<Word> = None;
        /// The password an API gives with `http_basic`.
        pub password: Option<Secret> = None;
        /// Whether a conductor speaks TLS. Needs `cert_file` and `key_file`.
        pub use_ssl: bool = false;
        /// The conductor's certificate, and those between it and the authority, as PEM.
        pub cert_file: Option<PathBuf> = None;
        /// The key of the conductor's certificate, as PEM.
        pub key_file: Option<PathBuf> = None;
        /// Whether an API speaks TLS to conductors. Needs `cafile`.
        pub client_use_ssl: bool = false;
        /// The authorities that an API believes, as PEM.
        pub cafile: Option<PathBuf> = None;
        /// How long one conductor may take to take a connection, and for the sign of life that an
        /// API asks for before it gives it work, in seconds; then the next one is asked. Machines are
        /// answered without a conductor.
        pub boot_try_timeout: u32 = 2, in 1..=60;
        /// How long an API looks for a conductor that is there, in seconds. After that the operator is
        /// told to come back.
        pub boot_timeout: u32 = 8, in 1..=60;
        /// How long one conductor may take to answer an operator's question, which changes
        /// nothing, before an API asks the next, in seconds.
        pub read_try_timeout: u32 = 10, in 1..=600;
        /// How long an API waits for the answer to what an operator asks, in seconds.
        pub call_timeout: u32 = 60, in 1..=3600;
        /// The largest request that a conductor reads, in bytes: more than
        /// `[api]max_json_body_size_provision`.
        pub max_body_size: u32 = 80 * 1024 * 1024, in 1024..=2_000_000_000;
        /// Have a conductor listen on other addresses than this host's own loopback although
        /// callers need not prove who they are. Only for networks that nobody else can reach.
        pub allow_unauthenticated_access: bool = false;
    }
}

/// How an API proves to a conductor who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub enum RpcAuth {
    /// Not at all.
    #[serde(rename = "noauth")]
    NoAuth,
    /// By name and password.
    #[serde(rename = "http_basic")]
    HttpBasic,
}

impl TryFrom<String> for RpcAuth {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "noauth" => Ok(Self::NoAuth),
            "http_basic" => Ok(Self::HttpBasic),
            _ => Err(format!(
                "there is no strategy {name:?} here; write \"noauth\" or \"http_basic\""
            )),
        }
    }
}
