//! `ironpxe config`

use std::io::Write;

use clap::Subcommand;

use super::serve::ServeArgs;
use super::{CliError, load};
use crate::config::Config;
use crate::{app, telemetry};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print a configuration file with every setting, its default and its meaning
    Sample,
    /// Check the configuration that `serve` would use with the same flags, and show each setting and
    /// its source
    Check(ServeArgs),
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
    }
}

fn print(text: &str) -> Result<(), CliError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)
}
