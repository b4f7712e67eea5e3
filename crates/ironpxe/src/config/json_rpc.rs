//! `[json_rpc]`

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::section::section;
use super::values::{Secret, Word};

section! {
    /// RPC between an API and conductors in separate processes (`ironpxe serve --role api`, `--role
    /// conductor`). Both use the same file.
    ["json_rpc"] pub struct JsonRpc {
        /// The listen address of a conductor, and its registered address. A wildcard address
        /// (`0.0.0.0`) is registered as `[DEFAULT]host`, which must then be a name that the API can
        /// resolve.
        pub host_ip: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
        /// The TCP port a conductor listens on; 0 takes any free one.
        pub port: u16 = 8089;
        /// How an API authenticates to conductors: `noauth` (not at all) or `http_basic`.
        pub auth_strategy: RpcAuth = RpcAuth::NoAuth;
        /// The users that a conductor accepts with `http_basic`: an htpasswd file of bcrypt hashes,
        /// as created by `htpasswd -nbB NAME PASSWORD`. Changes take effect immediately.
        pub http_basic_auth_user_file: Option<PathBuf> = None;
        /// The user name of an API for `http_basic`.
        pub username: Option<Word> = None;
        /// The password of an API for `http_basic`.
        pub password: Option<Secret> = None;
        /// Whether a conductor uses TLS. Requires `cert_file` and `key_file`.
        pub use_ssl: bool = false;
        /// The conductor's certificate chain without the root, as PEM. It and `key_file` are read
        /// again when they change.
        pub cert_file: Option<PathBuf> = None;
        /// The private key of the conductor's certificate, as PEM.
        pub key_file: Option<PathBuf> = None;
        /// Whether an API uses TLS for conductors. Requires `cafile`.
        pub client_use_ssl: bool = false;
        /// The CA certificates that an API trusts, as PEM.
        pub cafile: Option<PathBuf> = None;
        /// The timeout for connecting to a conductor and for pinging it before a call, in seconds;
        /// then the next one is tried. Boots need no conductor.
        pub ping_timeout: u32 = 2, in 1..=60;
        /// How long an API looks for a conductor that responds, in seconds. After that the request
        /// fails with 503.
        pub find_timeout: u32 = 8, in 1..=60;
        /// The timeout for one conductor's response to a call without side effects, before the API
        /// tries the next, in seconds.
        pub read_try_timeout: u32 = 10, in 1..=600;
        /// The timeout for the response to any other call, in seconds.
        pub call_timeout: u32 = 60, in 1..=3600;
        /// The largest request that a conductor accepts, in bytes: must be larger than
        /// `[api]max_json_body_size_provision`.
        pub max_body_size: u32 = 80 * 1024 * 1024, in 1024..=2_000_000_000;
        /// Allow a conductor to listen on other addresses than loopback although clients are not
        /// authenticated. Only for trusted networks.
        pub allow_unauthenticated_access: bool = false;
    }
}

/// How an API authenticates to conductors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum RpcAuth {
    /// Not at all.
    #[serde(rename = "noauth")]
    NoAuth,
    /// By user name and password.
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
                "unknown strategy {name:?}; expected \"noauth\" or \"http_basic\""
            )),
        }
    }
}
