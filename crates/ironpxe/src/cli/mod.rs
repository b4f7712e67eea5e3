//! The command line.
//!
//! Exit codes: 0 success; 64 invalid configuration or command line; 130 a second signal aborted the
//! shutdown; 1 any other error.

mod beside;
mod config;
mod db;
mod dhcp;
mod explanation;
mod policy;
mod remote;
mod script;
mod serve;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::app::{AppError, CheckError, DbError, OfflineError};
use crate::config::{Config, ConfigError, Environment, Flag};
use crate::telemetry::LogError;
use ironpxe_core::dhcp::example::{ExampleError, ParseSubnetError};

/// `EX_USAGE` of `sysexits.h`.
const USAGE: u8 = 64;

/// As shells report a program ended by SIGINT.
const ABORTED: u8 = 130;

/// The timeout at exit for writing to standard error.
const STDERR_TIMEOUT: Duration = Duration::from_secs(1);

const ABOUT: &str = "Network booting of bare metal: the OpenStack Ironic API, and iPXE scripts \
                     generated when a machine asks";

#[derive(Debug, Parser)]
#[command(about = ABOUT, version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(serve::ServeArgs),
    /// Show or check configurations
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Show or upgrade the version of the database schema
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Print DHCP server configuration
    #[command(subcommand)]
    Dhcp(dhcp::DhcpCommand),
    /// Check an existing Ironic, beside which the service runs
    #[command(subcommand)]
    Beside(beside::BesideCommand),
    /// Show who may do what
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Show which boot script a machine would get, and why, without booting it
    #[command(subcommand)]
    Script(script::ScriptCommand),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Preview(#[from] OfflineError),
    #[error(transparent)]
    Remote(#[from] remote::RemoteError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error("not all machines boot what Ironic's files boot, or there are errors: see the report")]
    Differs,
    #[error("the database schema is older than this program: run `ironpxe db upgrade`")]
    MigrationsPending,
    #[error("there is no template {0:?}; `ironpxe script template` lists them")]
    NoTemplate(String),
    #[error(transparent)]
    DhcpExample(#[from] ExampleError),
    #[error(transparent)]
    Subnet(ParseSubnetError),
    #[error("cannot write {}{}", .path.display(), if_exists(.source))]
    Import {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
}

fn if_exists(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => "; pass --force to overwrite it",
        _ => "",
    }
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Check(CheckError::NotBeside)
            | Self::Log(LogError::Filter(_))
            | Self::App(AppError::Config(_))
            | Self::NoTemplate(_)
            | Self::Subnet(_)
            | Self::DhcpExample(_) => USAGE,
            Self::Remote(error) if error.is_usage() => USAGE,
            Self::App(AppError::ShutdownAborted(_)) => ABORTED,
            Self::Remote(_)
            | Self::Log(LogError::Thread(_))
            | Self::App(_)
            | Self::Preview(_)
            | Self::Database(_)
            | Self::MigrationsPending
            | Self::Import { .. }
            | Self::Check(_)
            | Self::Differs
            | Self::Runtime(_)
            | Self::Output(_) => 1,
        }
    }
}

/// Executes the command line, and returns the exit code.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // Includes `--help` and `--version`. Errors of printing are ignored.
            let _ = answer.print();
            return ExitCode::from(if answer.use_stderr() { USAGE } else { 0 });
        }
    };
    let done = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Config(command) => config::run(&command),
        Command::Db(command) => db::run(&command),
        Command::Dhcp(command) => dhcp::run(&command),
        Command::Beside(command) => beside::run(&command),
        Command::Policy(command) => policy::run(&command),
        Command::Script(command) => script::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            print_error(error);
            ExitCode::from(code)
        }
    }
}

/// The configuration of a command that takes `--config`.
fn load(file: Option<&Path>, flags: &[Flag]) -> Result<(Config, Environment), ConfigError> {
    let environment = Environment::of_this_process();
    let config = Config::load(file, &environment, flags)?;
    Ok((config, environment))
}

/// The settings of a command that works on the database without serving.
fn offline_flags(command: &'static str, state_dir: Option<&String>) -> Vec<Flag> {
    let flag = |name, section, key, value| Flag {
        name,
        section,
        key,
        value,
    };
    // Only `serve` requires `--allow-unauthenticated`.
    let unauthenticated = flag(
        command,
        "api",
        "allow_unauthenticated_access",
        "true".to_owned(),
    );
    let state_path = state_dir.map(|it| flag("--state-dir", "DEFAULT", "state_path", it.clone()));
    std::iter::once(unauthenticated).chain(state_path).collect()
}

/// Writes the error with its causes to standard error; returns even if it is not read.
fn print_error(error: CliError) {
    // anyhow's alternate form has the causes, in one line.
    let text = format!("{:#}", anyhow::Error::new(error));
    let (written, done) = mpsc::channel();
    thread::spawn(move || {
        for line in text.lines() {
            let _ = writeln!(std::io::stderr(), "ironpxe: {line}");
        }
        let _ = written.send(());
    });
    let _ = done.recv_timeout(STDERR_TIMEOUT);
}
