//! Servers that are measured: ironpxe in its roles, nginx as it serves static boot configuration today.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic_server::IronicServer;
use ironpxe_testkit::process::{Child, guarded_by, spawn};
use ironpxe_testkit::server::{Server, ServerOptions};
use nix::sys::signal::Signal;

use crate::client;
use crate::names::mac;
use crate::usage::{self, Usage};

/// How machines ask for a script.
const BY_ADDRESS: &str = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?port_address=";
/// Nothing that is waited for takes longer.
const LIMIT: Duration = Duration::from_mins(1);

/// Where requests go, and what stands around a node's MAC address in their path.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) before: String,
    pub(crate) after: &'static str,
    /// The processes to account for, each with all it started.
    processes: Vec<u32>,
    /// The database server behind them, if it is a process of its own.
    database: Vec<u32>,
}

impl Target {
    pub(crate) fn path(&self, node: u32) -> String {
        format!("{}{}{}", self.before, mac(node), self.after)
    }

    /// Of all processes but the database server's.
    pub(crate) fn usage(&self) -> Result<Usage> {
        usage::of(&self.processes)
    }

    pub(crate) fn database_usage(&self) -> Result<Usage> {
        usage::of(&self.database)
    }
}

/// A server, which runs until this is dropped.
pub(crate) struct Service {
    pub(crate) title: String,
    pub(crate) target: Target,
    /// From the start of its first process to its first script. Not a number of what has no database.
    pub(crate) first_script_ms: f64,
    /// Before it had anything to do.
    pub(crate) idle: Usage,
    ironpxe: Vec<Server>,
    other: Option<Child>,
    _ironic: Option<IronicServer>,
}

impl Drop for Service {
    fn drop(&mut self) {
        // Killed, nginx would leave its workers, and the next ironpxe of the same name would wait whether
        // this one is still there.
        for server in &mut self.ironpxe {
            let _ = server.terminate();
        }
        if let Some(child) = &mut self.other {
            let _ = child.terminate().and_then(|()| child.wait(LIMIT));
        }
    }
}

impl Service {
    /// Starts a process for each of `roles` on a source that holds node 0, and waits for its script.
    /// `database` are the processes of the source.
    pub(crate) fn ironpxe(
        title: &str,
        executable: &Path,
        database: Vec<u32>,
        options: &ServerOptions,
        roles: &[&'static str],
    ) -> Result<Self> {
        let before = Instant::now();
        let start = |role: &&'static str| {
            let mut options = options.clone().role(role);
            // A log for each process: they would overwrite each other's.
            options.log_file = options.log_file.map(|it| it.with_extension(role));
            Server::start(executable, &options)
        };
        let servers = roles.iter().map(start).collect::<Result<Vec<_>>>()?;
        let api = servers.last().context("no process")?;
        let target = Target {
            address: api.base_url().trim_start_matches("http://").parse()?,
            before: BY_ADDRESS.to_owned(),
            after: "",
            processes: servers.iter().map(Server::id).collect(),
            database,
        };
        let (address, path) = (target.address, target.path(0));
        wait_until("a script is there", || Ok(client::get(address, &path)?.is_script()))?;
        let first_script_ms = before.elapsed().as_secs_f64() * 1e3;
        let (title, idle) = (title.to_owned(), target.usage()?);
        Ok(Self {
            title,
            target,
            first_script_ms,
            idle,
            ironpxe: servers,
            other: None,
            _ironic: None,
        })
    }

    /// The same, asked as `/v1/boot/<mac>/boot.ipxe`.
    pub(crate) fn by_boot_url(mut self) -> Self {
        self.target.before = String::from("/v1/boot/");
        self.target.after = "/boot.ipxe";
        self
    }

    /// Starts another program, with its standard error in the file `log`, and waits until it is `ready`.
    pub(crate) fn program(
        title: &str,
        mut command: Command,
        address: SocketAddr,
        log: &Path,
        ready: impl Fn() -> bool,
    ) -> Result<Self> {
        command.stdout(Stdio::null()).stderr(File::create(log).context("cannot create a log")?);
        let mut child = spawn(command)?;
        let waited = wait_until(title, || {
            let ended = child.ended()?;
            ensure!(ended.is_none(), "{title} ended: {ended:?}");
            Ok(ready())
        });
        waited.with_context(|| fs::read_to_string(log).unwrap_or_default())?;
        let (before, processes) = ("/".to_owned(), vec![child.id()]);
        let target = Target { address, before, after: "", processes, database: Vec::new() };
        let (title, idle, other) = (title.to_owned(), target.usage()?, Some(child));
        Ok(Self {
            title,
            target,
            first_script_ms: f64::NAN,
            idle,
            ironpxe: Vec::new(),
            other,
            _ironic: None,
        })
    }

    /// A running Ironic.
    pub(crate) fn ironic(title: &str, ironic: IronicServer) -> Result<Self> {
        let (address, processes) = (ironic.address, vec![ironic.pid()?]);
        let (before, database) = ("/".to_owned(), Vec::new());
        let target = Target { address, before, after: "", processes, database };
        let (title, idle) = (title.to_owned(), target.usage()?);
        let ironpxe = Vec::new();
        let first_script_ms = f64::NAN;
        Ok(Self {
            title,
            target,
            first_script_ms,
            idle,
            ironpxe,
            other: None,
            _ironic: Some(ironic),
        })
    }

    /// Starts nginx. `serves` is in its `server` block; `log` is the file of its access log, or `off`.
    pub(crate) fn nginx(
        title: &str,
        executable: &Path,
        folder: &Path,
        serves: &str,
        log: &str,
        cores: Option<&str>,
    ) -> Result<Self> {
        let folder = folder.join(title);
        fs::create_dir_all(&folder).context("cannot create the folder for nginx")?;
        let address = free_address()?;
        let configured = include_str!("nginx.conf")
            .replace("access_log LOG", &format!("access_log {log}"))
            .replace("ADDRESS backlog", &format!("{address} backlog"))
            .replace("; SERVES }", &format!("; {serves} }}"));
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, configured).context("cannot write nginx's configuration")?;
        let mut command = guarded_by(Signal::SIGTERM, executable, cores)?;
        command.arg("-p").arg(&folder).arg("-c").arg(&configuration);
        command.arg("-e").arg(folder.join("error.log"));
        let ready = || TcpStream::connect(address).is_ok();
        Self::program(title, command, address, &folder.join("nginx.err"), ready)
    }
}

pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, Server::free_port()?)))
}

/// Asks again and again until it is so.
fn wait_until(what: &str, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !so()? {
        ensure!(start.elapsed() < LIMIT, "{what}: not after {LIMIT:?}");
        // Short, because starting is measured too.
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
