//! Validation that needs more than the configuration's text: known hardware types, readable files,
//! valid certificates.
//!
//! [`serve`](super::serve) uses the result, and `ironpxe config check` does the same validation, so
//! they always agree.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use ironpxe_core::boot::{Kickstarts, Scripts};
use ironpxe_core::policy::{Policy, PolicyProblem};

use super::authentication::authenticator;
use super::json_rpc::{RpcClient, RpcSecurity};
use super::openstack::Clients;
use super::role::Role;
use super::settings::{api_url_doubt, images, policy_files};
use crate::auth::Authenticator;
use crate::boot::HardwareTypes;
use crate::config::{Config, ConfigError, Origin, Problem, Word};
use crate::db::Db;
use crate::drivers::{Drivers, DriversError};
use crate::error_chain::error_chain;
use crate::images;
use crate::openstack::SetupError;
use crate::policy;

/// The validated input of a process.
pub(super) struct Validated {
    /// The role's own input.
    pub(super) setup: RoleSetup,
    /// The boot scripts.
    pub(super) scripts: Scripts,
    /// The kickstarts.
    pub(super) kickstarts: Kickstarts,
    /// The clients of OpenStack services.
    pub(super) clients: Clients,
    /// The policy.
    pub(super) policy: Policy,
    /// The authentication of the API's clients.
    pub(super) authenticator: Authenticator,
}

/// The input of a single role.
pub(super) enum RoleSetup {
    All {
        drivers: Drivers,
    },
    Api {
        /// The RPC client.
        rpc: Box<RpcClient>,
    },
    Conductor {
        drivers: Drivers,
        /// Authentication and TLS of its port.
        security: RpcSecurity,
    },
}

impl RoleSetup {
    /// The hardware types in boot URLs: those of this process's own conductor, or of all conductors.
    pub(super) fn hardware_types(&self, db: &Db) -> HardwareTypes {
        match self {
            Self::All { drivers } | Self::Conductor { drivers, .. } => {
                HardwareTypes::enabled(drivers.names())
            }
            Self::Api { .. } => HardwareTypes::registered(db.clone()),
        }
    }
}

/// Validates a configuration for a role, without database or network, and logs warnings.
pub(crate) fn check(config: &Config, role: Role) -> Result<Vec<String>, ConfigError> {
    let validated = validate(config, role)?;
    let mut notes = validated.scripts.notes().to_vec();
    let address = SocketAddr::new(config.api.host_ip, config.api.port);
    notes.extend(api_url_doubt(config, role, address));
    notes.extend(policy::doubt(&validated.policy).map(str::to_owned));
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
    let policy = match role {
        Role::All | Role::Api => policy(config),
        // It has no API.
        Role::Conductor => Ok(Policy::defaults()),
    };
    let policy = match policy {
        Ok(policy) => Some(policy),
        Err(error) => {
            found.0.extend(error.problems);
            None
        }
    };
    // A conductor has no API, and beside an existing Ironic there are only machines.
    let authenticator = match role {
        Role::All | Role::Api if config.beside_source.is_none() => {
            let made = authenticator(config);
            found.in_one(made.map_err(|(key, message)| config.problem(&key, &message)))
        }
        Role::All | Role::Api | Role::Conductor => Some(Authenticator::NoAuth),
    };
    let kickstarts = found.in_one(kickstarts(config));
    let clients = found.in_one(clients(config));
    if let Some(clients) = &clients {
        // The key and the base URL are only known at run time.
        let images = images(config, clients, "", String::new(), Vec::new(), 1);
        found.in_one(images.map_err(|error| of_images(config, &error)));
    }
    match (setup, scripts, kickstarts, clients, policy, authenticator) {
        (
            Some(setup),
            Some(scripts),
            Some(kickstarts),
            Some(clients),
            Some(policy),
            Some(authenticator),
        ) if found.0.is_empty() => Ok(Validated {
            setup,
            scripts,
            kickstarts,
            clients,
            policy,
            authenticator,
        }),
        _ => Err(ConfigError { problems: found.0 }),
    }
}

/// Reads the policy.
pub(crate) fn policy(config: &Config) -> Result<Policy, ConfigError> {
    let problem = |problem: PolicyProblem| Problem {
        origin: match problem.line {
            Some(line) => Origin::File {
                path: problem.path.clone().into(),
                line,
            },
            None => Origin::Default,
        },
        key: None,
        message: problem.without_position(),
    };
    policy_files(config).load().map_err(|problems| ConfigError {
        problems: problems.into_iter().map(problem).collect(),
    })
}

/// All problems so far, reported together.
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

/// The operator's template, or else the built-in one.
fn kickstarts(config: &Config) -> Result<Kickstarts, Problem> {
    let problem = |message: &str| config.problem("[anaconda]default_ks_template", message);
    let Some(path) = &config.anaconda.default_ks_template else {
        return Kickstarts::built_in().map_err(|error| problem(&error_chain(&error)));
    };
    // In Ironic's configuration this may be a URL.
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
