//! `ironpxe script`: what a machine would boot, and why, from a running service or its database.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ironpxe_core::boot::{CpuArch, Firmware, KICKSTART_TEMPLATE, Overrides, TEMPLATES};
use ironpxe_core::provision_state::ProvisionState;

use super::remote::{Answer, Service};
use super::{CliError, explanation, offline_flags};
use crate::app;
use crate::config::{Config, Environment, Flag};

#[derive(Debug, Subcommand)]
pub(super) enum ScriptCommand {
    /// Print the script as the machine would get it: a service hides passwords, a database does not
    Show(Machine),
    /// Explain what the machine would boot and why
    Explain(Machine),
    /// Print a built-in script template, or the names of all
    Template {
        /// The template
        name: Option<String>,
    },
    /// Print the built-in kickstart template, as a starting point
    Kickstart,
}

#[derive(Debug, Args)]
pub(super) struct Machine {
    /// A node's UUID or name, or the MAC address of one of its ports
    #[arg(value_name = "NODE|MAC")]
    name: String,
    /// Assume this provision state
    #[arg(long, value_parser = state)]
    state: Option<ProvisionState>,
    /// Assume this architecture (`properties.cpu_arch`)
    #[arg(long, value_parser = CpuArch::parse)]
    arch: Option<CpuArch>,
    /// Also describe how this firmware (efi, pcbios) executes the script
    #[arg(long, value_parser = Firmware::parse)]
    firmware: Option<Firmware>,
    /// Ask the running service at this URL, as `OS_ENDPOINT` does
    #[arg(long, value_name = "URL", conflicts_with_all = ["config", "state_dir", "listen"])]
    api: Option<String>,
    /// Read the database of the service with this configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the database in this state directory (`[DEFAULT]state_path`)
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
    /// The `--listen` address of that service
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
}

fn state(name: &str) -> Result<ProvisionState, String> {
    ProvisionState::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = ProvisionState::all().map(ProvisionState::name).collect();
        format!("expected one of: {}", names.join(", "))
    })
}

impl Machine {
    fn overrides(&self) -> Overrides {
        Overrides {
            state: self.state,
            arch: self.arch.clone(),
            firmware: self.firmware,
        }
    }

    /// The service to query; `None` to read its database.
    ///
    /// The command line has priority, then `OS_ENDPOINT`; the default is the database.
    fn service(&self, environment: &Environment) -> Result<Option<Service>, CliError> {
        const VARIABLE: &str = "OS_ENDPOINT";
        let (from, url) = match &self.api {
            Some(url) => ("--api", url.clone()),
            None if self.config.is_some() || self.state_dir.is_some() || self.listen.is_some() => {
                return Ok(None);
            }
            None => match environment.variable(VARIABLE) {
                Some(url) => (VARIABLE, url.to_string_lossy().into_owned()),
                None => return Ok(None),
            },
        };
        Ok(Some(Service::new(from, &url, environment)?))
    }

    /// The settings of these flags.
    fn flags(&self) -> Vec<Flag> {
        let mut flags = offline_flags("(script)", self.state_dir.as_ref());
        let flag = |name, section, key, value| Flag {
            name,
            section,
            key,
            value,
        };
        if let Some(address) = self.listen {
            let (host, port) = (address.ip().to_string(), address.port().to_string());
            flags.push(flag("--listen", "api", "host_ip", host));
            flags.push(flag("--listen", "api", "port", port));
        }
        flags
    }
}

pub(super) fn run(command: &ScriptCommand) -> Result<(), CliError> {
    match command {
        ScriptCommand::Show(machine) => show(machine),
        ScriptCommand::Explain(machine) => explain(machine),
        ScriptCommand::Template { name } => template(name.as_deref()),
        ScriptCommand::Kickstart => print(KICKSTART_TEMPLATE),
    }
}

fn show(machine: &Machine) -> Result<(), CliError> {
    let Answer { preview, masked } = preview(machine)?;
    print(&preview.script)?;
    if let Some(left) = &preview.left_to_ironic {
        // Ignored, as below: `explain` says it, too.
        let _ = writeln!(
            std::io::stderr(),
            "ironpxe: the machine does not get this script: {}",
            explanation::printable(left)
        );
    }
    if masked {
        // Ignored: the script shows it, too.
        let _ = writeln!(
            std::io::stderr(),
            "ironpxe: passwords are shown as ******; the machine gets them"
        );
    }
    Ok(())
}

fn explain(machine: &Machine) -> Result<(), CliError> {
    print(&explanation::text(&preview(machine)?.preview))
}

fn template(name: Option<&str>) -> Result<(), CliError> {
    let Some(name) = name else {
        let names = TEMPLATES.map(|(name, _)| format!("{name}\n"));
        return print(&names.concat());
    };
    let found = TEMPLATES.iter().find(|(known, _)| *known == name);
    let (_, text) = found.ok_or_else(|| CliError::NoTemplate(name.to_owned()))?;
    print(text)
}

/// Queries the service, or reads its database, which does not affect a running service.
fn preview(machine: &Machine) -> Result<Answer, CliError> {
    let environment = Environment::of_this_process();
    let overrides = machine.overrides();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    if let Some(service) = machine.service(&environment)? {
        return Ok(runtime.block_on(service.preview(&machine.name, &overrides))?);
    }
    let config = Config::load(machine.config.as_deref(), &environment, &machine.flags())?;
    let scripts = config.scripts()?;
    let preview = runtime.block_on(app::preview(&config, &scripts, &machine.name, &overrides))?;
    Ok(Answer {
        preview,
        masked: false,
    })
}

fn print(text: &str) -> Result<(), CliError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)
}
