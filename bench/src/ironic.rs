//! Ironic itself, from its Python packages: API and conductor in one process, on SQLite, without
//! authentication, with nodes that only pretend to be machines.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use ironpxe_testkit::process::{guarded_by, run};
use nix::sys::signal::Signal;

use crate::client;
use crate::servers::{Service, free_address};

/// What prints its title.
const VERSION: &str = "import importlib.metadata as m, platform; \
    print(f\"Ironic {m.version('ironic')} on Python {platform.python_version()}, SQLite\")";

/// Starts the one of a Python environment, with everything it keeps in `folder`.
pub(crate) fn start(venv: &Path, folder: &Path) -> Result<Service> {
    let (programs, address) = (venv.join("bin"), free_address()?);
    for name in ["state", "tmp", "lock", "http", "tftp", "images", "master"] {
        fs::create_dir_all(folder.join(name)).context("cannot create a folder")?;
    }
    let configured = include_str!("ironic.conf")
        .replace("FOLDER", &folder.display().to_string())
        .replace("PORT", &address.port().to_string());
    let configuration = folder.join("ironic.conf");
    fs::write(&configuration, configured).context("cannot write Ironic's configuration")?;
    let mut create = Command::new(programs.join("ironic-dbsync"));
    run(create.arg("--config-file").arg(&configuration).arg("create_schema"))?;
    let title = run(Command::new(programs.join("python")).args(["-c", VERSION]))?;
    let mut command = guarded_by(Signal::SIGTERM, &programs.join("ironic"), None)?;
    command.arg("--config-file").arg(&configuration);
    Service::program(title.trim(), command, address, &folder.join("ironic.err"), || {
        // Its conductor must know the hardware type: until then nodes are refused.
        let drivers = client::get(address, "/v1/drivers");
        drivers.is_ok_and(|it| it.text().contains("fake-hardware"))
    })
}
