//! `ironpxe db`: the schema version of the database.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CliError, load, offline_flags};
use crate::app::{self, Compatibility, DbError};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum DbCommand {
    /// Upgrade the database schema; reports if older releases can no longer use it
    Upgrade(Database),
    /// Show the schema versions of the database and this program; exits with 1 if they are incompatible
    Status(Database),
}

#[derive(Debug, Args)]
pub(super) struct Database {
    /// The configuration file of the service
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The state directory (`[DEFAULT]state_path`)
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
}

pub(super) fn run(command: &DbCommand) -> Result<(), CliError> {
    match command {
        DbCommand::Upgrade(database) => upgrade(&database.config()?),
        DbCommand::Status(database) => status(&database.config()?),
    }
}

impl Database {
    fn config(&self) -> Result<Config, CliError> {
        let flags = offline_flags("(db)", self.state_dir.as_ref());
        Ok(load(self.config.as_deref(), &flags)?.0)
    }
}

fn upgrade(config: &Config) -> Result<(), CliError> {
    let done = wait_for(app::database_upgrade(config))?;
    let mut text = String::new();
    for migration in &done {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:04} {}: done",
            migration.version, migration.description
        );
        // The first migration cannot break an earlier release.
        if migration.version > 1 && migration.compatible_with == migration.version {
            let _ = writeln!(text, "     older releases can no longer use this database");
        }
    }
    text.push_str("The database schema is up to date.\n");
    print(&text)
}

fn status(config: &Config) -> Result<(), CliError> {
    let status = wait_for(app::database_status(config))?;
    let schema = match status.here {
        Some(version) => format!("version {version}"),
        None => "not created yet".to_owned(),
    };
    let mut text = format!(
        "database:        {}, {}\ndatabase schema: {schema}\nprogram schema:  version {}\n",
        status.backend, status.location, status.executable
    );
    for migration in status.pending() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "pending:         {:04} {}",
            migration.version, migration.description
        );
    }
    print(&text)?;
    match status.compatibility {
        Compatibility::Current
        | Compatibility::Newer {
            compatible: true, ..
        } => Ok(()),
        Compatibility::Pending(_) => Err(CliError::MigrationsPending),
        Compatibility::Newer {
            here, executable, ..
        } => Err(CliError::Database(DbError::SchemaNewer {
            location: status.location,
            here,
            executable,
        })),
        Compatibility::Altered(version) => Err(CliError::Database(DbError::SchemaAltered {
            location: status.location,
            version,
        })),
    }
}

fn wait_for<T>(work: impl Future<Output = Result<T, DbError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    Ok(runtime.block_on(work)?)
}

fn print(text: &str) -> Result<(), CliError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)
}
