//! Ironic itself, as the tests start it, on SQLite.

use std::path::Path;

use anyhow::Result;
use ironpxe_testkit::ironic_server::{IronicOptions, IronicServer, version};

use crate::servers::Service;

/// Starts the one of a Python environment.
pub(crate) fn start(venv: &Path) -> Result<Service> {
    let title = format!("{}, SQLite", version(venv)?);
    Service::ironic(&title, IronicServer::start(venv, IronicOptions::default())?)
}
