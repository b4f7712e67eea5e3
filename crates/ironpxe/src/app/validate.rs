//! What a configuration needs beyond its own text: hardware types that exist, files that can be
//! read, certificates that can be used.
//!
//! [`serve`](super::serve) starts with what comes out of it, and `ironpxe config check` does nothing
//! else, so that the one cannot accept what the other refuses.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use ironpxe_core::boot::{Kickstarts, Scripts};

use super::openstack::Clients;
use super::roles::{Guards, Role, RpcClient};
use super::settings::{api_url_doubt, images};
use crate::config::{Config, ConfigError, Problem, Word};
use crate::drivers::{Drivers, DriversError};
use crate::images;
use crate::openstack::SetupError;

/// What a process of a role starts with.
pub(super) struct Validated {
    /// The enabled hardware types, of a process that does the work.
    pub(super) drivers: Option<Drivers>,
    /// The boot scripts.
    pub(super) scripts: Scripts,
    /// What guards a conductor's port, of a process that is a conductor alone.
    pub(super) guards: Option<Guards>,
    /// How an API speaks to conductors, of a process that is an API alone.
    pub(super) rpc: Option<RpcClient>,
    /// The kickstarts.
    pub(super) kickstarts: Kickstarts,
    /// The clients of OpenStack services.
    pub(super) clients: Clients,
}

/// Checks all that is wrong with a configuration for a role without touching the database or the
/// network, and says what is worth a thought.
pub fn check(config: &Config, role: Role) -> Result<Vec<String>, ConfigError> {
    let validated = validate(config, role)?;
    let mut notes = validated.scripts.notes().to_vec();
    let address = SocketAddr::new(config.api.host_ip, config.api.port);
    notes.extend(api_url_doubt(config, role, address));
    Ok(notes)
}

pub(super) fn validate(config: &Config, role: Role) -> Result<Validated, ConfigError> {
    let works = matches!(role, Role::All | Role::Conductor);
    let mut found = Found::default();
    let drivers = works.then(|| found.in_one(drivers(config)));
    let scripts = match config.scripts() {
        Ok(scripts) => Some(scripts),
        Err(error) => {
            found.0.extend(error.problems);
            None
        }
    };
    let rpc = &config.json_rpc;
    let setting = |(key, message): (&str, String)| config.problem(key, &message);
    let guards = (role == Role::Conductor).then(|| found.in_one(Guards::new(rpc).map_err(setting)));
    let client = (role == Role::Api).then(|| found.in_one(RpcClient::new(rpc).map_err(setting)));
    let kickstarts = found.in_one(kickstarts(config));
    // An API fetches images of Glance by itself.
    let clients = found.in_one(clients(config));
    if let Some(clients) = &clients {
        // The key and the base of URLs are known only to a process that runs.
        let images = images(config, clients, "", String::new(), Vec::new(), 1);
        found.in_one(images.map_err(|error| of_images(config, &error)));
    }
    match (scripts, kickstarts, clients) {
        (Some(scripts), Some(kickstarts), Some(clients)) if found.0.is_empty() => Ok(Validated {
            drivers: drivers.flatten(),
            scripts,
            guards: guards.flatten(),
            rpc: client.flatten(),
            kickstarts,
            clients,
        }),
        _ => Err(ConfigError { problems: found.0 }),
    }
}

/// The problems so far: an operator is told all of them at once.
#[derive(Default)]
struct Found(Vec<Problem>);

impl Found {
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
        return Kickstarts::built_in().map_err(|error| problem(&chain(&error)));
    };
    // Ironic's own file has a URL here.
    let text = path.to_str().and_then(|path| path.strip_prefix("file://"));
    let path = text.map_or_else(|| path.clone(), PathBuf::from);
    let source = std::fs::read_to_string(&path)
        .map_err(|error| problem(&format!("{} cannot be read: {error}", path.display())))?;
    Kickstarts::from_template(path.display().to_string(), source)
        .map_err(|error| problem(&chain(&error)))
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
        config.problem(&key, &chain(&error.source))
    })
}

fn of_images(config: &Config, error: &images::SetupError) -> Problem {
    let key = match error {
        images::SetupError::Tls(_) => "[images]cafile",
        images::SetupError::Client(_) => "[images]timeout",
    };
    let cause = error.source().map_or_else(|| error.to_string(), chain);
    config.problem(key, &cause)
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
