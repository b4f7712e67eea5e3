//! `[DEFAULT]`

use std::net::Ipv6Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::section::section;
use super::values::{Names, Word};

section! {
    /// The service as a whole.
    ["DEFAULT"] pub struct General {
        /// The name of this conductor, shown as `reservation` of its nodes. It must stay the same
        /// across restarts. Not set: the host name.
        pub host: Option<Word> = None;
        /// Log more, and make ramdisks log more.
        pub debug: bool = false;
        /// The directory for all data of this service. Not set: `ironpxe` in `$XDG_STATE_HOME`, or
        /// else `/var/lib/ironpxe` for root and `~/.local/state/ironpxe` for other users.
        pub state_path: Option<PathBuf> = None;
        /// The hardware types that nodes may have as `driver`.
        pub enabled_hardware_types: Names =
            Names(vec!["fake-hardware".to_owned(), "manual-management".to_owned()]);
        /// The deploy interface of nodes that do not set one. Every enabled hardware type must
        /// support it. Not set: the default of the hardware type.
        pub default_deploy_interface: Option<Word> = None;
        /// The IPv6 address of the TFTP server, for machines that boot over IPv6. Not set:
        /// `[pxe]tftp_server`.
        pub my_ipv6: Option<Ipv6Addr> = None;
        /// How clients of the API are authenticated: `keystone` by tokens (`[keystone_authtoken]`),
        /// `http_basic` by user name and password, `noauth` not at all (in Ironic: `keystone`). With
        /// `noauth` everyone with network access to the API has full access, so the API listens only
        /// on this machine, or see `[api]allow_unauthenticated_access`. Machines need no credentials.
        pub auth_strategy: AuthStrategy = AuthStrategy::NoAuth;
        /// The users with `http_basic`, all with full access: an htpasswd file of bcrypt hashes, as
        /// created by `htpasswd -nbB NAME PASSWORD`. Changes take effect within a second.
        pub http_basic_auth_user_file: PathBuf = PathBuf::from("/etc/ironic/htpasswd");
        /// Whether the role `service` in the project `rbac_service_project_name` gives access to all
        /// nodes, as Nova needs it without a token for the system.
        pub rbac_service_role_elevated_access: bool = false;
        /// The name of that project.
        pub rbac_service_project_name: Word = Word("service".to_owned());
    }
}

/// How clients are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum AuthStrategy {
    /// Not at all.
    #[serde(rename = "noauth")]
    NoAuth,
    /// By user name and password (RFC 7617).
    #[serde(rename = "http_basic")]
    HttpBasic,
    /// By a token of Keystone.
    #[serde(rename = "keystone")]
    Keystone,
}

impl TryFrom<String> for AuthStrategy {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "noauth" => Ok(Self::NoAuth),
            "http_basic" => Ok(Self::HttpBasic),
            "keystone" => Ok(Self::Keystone),
            _ => Err(format!(
                "unknown strategy {name:?}; expected \"keystone\", \"http_basic\" or \"noauth\""
            )),
        }
    }
}
