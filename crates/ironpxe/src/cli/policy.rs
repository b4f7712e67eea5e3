//! `ironpxe policy`

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CliError, load};
use crate::app;

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Check the policy files, and print every rule with its check and where that comes from: the
    /// default, a line of a file, or a rule that it follows
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The configuration file of the service
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only rules that are not the default
    #[arg(long)]
    changed: bool,
}

pub(super) fn run(command: &PolicyCommand) -> Result<(), CliError> {
    let PolicyCommand::List(args) = command;
    let (config, _) = load(args.config.as_deref(), &[])?;
    let policy = app::policy(&config)?;
    let mut text = String::new();
    for rule in policy.rules() {
        if !args.changed || !rule.is_default() {
            // Writing to a string cannot fail. As a line of a policy file.
            let _ = writeln!(
                text,
                "{:?}: {:?}  # {}",
                rule.name,
                rule.check.to_string(),
                rule.origin
            );
        }
    }
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)
}
