//! Servers that are measured: ironpxe in its roles, nginx as it serves static boot configuration today.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::server::{Server, ServerOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client;
use crate::names::mac;
use crate::store::Store;
use crate::usage::{self, Usage};

/// How machines ask for a script.
pub(crate) const BY_ADDRESS: &str =
    "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?port_address=";
/// Nothing that is waited for takes longer.
const LIMIT: Duration = Duration::from_mins(1);

/// Where requests go, and what stands around a node's MAC address in their path.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
    /// The processes to account for, each with all it started.
    pub(crate) processes: Vec<u32>,
    /// The database server behind them, if it is a process of its own.
    pub(crate) database: Option<u32>,
}

impl Target {
    pub(crate) fn path(&self, node: u32) -> String {
        format!("{}{}{}", self.before, mac(node), self.after)
    }

    /// Of all processes but the database server's.
    pub(crate) fn usage(&self) -> Result<Usage> {
        self.processes.iter().map(|pid| usage::of(*pid)).sum()
    }

    pub(crate) fn database_usage(&self) -> Result<Usage> {
        self.database.map_or(Ok(Usage::default()), usage::of)
    }
}

/// Asks again and again until it is so.
pub(crate) fn wait_until(what: &str, so: impl Fn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !so()? {
        ensure!(start.elapsed() < LIMIT, "{what} not after {LIMIT:?}");
        // Short, because starting is measured too.
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// How an ironpxe is run.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    pub(crate) ironpxe: &'a Path,
    pub(crate) store: &'a Store,
    /// Where logs go.
    pub(crate) folder: &'a Path,
    /// API and conductor as processes of their own.
    pub(crate) roles: bool,
    /// The processors it may use, as `taskset` takes them; all, if not given.
    pub(crate) cores: Option<&'a str>,
    /// Settings, as the environment has them.
    pub(crate) environment: &'a [(&'a str, String)],
}

impl<'a> Setup<'a> {
    /// One process, with all processors and the usual settings.
    pub(crate) fn new(ironpxe: &'a Path, store: &'a Store, folder: &'a Path) -> Self {
        Self { ironpxe, store, folder, roles: false, cores: None, environment: &[] }
    }
}

/// A running ironpxe.
pub(crate) struct Ironpxe {
    pub(crate) address: SocketAddr,
    /// From before the first process was started until the first script was there.
    pub(crate) first_script: Duration,
    servers: Vec<Server>,
    database: Option<u32>,
}

impl Ironpxe {
    /// Starts it on a store that holds node 0, and waits for that node's script.
    pub(crate) fn start(setup: &Setup<'_>) -> Result<Self> {
        let before = Instant::now();
        let mut ironpxe = Self::start_empty(setup)?;
        let path = ironpxe.target(BY_ADDRESS, "").path(0);
        wait_until("a script is there", || Ok(client::get(ironpxe.address, &path)?.is_script()))?;
        ironpxe.first_script = before.elapsed();
        Ok(ironpxe)
    }

    /// Starts it whatever is in the store.
    pub(crate) fn start_empty(setup: &Setup<'_>) -> Result<Self> {
        fs::create_dir_all(setup.folder).context("cannot create a folder for logs")?;
        let roles: &[&'static str] = if setup.roles { &["conductor", "api"] } else { &["all"] };
        let (state_dir, mut environment) = setup.store.settings();
        let own = setup.environment.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        environment.extend(own);
        let start = |role: &&'static str| {
            let options = ServerOptions {
                role: Some(role),
                state_dir: state_dir.clone(),
                environment: environment.clone(),
                cores: setup.cores.map(str::to_owned),
                // A log in a file costs us nothing while we measure.
                log_file: Some(setup.folder.join(format!("{role}.log"))),
                ..ServerOptions::default()
            };
            Server::start(setup.ironpxe, &options)
        };
        let servers = roles.iter().map(start).collect::<Result<Vec<_>>>()?;
        let api = servers.last().context("no process")?;
        let address = api.base_url().trim_start_matches("http://").parse()?;
        let database = setup.store.pid()?;
        Ok(Self { address, first_script: Duration::ZERO, servers, database })
    }

    pub(crate) fn target(&self, before: &'static str, after: &'static str) -> Target {
        let processes = self.servers.iter().map(Server::id).collect();
        Target { address: self.address, before, after, processes, database: self.database }
    }
}

impl Drop for Ironpxe {
    fn drop(&mut self) {
        // In good order, so that the next one of this name need not wait whether it is still there.
        for server in &mut self.servers {
            let _ = server.terminate();
        }
    }
}

/// Another program that does not outlive us.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it; what it says goes to the file `log`. It is ready when `ready` says so.
    pub(crate) fn start(command: &Command, log: &Path, ready: impl Fn() -> bool) -> Result<Self> {
        let mut guarded = Command::new("setpriv");
        guarded.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program());
        guarded.args(command.get_args()).stdin(Stdio::null()).stdout(Stdio::null());
        guarded.stderr(File::create(log).context("cannot create a log")?);
        let running = Self(guarded.spawn().context("cannot start a server")?);
        let waited = wait_until("a server is ready", || Ok(ready()));
        waited.with_context(|| format!("{command:?}: {:?}", fs::read_to_string(log)))?;
        Ok(running)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its own children have to go, too.
        let pid = i32::try_from(self.0.id()).map(Pid::from_raw);
        let _ = pid.map(|it| kill(it, Signal::SIGTERM));
        let _ = self.0.wait();
    }
}

/// A running nginx.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    running: Running,
}

impl Nginx {
    /// Serves `files`. `logging` is what most installations do: a line for each request.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        files: &Path,
        logging: bool,
        cores: Option<&str>,
    ) -> Result<Self> {
        let log = if logging { "access.log" } else { "off" };
        Self::run(program, folder, &format!("root {};", files.display()), log, cores)
    }

    /// Passes on what another server sends, and keeps nothing of it on the disk.
    pub(crate) fn proxy(program: &Path, folder: &Path, origin: SocketAddr) -> Result<Self> {
        let serves = format!(
            "location / {{ proxy_pass http://origin; proxy_http_version 1.1; \
             proxy_set_header Connection \"\"; proxy_max_temp_file_size 0; }} }}
             upstream origin {{ server {origin}; keepalive 64;"
        );
        Self::run(program, folder, &serves, "off", None)
    }

    fn run(
        program: &Path,
        folder: &Path,
        serves: &str,
        log: &str,
        cores: Option<&str>,
    ) -> Result<Self> {
        fs::create_dir_all(folder).context("cannot create the folder for nginx")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, Server::free_port()?));
        let configured = include_str!("nginx.conf")
            .replace("access_log LOG", &format!("access_log {log}"))
            .replace("ADDRESS backlog", &format!("{address} backlog"))
            .replace("; SERVES }", &format!("; {serves} }}"));
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, configured).context("cannot write nginx's configuration")?;
        let mut command = Command::new(program);
        if let Some(cores) = cores {
            command = Command::new("taskset");
            command.args(["--cpu-list", cores]).arg(program);
        }
        command.arg("-p").arg(folder).arg("-c").arg(&configuration);
        command.arg("-e").arg(folder.join("error.log"));
        let ready = || TcpStream::connect(address).is_ok();
        let running = Running::start(&command, &folder.join("nginx.err"), ready)?;
        Ok(Self { address, running })
    }

    pub(crate) fn target(&self) -> Target {
        let (address, processes) = (self.address, vec![self.running.pid()]);
        Target { address, before: "/", after: "", processes, database: None }
    }
}
