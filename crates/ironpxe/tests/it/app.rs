//! The executable under test, and how every test starts it.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use ironpxe_testkit::server::{Server, ServerOptions};
pub(crate) use ironpxe_testkit::wait::{TIMEOUT, eventually};

/// The executable.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ironpxe"))
}

/// `ironpxe serve`, once it listens.
pub(crate) fn start(options: &ServerOptions) -> Result<Server> {
    Server::start(binary(), options)
}

/// `ironpxe serve` that must not start; its log.
pub(crate) fn start_refused(options: &ServerOptions) -> Result<String> {
    match start(options) {
        Ok(_) => bail!("it started"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

/// `ironpxe …` with nothing of this process's environment.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent/home");
    command
}
