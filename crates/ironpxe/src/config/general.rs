//! `[DEFAULT]`

use std::net::Ipv6Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::section::section;
use super::values::{Names, Word};

section! {
    /// The service as a whole.
    ["DEFAULT"] pub struct General {
        /// The name of this conductor, which nodes it works on bear as `reservation`. It must
        /// stay the same over restarts. Not set: the name of the host.
        pub host: Option<Word> = None;
        /// Log more, and have ramdisks log more.
        pub debug: bool = false;
        /// The folder for everything this service keeps. Not set: `ironpxe` in
        /// `$XDG_STATE_HOME`, or else `/var/lib/ironpxe` for root and `~/.local/state/ironpxe`
        /// for everybody else.
        pub state_path: Option<PathBuf> = None;
        /// The hardware types that nodes may have as `driver`.
        pub enabled_hardware_types: Names =
            Names(vec!["fake-hardware".to_owned(), "manual-management".to_owned()]);
        /// The deploy interface of nodes that do not choose one. Every enabled hardware type must
        /// support it. Not set: each hardware type has its own.
        pub default_deploy_interface: Option<Word> = None;
        /// An IPv6 address of the TFTP server, for machines that boot over IPv6. Not set:
        /// `[pxe]tftp_server`.
        pub my_ipv6: Option<Ipv6Addr> = None;
        /// How clients prove who they are. So far there is only `noauth`: whoever reaches the
        /// API may do everything. See also `[api]allow_unauthenticated_access`.
        pub auth_strategy: AuthStrategy = AuthStrategy::NoAuth;
    }
}

/// How clients prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub enum AuthStrategy {
    /// Not at all.
    #[serde(rename = "noauth")]
    NoAuth,
}

impl TryFrom<String> for AuthStrategy {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "noauth" => Ok(Self::NoAuth),
            "keystone" | "http_basic" => Err(format!(
                "this release does not have {name:?} yet; write \"noauth\""
            )),
            _ => Err(format!("there is no strategy {name:?}; write \"noauth\"")),
        }
    }
}
