//! `[beside]`: another Ironic, whose nodes are served.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::beside_connection::{BesideConnection, Mysql};
use super::endpoint::{Endpoint, PublicEndpoint};
use super::file_urls::FileUrls;
use super::networks::Networks;
use super::openstack::{OpenStack, openstack_section};
use super::values::{Paths, Texts};

openstack_section! {
    /// An Ironic that runs already, whose nodes get their boot scripts here. Nothing is written to it,
    /// and this service has no database, no nodes and no REST API of its own then.
    ["beside"] pub struct Beside [
        /// Where its nodes are read: `mysql` or `sqlite` (its database, `connection`) or `rest` (its
        /// API; `auth_type` and the other settings from there on). Not set: this service has nodes of
        /// its own, in `[database]`.
        pub source: Option<SourceKind> = None;
        /// Its database, as in Ironic's `[database]connection`: `mysql://user@host:port/database` (also
        /// `mysql+pymysql://`, with `?ssl_ca=/path/ca.pem` for TLS) or `sqlite:////path/to/file`. The
        /// user needs to read only.
        pub connection: Option<BesideConnection> = None;
        /// A file with the password for its database, or its API; it overrides the password in
        /// `connection` and `password`.
        pub password_file: Option<PathBuf> = None;
        /// The URL of Ironic's API for ramdisks (`ipa-api-url`), for example
        /// `http://192.0.2.1:6385`. Not set: `[service_catalog]endpoint_override` of `ironic_conf`.
        pub api_url: Option<PublicEndpoint> = None;
        /// Its configuration: files, and directories of `*.conf` files, in the order of Ironic's
        /// command line. What ironpxe has under the same name is taken from there, and from variables
        /// `OS_<GROUP>__<OPTION>`, if it is not set here. See `docs/ironic-conf.md`.
        pub ironic_conf: Paths = Paths::default();
        /// The web servers of its conductors (`[deploy]http_url`) by host (`[DEFAULT]host`), where
        /// installers get their kickstart: `{ conductor-1 = "http://192.0.2.10:8088" }`.
        pub http_urls: BTreeMap<String, Endpoint> = BTreeMap::new();
        /// URLs at which machines get the files of `file://` images, by path: `{
        /// "file:///shared/html/" = "http://192.0.2.10:8088/" }`. The longest path counts. Others are
        /// relayed (`[conductor]file_url_allowed_paths`).
        pub file_urls: FileUrls = FileUrls::default();
        /// Serve these nodes, by name or UUID. With this or one of the next two, all other machines
        /// get 404, so that they boot Ironic's own script. None of them set: serve all.
        pub only_nodes: Texts = Texts::default();
        /// Serve nodes of these conductor groups; `""` is the one of nodes without a group.
        pub only_conductor_groups: Texts = Texts::default();
        /// Serve machines with an address in these networks.
        pub only_networks: Networks = Networks::default();
        /// What a machine gets whose boot is refused: `ironic` (404, so that it boots Ironic's own
        /// script) or `refuse` (a script that says why).
        pub on_refusal: OnRefusal = OnRefusal::Ironic;
    ] {}
}

/// Where nodes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub(crate) enum SourceKind {
    /// An `SQLite` file.
    Sqlite,
    /// A `MySQL` or `MariaDB` server.
    Mysql,
    /// Ironic's API.
    Rest,
}

impl SourceKind {
    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Mysql => "mysql",
            Self::Rest => "rest",
        }
    }
}

impl TryFrom<String> for SourceKind {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "sqlite" => Ok(Self::Sqlite),
            "mysql" => Ok(Self::Mysql),
            "rest" => Ok(Self::Rest),
            _ => Err(format!(
                "unknown source {name:?}; expected \"mysql\" (also for MariaDB and Galera), \
                 \"sqlite\" or \"rest\""
            )),
        }
    }
}

/// What a machine gets whose boot is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub(crate) enum OnRefusal {
    /// 404, so that it boots Ironic's own script.
    Ironic,
    /// A script that says why.
    Refuse,
}

impl TryFrom<String> for OnRefusal {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "ironic" => Ok(Self::Ironic),
            "refuse" => Ok(Self::Refuse),
            _ => Err(format!(
                "unknown action {name:?}; expected \"ironic\" or \"refuse\""
            )),
        }
    }
}

/// Where nodes are read, complete with password and certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BesideSource {
    /// An `SQLite` file: an absolute path.
    Sqlite(PathBuf),
    /// A database on a server.
    Mysql(Box<Mysql>),
    /// Ironic's API.
    Rest(Box<OpenStack>),
}
