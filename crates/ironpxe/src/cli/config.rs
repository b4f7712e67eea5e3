//! `ironpxe config`

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;

use super::{CliError, load};
use ironpxe::app;
use ironpxe::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print a configuration file with every setting, its default and what it does
    Sample,
    /// Check the configuration that `serve` would use, and show what was set, and by whom
    Check {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(super) fn run(command: &ConfigCommand) -> Result<(), CliError> {
    match command {
        ConfigCommand::Sample => print(&Config::sample()),
        ConfigCommand::Check { config } => {
            let (config, _) = load(config.as_deref(), &[])?;
            let scripts = config.scripts()?;
            print(&config.settings_made())?;
            for note in scripts.notes() {
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
