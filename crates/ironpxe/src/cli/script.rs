//! `ironpxe script`: what a machine would boot, by the database of the service, and why.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ironpxe_core::boot::{KICKSTART_TEMPLATE, TEMPLATES};
use ironpxe_core::provision_state::ProvisionState;

use super::{CliError, load};
use ironpxe::app::{self, BootPreview};
use ironpxe::config::Flag;

#[derive(Debug, Subcommand)]
pub(super) enum ScriptCommand {
    /// Print the script exactly as the machine would get it, passwords included
    Show(Machine),
    /// Say what the machine would boot, and which fields and settings made it so
    Explain(Machine),
    /// Print a built-in script template, or the names of all
    Template {
        /// The template
        name: Option<String>,
    },
    /// Print the built-in kickstart template, to begin one of one's own with
    Kickstart,
}

#[derive(Debug, Args)]
pub(super) struct Machine {
    /// A node's UUID or name, or the MAC address of one of its ports
    #[arg(value_name = "NODE|MAC")]
    name: String,
    /// As if the node were in this provision state
    #[arg(long, value_parser = state)]
    state: Option<ProvisionState>,
    /// The configuration file of the service
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder in which the service keeps everything ([DEFAULT]`state_path`)
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
    /// Where the service listens, if it was told by `serve --listen`
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
}

fn state(name: &str) -> Result<ProvisionState, String> {
    ProvisionState::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = ProvisionState::all().map(ProvisionState::name).collect();
        format!("it is none of: {}", names.join(", "))
    })
}

impl Machine {
    /// The settings these flags make.
    fn flags(&self) -> Vec<Flag> {
        let flag = |name, section, key, value| Flag {
            name,
            section,
            key,
            value,
        };
        // Nobody is let in here; whom the service lets in is for `serve` to ask.
        let mut flags = vec![flag(
            "(script)",
            "api",
            "allow_unauthenticated_access",
            "true".to_owned(),
        )];
        if let Some(folder) = &self.state_dir {
            flags.push(flag("--state-dir", "DEFAULT", "state_path", folder.clone()));
        }
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
    print(&preview(machine)?.script)
}

fn explain(machine: &Machine) -> Result<(), CliError> {
    let preview = preview(machine)?;
    let mut text = format!(
        "node {} in state \"{}\" boots: {}\n",
        preview.node_uuid, preview.provision_state, preview.plan
    );
    for (topic, words) in &preview.reasons {
        // A terminal acts upon control characters.
        let words: String = words
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {topic:11}{words}");
    }
    print(&text)
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

/// Asks the database. The service need not run, and does not notice if it does.
fn preview(machine: &Machine) -> Result<BootPreview, CliError> {
    let (config, _) = load(machine.config.as_deref(), &machine.flags())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let preview = runtime.block_on(app::preview(&config, &machine.name, machine.state))?;
    Ok(preview)
}

fn print(text: &str) -> Result<(), CliError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)
}
