//! The configuration: settings, sources, and errors.
//!
//! Sections and keys have Ironic's names where Ironic has them. Each section is in its own file,
//! with the keys, their defaults and their documentation (see `section.rs`); `load.rs` has the
//! sources and their precedence, `check.rs` the checks across settings. [`Config::load`] returns
//! validated plain data. Nothing else in ironpxe reads the environment.

mod anaconda;
mod api;
mod beside;
mod beside_connection;
mod boot;
mod check;
mod check_beside;
mod conductor;
mod connection;
mod database;
mod deploy;
mod dhcp;
mod dnsmasq;
mod endpoint;
mod environment;
mod error;
mod file_urls;
mod general;
mod glance;
mod images;
mod inspector;
mod ironic_conf;
mod json_rpc;
mod keystone_authtoken;
mod load;
mod networks;
mod neutron;
mod openstack;
mod oslo_policy;
mod pxe;
mod sample;
mod section;
mod templates;
#[cfg(test)]
mod tests;
mod unknown_machines;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use self::anaconda::Anaconda;
pub(crate) use self::api::Api;
pub(crate) use self::beside::{Beside, BesideSource, OnRefusal, SourceKind};
pub(crate) use self::beside_connection::{Mysql, MysqlTls};
pub(crate) use self::conductor::Conductor;
pub(crate) use self::connection::Connection;
pub(crate) use self::database::Database;
pub(crate) use self::deploy::Deploy;
pub(crate) use self::dhcp::{Dhcp, DhcpProvider};
pub(crate) use self::dnsmasq::Dnsmasq;
pub(crate) use self::endpoint::{Endpoint, Host, PublicEndpoint};
pub(crate) use self::environment::Environment;
pub(crate) use self::error::{ConfigError, Origin, Problem};
pub(crate) use self::general::{AuthStrategy, General};
pub(crate) use self::glance::{Glance, TempUrlDigest};
pub(crate) use self::images::{Images, Relay};
pub(crate) use self::inspector::Inspector;
pub(crate) use self::json_rpc::{JsonRpc, RpcAuth};
pub(crate) use self::keystone_authtoken::KeystoneAuthtoken;
use self::load::Loader;
pub(crate) use self::neutron::Neutron;
pub(crate) use self::openstack::{AuthType, OpenStack, SystemScope};
pub(crate) use self::oslo_policy::{OsloPolicy, PolicyPaths};
pub(crate) use self::pxe::Pxe;
use self::section::Section;
pub(crate) use self::values::{Names, Secret, Secrets, Word};

/// A checked configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// `[DEFAULT]`
    pub general: General,
    /// `[api]`
    pub api: Api,
    /// `[keystone_authtoken]`
    pub keystone_authtoken: KeystoneAuthtoken,
    /// `[conductor]`
    pub conductor: Conductor,
    /// `[json_rpc]`
    pub json_rpc: JsonRpc,
    /// `[database]`
    pub database: Database,
    /// `[beside]`
    pub beside: Beside,
    /// `[pxe]`
    pub pxe: Pxe,
    /// `[images]`
    pub images: Images,
    /// `[inspector]`
    pub inspector: Inspector,
    /// `[deploy]`
    pub deploy: Deploy,
    /// `[anaconda]`
    pub anaconda: Anaconda,
    /// `[dhcp]`
    pub dhcp: Dhcp,
    /// `[dnsmasq]`
    pub dnsmasq: Dnsmasq,
    /// `[glance]`
    pub glance: Glance,
    /// `[neutron]`
    pub neutron: Neutron,
    /// `[oslo_policy]`
    pub oslo_policy: OsloPolicy,

    /// `[DEFAULT]host` or its default.
    pub host: String,
    /// `[DEFAULT]state_path` or its default.
    pub state_path: PathBuf,
    /// `[database]connection` or its default.
    pub database_connection: Connection,
    /// Where policy files are.
    pub policy_paths: PolicyPaths,
    /// `[beside]source` with its settings.
    pub beside_source: Option<BesideSource>,

    /// The origin of each setting: `[section]key` → origin.
    origins: BTreeMap<String, Origin>,
}

/// A setting on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag {
    /// The flag's name.
    pub name: &'static str,
    /// The setting's section.
    pub section: &'static str,
    /// The setting's key.
    pub key: &'static str,
    /// The value.
    pub value: String,
}

/// All sections in the order of the sample, for any kind of borrow.
macro_rules! sections {
    ($config:expr) => {
        sections!(
            $config, general, api, keystone_authtoken, conductor, json_rpc, database, beside, pxe,
            images, inspector, deploy, anaconda, dhcp, dnsmasq, glance, neutron, oslo_policy
        )
    };
    ($config:expr, $($section:ident),+) => {{
        let Config { $($section,)+ .. } = $config;
        [$($section),+]
    }};
}

/// The number of sections.
const SECTIONS: usize = 17;

impl Config {
    /// Loads the configuration: the file, overridden by the environment, overridden by the flags; what
    /// none of them sets is taken from `[beside]ironic_conf`.
    pub(crate) fn load(
        file: Option<&Path>,
        environment: &Environment,
        flags: &[Flag],
    ) -> Result<Self, ConfigError> {
        let mut loader = Loader::default();
        if let Some(file) = file {
            loader.file(file);
        }
        loader.finish(environment, flags)
    }

    fn sections(&self) -> [&dyn Section; SECTIONS] {
        sections!(self)
    }

    fn sections_mut(&mut self) -> [&mut dyn Section; SECTIONS] {
        sections!(self)
    }
}

impl Loader {
    /// The steps after the file.
    fn finish(mut self, environment: &Environment, flags: &[Flag]) -> Result<Config, ConfigError> {
        self.environment(environment);
        for flag in flags {
            self.flag(flag);
        }
        self.ironic_conf(environment);
        self.complete(environment);
        if self.problems.is_empty() {
            self.check();
        }
        if self.problems.is_empty() {
            return Ok(self.config);
        }
        Err(ConfigError {
            problems: self.problems,
        })
    }
}
