//! `ironpxe config`

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::serve::ServeArgs;
use super::{CliError, load};
use crate::app::Role;
use crate::config::{Config, Environment};
use crate::{app, telemetry};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print a configuration file with every setting, its default and its meaning
    Sample,
    /// Check the configuration that `serve` would use with the same flags, and show each setting and
    /// its source
    Check(ServeArgs),
    /// Make a configuration from Ironic's, and say what was taken and what was not
    Import(ImportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Ironic's files, and directories of *.conf files, in the order of its command line
    #[arg(long = "ironic-conf", value_name = "FILE|DIR", required = true, num_args = 1..)]
    ironic_conf: Vec<PathBuf>,
    /// Write the configuration to this file (mode 600: it has the passwords); without it, it is
    /// printed without passwords
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "output")]
    force: bool,
    /// For a service beside this Ironic, instead of one with its own nodes
    #[arg(long)]
    beside: bool,
}

pub(super) fn run(command: &ConfigCommand) -> Result<(), CliError> {
    match command {
        ConfigCommand::Sample => print(&Config::sample()),
        ConfigCommand::Check(args) => {
            // The same as `serve` before it listens, in the same order.
            let (config, environment) = load(args.config.as_deref(), &args.flags())?;
            telemetry::check(
                config.general.debug,
                ServeArgs::log_filter(&environment).as_deref(),
            )?;
            let notes = app::check(&config, args.role).map_err(app::AppError::from)?;
            print(&config.settings_made())?;
            for note in notes {
                print(&format!("Note: {note}\n"))?;
            }
            for note in app::exposed_files(&config) {
                print(&format!("Note: {note}\n"))?;
            }
            print("The configuration is good.\n")
        }
        ConfigCommand::Import(args) => import(args),
    }
}

fn import(args: &ImportArgs) -> Result<(), CliError> {
    let environment = Environment::of_this_process();
    let validate = |config: &Config| app::check(config, Role::All).map(drop);
    let imported = Config::import(&args.ironic_conf, args.beside, &environment, validate)?;
    let Some(path) = &args.output else {
        print(&imported.without_secrets)?;
        // Ignored: the configuration was printed.
        let _ = std::io::stderr().write_all(imported.report.as_bytes());
        return Ok(());
    };
    write(path, &imported.file, args.force).map_err(|source| CliError::Import {
        path: path.clone(),
        source,
    })?;
    print(&imported.report)?;
    print(&format!("\n{} is written.\n", path.display()))
}

/// Writes a file that only its owner can read.
fn write(path: &Path, text: &str, force: bool) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if force {
        options.create(true);
    } else {
        options.create_new(true);
    }
    let mut file = options.open(path)?;
    // Before it has a secret.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn print(text: &str) -> Result<(), CliError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)
}
