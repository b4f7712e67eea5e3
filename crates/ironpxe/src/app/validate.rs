//! What a configuration needs beyond its own text: hardware types that exist, files that can be
//! read, certificates that can be used.
//!
//! [`serve`](super::serve) starts with what comes out of it, and `ironpxe config check` does nothing
//! else, so that the one cannot accept what the other refuses.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use ironpxe_core::boot::{Kickstarts, Scripts};

use super::json_rpc::{RpcClient, RpcSecurity};
use super::openstack::Clients;
use super::role::Role;
use super::settings::{api_url_doubt, images};
use crate::boot::HardwareTypes;
use crate::config::{Config, ConfigError, Problem, Word};
use crate::db::Db;
use crate::drivers::{Drivers, DriversError};
use crate::error_chain::error_chain;
use crate::images;
use crate::openstack::SetupError;

/// What a process of a role starts with.
pub(super) struct Validated {
    /// What only its role needs.
    pub(super) setup: RoleSetup,
    /// The boot scripts.
    pub(super) scripts: Scripts,
    /// The kickstarts.
    pub(super) kickstarts: Kickstarts,
    /// The clients of OpenStack services.
    pub(super) clients: Clients,
}

/// What is needed by some roles alone.
pub(super) enum RoleSetup {
    All {
        drivers: Drivers,
    },
    Api {
        /// How it speaks to conductors.
        rpc: Box<RpcClient>,
    },
    Conductor {
        drivers: Drivers,
        /// Authentication and TLS of its port.
        security: RpcSecurity,
    },
}

impl RoleSetup {
    /// The hardware types that machines may name: those of this process's own conductor, or of all
    /// conductors.
    pub(super) fn hardware_types(&self, db: &Db) -> HardwareTypes {
        match self {
            Self::All { drivers } | Self::Conductor { drivers, .. } => {
                HardwareTypes::enabled(drivers.names())
            }
            Self::Api { .. } => HardwareTypes::registered(db.clone()),
        }
    }
}

/// Checks all that is wrong with a configuration for a role without touching the database or the
/// network, and says what is worth a thought.
pub(crate) fn check(config: &Config, role: Role) -> Result<Vec<String>, ConfigError> {
    let validated = validate(config, role)?;
    let mut notes = validated.scripts.notes().to_vec();
    let address = SocketAddr::new(config.api.host_ip, config.api.port);
    notes.extend(api_url_doubt(config, role, address));
    Ok(notes)
}

pub(super) fn validate(config: &Config, role: Role) -> Result<Validated, ConfigError> {
    let mut found = Problems::default();
    let drivers = match role {
        Role::All | Role::Conductor => found.in_one(drivers(config)),
        Role::Api => None,
    };
    let scripts = match config.scripts() {
        Ok(scripts) => Some(scripts),
        Err(error) => {
            found.0.extend(error.problems);
            None
        }
    };
    let rpc = &config.json_rpc;
    let setting = |(key, message): (&str, String)| config.problem(key, &message);
    let setup = match role {
        Role::All => drivers.map(|drivers| RoleSetup::All { drivers }),
        Role::Api => {
            let rpc = found.in_one(RpcClient::new(rpc).map_err(setting));
            rpc.map(|rpc| RoleSetup::Api { rpc: Box::new(rpc) })
        }
        Role::Conductor => {
            let security = found.in_one(RpcSecurity::new(rpc).map_err(setting));
            let both = drivers.zip(security);
            both.map(|(drivers, security)| RoleSetup::Conductor { drivers, security })
        }
    };
    let kickstarts = found.in_one(kickstarts(config));
    // An API fetches images of Glance by itself.
    let clients = found.in_one(clients(config));
    if let Some(clients) = &clients {
        // The key and the base of URLs are known only to a process that runs.
        let images = images(config, clients, "", String::new(), Vec::new(), 1);
        found.in_one(images.map_err(|error| of_images(config, &error)));
    }
    match (setup, scripts, kickstarts, clients) {
        (Some(setup), Some(scripts), Some(kickstarts), Some(clients)) if found.0.is_empty() => {
            Ok(Validated {
                setup,
                scripts,
                kickstarts,
                clients,
            })
        }
        _ => Err(ConfigError { problems: found.0 }),
    }
}

/// The problems so far: an operator is told all of them at once.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn in_one<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }
}

fn drivers(config: &Config) -> Result<Drivers, Problem> {
    let general = &config.general;
    let default_deploy_interface = general.default_deploy_interface.as_ref();
    Drivers::new(
        &general.enabled_hardware_types.0,
        default_deploy_interface.map(|Word(name)| name.as_str()),
    )
    .map_err(|error| {
        let key = match &error {
            DriversError::UnknownHardwareType { .. } => "[DEFAULT]enabled_hardware_types",
            DriversError::UnknownDeployInterface { .. } => "[DEFAULT]default_deploy_interface",
        };
        // The message names the setting.
        Problem {
            key: None,
            ..config.problem(key, &error.to_string())
        }
    })
}

/// The template of the operator, or else the built-in one.
fn kickstarts(config: &Config) -> Result<Kickstarts, Problem> {
    let problem = |message: &str| config.problem("[anaconda]default_ks_template", message);
    let Some(path) = &config.anaconda.default_ks_template else {
        return Kickstarts::built_in().map_err(|error| problem(&error_chain(&error)));
    };
    // Ironic's own file has a URL here.
    let text = path.to_str().and_then(|path| path.strip_prefix("file://"));
    let path = text.map_or_else(|| path.clone(), PathBuf::from);
    let source = std::fs::read_to_string(&path)
        .map_err(|error| problem(&format!("{} cannot be read: {error}", path.display())))?;
    Kickstarts::from_template(path.display().to_string(), source)
        .map_err(|error| problem(&error_chain(&error)))
}

fn clients(config: &Config) -> Result<Clients, Problem> {
    Clients::new(config).map_err(|error| {
        let key = match &error.source {
            SetupError::Tls(_) => "cafile",
            SetupError::Url { what, .. } => what,
            SetupError::NoEndpoint => "endpoint_override",
            SetupError::Client(_) => "auth_type",
        };
        let key = format!("[{}]{key}", error.section);
        config.problem(&key, &error_chain(&error.source))
    })
}

fn of_images(config: &Config, error: &images::SetupError) -> Problem {
    let key = match error {
        images::SetupError::Tls(_) => "[images]cafile",
        images::SetupError::Client(_) => "[images]timeout",
    };
    let cause = error
        .source()
        .map_or_else(|| error.to_string(), error_chain);
    config.problem(key, &cause)
}
