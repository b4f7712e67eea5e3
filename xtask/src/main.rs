//! The project's own commands, run as `cargo xtask <command>`.
//!
//! Each command is one file: `demo` shows a machine booting, `test` is what a contributor and the
//! gate run, `bench` measures what ironpxe costs beside nginx, `package` makes what is installed. What they share: [`packages`] for
//! programs of the system, [`venv`] for the Python clients, [`shell`] for running things.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these are commands for a terminal; printing is what they do"
)]

mod bench;
mod demo;
mod dhcp_servers;
mod galera;
mod ipxe;
mod package;
mod packages;
mod postgres;
mod previous;
mod shell;
mod test;
mod tools;
mod venv;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks for people who work on ironpxe.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Boot a virtual machine from ironpxe and watch it.
    Demo(demo::DemoArgs),
    /// Install what the tests need, then run every check and every test.
    Test(test::TestArgs),
    /// Measure what ironpxe costs beside nginx sending the same bytes; see docs/performance.md.
    Bench(bench::BenchArgs),
    /// Make the Debian package and the container image in `target/package`; see docs/install.md.
    Package(package::PackageArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(args) => demo::run(args).map(|()| ExitCode::SUCCESS),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Package(args) => package::run(args).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
