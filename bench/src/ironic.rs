//! Ironic itself, from its Python packages: API and conductor in one process, on SQLite, without
//! authentication, with nodes that only pretend to be machines.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use ironpxe_testkit::server::Server;

use crate::client;
use crate::servers::{Running, Target};
use crate::store::run;

pub(crate) struct RealIronic {
    /// With its version.
    pub(crate) name: String,
    pub(crate) target: Target,
    // Ends when this is dropped.
    _running: Running,
}

impl RealIronic {
    /// Starts the one of a Python environment, with everything it keeps in `folder`.
    pub(crate) fn start(venv: &Path, folder: &Path) -> Result<Self> {
        let programs = venv.join("bin");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, Server::free_port()?));
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
        let mut command = Command::new(programs.join("ironic"));
        command.arg("--config-file").arg(&configuration);
        // Its conductor must know the hardware type: until then nodes are refused.
        let running = Running::start(&command, &folder.join("ironic.err"), || {
            let drivers = client::get(address, "/v1/drivers");
            drivers.is_ok_and(|it| it.text().contains("fake-hardware"))
        })?;
        let version = "import importlib.metadata as m, platform; \
                       print(f\"Ironic {m.version('ironic')} on Python {platform.python_version()}, SQLite\")";
        let name = run(Command::new(programs.join("python")).args(["-c", version]))?;
        Ok(Self {
            name: name.trim().to_owned(),
            target: Target {
                address,
                before: "",
                after: "",
                processes: vec![running.pid()],
                database: None,
            },
            _running: running,
        })
    }
}
