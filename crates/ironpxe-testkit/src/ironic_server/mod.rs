//! A real Ironic from its Python packages: API and conductor in one process group, with nodes that only
//! pretend to be machines, and the boot files that its conductor writes for them. Without authentication,
//! or with that of a real Keystone.
//!
//! Its database is a file of SQLite, or one of a [`crate::mariadb::Mariadb`]. Several conductors can
//! share one of the latter ([`IronicOptions::shares`]). How it ends, in all cases, is in `instance.rs`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::instance::Instance;
use crate::ironic::Ironic;
use crate::journal::Journal;
use crate::lan::Lan;
use crate::process::run;
use crate::server::Server;

/// The environment with Ironic itself.
const VENV_VARIABLE: &str = "IRONPXE_TEST_IRONIC_VENV";
const STARTS_WITHIN: Duration = crate::wait::TIMEOUT;
const POLL: Duration = Duration::from_millis(50);
/// How often to try other ports if the free ones were taken meanwhile.
const PORTS_TO_TRY: usize = 5;
const LOG_TAIL: usize = 40;

/// Where the environment with Ironic itself is.
///
/// # Errors
///
/// If there is none.
pub fn venv() -> Result<PathBuf> {
    let venv = match std::env::var_os(VENV_VARIABLE) {
        Some(venv) => PathBuf::from(venv),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv-ironic"),
    };
    ensure!(
        venv.join("bin/ironic").exists(),
        "Ironic is not in {}: run `cargo xtask test --full`, which installs it",
        venv.display()
    );
    Ok(venv)
}

/// How to start an Ironic. The default is one on SQLite that only this host can reach.
#[derive(Clone, Debug, Default)]
pub struct IronicOptions {
    /// The network it is on, if it is not this host's own.
    pub lan: Option<Lan>,
    /// A database on MariaDB, as [`crate::mariadb::Mariadb::url`] gives it.
    pub database: Option<String>,
    /// Whether its tables are there already, made by another Ironic with which it shares its nodes.
    /// Both call each other's conductors by JSON-RPC.
    pub shares: Shares,
    /// `[deploy]http_url`: where machines find what is in [`IronicServer::http_root`]; a port at which
    /// nothing listens if empty.
    pub http_url: String,
    /// A token of a Keystone for its administrator, if `settings` have
    /// [`crate::openstack::Keystone::ironic_settings`].
    pub token: Option<String>,
    /// More of `ironic.conf`. `{FOLDER}` stands for the server's folder.
    pub settings: String,
}

/// With whom an Ironic shares its database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shares {
    /// It is the only one.
    #[default]
    Nothing,
    /// It creates the tables, and others follow.
    First,
    /// The tables are there.
    Another,
}

/// A running Ironic. Dropping it kills it and removes what it kept.
#[derive(Debug)]
pub struct IronicServer {
    /// What it says on standard error.
    pub log: Arc<Journal<String>>,
    /// Of its API.
    pub address: SocketAddr,
    instance: Instance,
    venv: PathBuf,
    options: IronicOptions,
    rpc_port: u16,
}

impl IronicServer {
    /// Starts the one of a Python environment, and waits until it can take nodes.
    pub fn start(venv: &Path, options: IronicOptions) -> Result<Self> {
        let instance = Instance::new("ironpxe-ironic-", Signal::SIGKILL, None)?;
        for name in ["state", "tmp", "lock", "http", "tftp", "images", "master"] {
            fs::create_dir_all(instance.folder().join(name)).context("cannot create a folder")?;
        }
        let ip = options
            .lan
            .as_ref()
            .map_or(Ipv4Addr::LOCALHOST.into(), |_| Lan::address());
        let mut server = Self {
            log: Arc::default(),
            address: SocketAddr::new(ip, 0),
            instance,
            venv: venv.to_owned(),
            options,
            rpc_port: 0,
        };
        let mut tries = 0;
        loop {
            tries += 1;
            server.address.set_port(Server::free_port()?);
            server.rpc_port = Server::free_port()?;
            if tries == 1 && server.options.shares != Shares::Another {
                server.create_schema()?;
            }
            match server.launch() {
                Err(error)
                    if tries < PORTS_TO_TRY
                        && format!("{error:#}").contains("Address already in use") => {}
                started => return started.map(|()| server),
            }
        }
    }

    fn create_schema(&self) -> Result<()> {
        self.configure()?;
        let mut create = self.instance.server(
            &self.venv.join("bin/ironic-dbsync"),
            self.options.lan.as_ref(),
        )?;
        self.environment(&mut create);
        create.arg("--config-file").arg(self.configuration());
        run(create.arg("create_schema")).map(drop)
    }

    /// Starts it again after [`IronicServer::kill`], with more of `ironic.conf`.
    pub fn restart(&mut self, settings: &str) -> Result<()> {
        self.options.settings.push_str(settings);
        self.launch()
    }

    fn launch(&mut self) -> Result<()> {
        self.configure()?;
        let program = self.venv.join("bin/ironic");
        let mut command = self.instance.server(&program, self.options.lan.as_ref())?;
        self.environment(&mut command);
        command.arg("--config-file").arg(self.configuration());
        self.log = self.instance.spawn(command)?;
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            let ended = self.instance.ended()?;
            // Its conductor must know the hardware type: until then nodes are refused.
            if ended.is_none() && self.knows_hardware() {
                return Ok(());
            }
            if ended.is_some() || Instant::now() >= deadline {
                let _ = self.kill();
                let log = fs::read_to_string(self.instance.folder().join("ironic.log"));
                let log = log.unwrap_or_default();
                let skip = log.lines().count().saturating_sub(LOG_TAIL);
                let tail: Vec<&str> = log.lines().skip(skip).collect();
                let said = self.log.tail(LOG_TAIL).join("\n");
                bail!(
                    "Ironic does not start ({ended:?})\n{said}\n{}",
                    tail.join("\n")
                );
            }
            thread::sleep(POLL);
        }
    }

    fn knows_hardware(&self) -> bool {
        let Ok(client) = self.client() else {
            return false;
        };
        let drivers = client.get("/v1/drivers");
        if !drivers.is_ok_and(|it| it.text.contains("fake-hardware")) {
            return false;
        }
        let conductors = client.get("/v1/conductors").map(|it| it.json);
        let alive = conductors.ok().and_then(|it| {
            let all = it.get("conductors")?.as_array()?.clone();
            let mut alive = all
                .iter()
                .filter(|it| it.get("alive") == Some(&Value::Bool(true)));
            alive.find(|it| it.get("hostname").and_then(Value::as_str) == Some(&self.name()))?;
            Some(())
        });
        alive.is_some()
    }

    fn configure(&self) -> Result<()> {
        let folder = self.instance.folder().display().to_string();
        let database = match &self.options.database {
            Some(url) => format!(
                "{}?charset=utf8mb4",
                url.replace("mysql://", "mysql+pymysql://")
            ),
            None => format!("sqlite:///{}", self.database_file().display()),
        };
        let (transport, host) = match self.options.shares {
            Shares::Nothing => ("none", "conductor-1".to_owned()),
            Shares::First | Shares::Another => ("json-rpc", self.address.ip().to_string()),
        };
        let http_url = match self.options.http_url.as_str() {
            "" => format!("http://{}:1", self.address.ip()),
            url => url.to_owned(),
        };
        let text = [include_str!("ironic.conf"), &self.options.settings].concat();
        let text = text
            .replace("{FOLDER}", &folder)
            .replace("{RPC_PORT}", &self.rpc_port.to_string())
            .replace("{PORT}", &self.address.port().to_string())
            .replace("{ADDRESS}", &self.address.ip().to_string())
            .replace("{TRANSPORT}", transport)
            .replace("{HOST}", &host)
            .replace("{DATABASE}", &database)
            .replace("{HTTP_URL}", &http_url);
        fs::write(self.configuration(), text).context("cannot write Ironic's configuration")
    }

    /// Nothing of this process's own.
    fn environment(&self, command: &mut Command) {
        command.env_clear().env("HOME", self.instance.folder());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("LANG", "C.UTF-8")
            .env("PYTHONWARNINGS", "ignore");
    }

    /// The name of its conductor.
    pub fn name(&self) -> String {
        match self.options.shares {
            Shares::Nothing => "conductor-1".to_owned(),
            Shares::First | Shares::Another => format!("{}:{}", self.address.ip(), self.rpc_port),
        }
    }

    /// `http://host:port` of its API, for this host.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of its API.
    pub fn client(&self) -> Result<Ironic> {
        let client = Ironic::new(&self.url())?;
        Ok(match &self.options.token {
            Some(token) => client.with_token(token),
            None => client,
        })
    }

    /// Its `ironic.conf`.
    pub fn configuration(&self) -> PathBuf {
        self.instance.folder().join("ironic.conf")
    }

    /// Its database, if that is not on MariaDB.
    pub fn database_file(&self) -> PathBuf {
        self.instance.folder().join("ironic.sqlite")
    }

    /// Its folder. Files in it may be named by `file://` URLs.
    pub fn folder(&self) -> &Path {
        self.instance.folder()
    }

    /// Where its conductor writes what machines fetch.
    pub fn http_root(&self) -> PathBuf {
        self.instance.folder().join("http")
    }

    /// What its conductor wrote for the machine with this MAC address, if it did.
    pub fn boot_file(&self, mac: &str) -> Option<String> {
        let name = mac.replace(':', "-").to_lowercase();
        fs::read_to_string(self.http_root().join("pxelinux.cfg").join(name)).ok()
    }

    /// What it logs.
    pub fn log_text(&self) -> String {
        fs::read_to_string(self.instance.folder().join("ironic.log")).unwrap_or_default()
    }

    /// Its first process.
    pub fn pid(&self) -> Result<u32> {
        self.instance.pid()
    }

    /// Kills all its processes at once, as a power cut would.
    pub fn kill(&self) -> Result<()> {
        self.instance.kill()
    }

    /// Stops it where it stands.
    pub fn pause(&self) -> Result<()> {
        self.instance.pause()
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.instance.resume()
    }
}

/// Which Ironic, on which Python: `Ironic 39.0.0 on Python 3.11.2`.
pub fn version(venv: &Path) -> Result<String> {
    const PROGRAM: &str = "import importlib.metadata as m, platform; \
        print(f\"Ironic {m.version('ironic')} on Python {platform.python_version()}\")";
    let said = run(Command::new(venv.join("bin/python")).args(["-c", PROGRAM]))?;
    Ok(said.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance;
    use crate::mariadb::Mariadb;
    use nix::unistd::Pid;
    use serde_json::json;

    const MAC: &str = "52:54:00:00:00:01";

    /// Enrols a node and deploys it without any agent: `active` once the conductor has written its
    /// boot file.
    fn deploy(ironic: &IronicServer) -> Result<String> {
        for name in ["kernel", "ramdisk"] {
            fs::write(ironic.folder().join(name), name)?;
        }
        let file = |name: &str| format!("file://{}", ironic.folder().join(name).display());
        let client = ironic.client()?;
        let uuid = client.enrol(
            &json!({
                "driver": "fake-hardware",
                "deploy_interface": "ramdisk",
                "instance_info": {"kernel": file("kernel"), "ramdisk": file("ramdisk")},
            }),
            MAC,
        )?;
        client.walk(
            &uuid,
            &[
                ("manage", "manageable"),
                ("provide", "available"),
                ("active", "active"),
            ],
        )?;
        Ok(uuid)
    }

    /// It and its conductor's files survive a kill, and nothing of it is left in the end.
    fn lives(options: IronicOptions) -> Result<()> {
        let mut ironic = IronicServer::start(&venv()?, options)?;
        let uuid = deploy(&ironic)?;
        let file = ironic.boot_file(MAC).context("no boot file")?;
        ensure!(file.contains(&format!("/{uuid}/kernel")), "{file}");
        let group = ironic.pid()?;
        ensure!(alive(group)? > 1, "its worker is not in its group");
        ironic.kill()?;
        ensure!(alive(group)? == 0, "something of it is left");
        ironic.restart("[pxe]\nipxe_timeout = 7000\n")?;
        ensure!(ironic.client()?.node(&uuid)?["provision_state"] == "active");
        let (folder, group) = (ironic.folder().to_owned(), ironic.pid()?);
        drop(ironic);
        ensure!(!folder.exists() && alive(group)? == 0);
        Ok(())
    }

    /// The processes of a group that are not zombies.
    fn alive(group: u32) -> Result<usize> {
        let members = instance::members(Pid::from_raw(i32::try_from(group)?))?;
        Ok(members
            .into_iter()
            .filter(|pid| instance::is_alive(*pid))
            .count())
    }

    #[test]
    #[ignore = "needs Ironic itself, which `cargo xtask test --full` installs"]
    fn ironic_on_sqlite_writes_boot_files_and_leaves_nothing() -> Result<()> {
        lives(IronicOptions::default())
    }

    #[test]
    #[ignore = "needs Ironic itself, which `cargo xtask test --full` installs"]
    fn ironic_on_mariadb_writes_boot_files_and_leaves_nothing() -> Result<()> {
        let mariadb = Mariadb::shared().context("there is no MariaDB")?;
        let database = mariadb.create_database()?;
        let options = IronicOptions {
            database: Some(mariadb.url(&database)),
            ..IronicOptions::default()
        };
        lives(options)?;
        let nodes = mariadb.sql(&database, "SELECT provision_state FROM nodes")?;
        ensure!(nodes == "active", "{nodes}");
        Ok(())
    }
}
