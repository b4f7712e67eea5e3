//! The two servers: ironpxe as it is released, and nginx with a file for each address.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Gid, Group, Pid, Uid, User},
};
use serde_json::Value;

use super::nodes::mac;
use crate::shell;

/// A server must be ready, and gone again, within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the load goes, and how the address stands in the path.
pub(super) struct Target {
    pub(super) base: String,
    pub(super) before_mac: &'static str,
    pub(super) separator: &'static str,
    /// The processes to account for, each with all it started.
    pub(super) pids: Vec<u32>,
    /// The database server behind them, if it is a process of its own.
    pub(super) database: Option<u32>,
}

impl Target {
    /// ironpxe, answering at `base`.
    pub(super) fn ironpxe(base: &str, pids: Vec<u32>, database: Option<u32>) -> Self {
        Self {
            base: base.to_owned(),
            before_mac: "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?port_address=",
            separator: ":",
            pids,
            database,
        }
    }

    pub(super) fn url(&self, index: u32) -> String {
        format!(
            "{}{}{}",
            self.base,
            self.before_mac,
            mac(index, self.separator)
        )
    }
}

/// A child process that does not outlive us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.0.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(20)),
                _ => return,
            }
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that the kernel ends when we end, in whatever way.
fn guarded(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Builds the release binary and returns where cargo put it.
pub(super) fn build() -> Result<PathBuf> {
    let messages = shell::run_quiet(
        shell::cargo()
            .args([
                "build",
                "--release",
                "--locked",
                "--package",
                "ironpxe",
                "--bin",
                "ironpxe",
            ])
            .args(["--message-format", "json-render-diagnostics"]),
    )?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .next_back()
        .context("cargo built no executable")
}

/// What ran, for the report.
pub(super) fn versions(ironpxe: &Path, nginx: &Path) -> Vec<(&'static str, String)> {
    // Some of these write their version to standard error, and wrk calls that a failure.
    let first_line = |program: &Path, arg: &str| {
        let output = Command::new(program).arg(arg).output();
        let text = output
            .map(|out| [out.stdout, out.stderr].concat())
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().next().unwrap_or("unknown");
        line.split(" Copyright")
            .next()
            .unwrap_or(line)
            .trim()
            .to_owned()
    };
    vec![
        ("ironpxe", first_line(ironpxe, "--version")),
        ("nginx", first_line(nginx, "-v")),
        ("wrk", first_line(Path::new("wrk"), "-v")),
        ("rustc", first_line(Path::new("rustc"), "--version")),
    ]
}

pub(super) struct Ironpxe {
    pub(super) url: String,
    running: Running,
}

impl Ironpxe {
    pub(super) fn start(binary: &Path, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).context("cannot create the state folder")?;
        let log = folder.join("ironpxe.log");
        let child = guarded(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--state-dir"])
            .arg(folder)
            .stderr(File::create(&log).context("cannot create the log")?)
            .spawn()
            .context("cannot start ironpxe")?;
        let mut running = Running(child);
        // A log in a file costs us nothing while we measure.
        let url = wait_for("ironpxe", &log, &mut running, || {
            let text = fs::read_to_string(&log).ok()?;
            // The line is complete once something stands behind the port.
            let (_, after) = text.split_once("listening on http://")?;
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c)))?;
            Some(format!("http://{}", after.get(..end)?))
        })?;
        Ok(Self { url, running })
    }

    pub(super) fn target(&self) -> Target {
        Target::ironpxe(&self.url, vec![self.running.0.id()], None)
    }
}

pub(super) struct Nginx {
    port: u16,
    running: Running,
}

impl Nginx {
    /// Serves `folder/files`.
    pub(super) fn start(program: &Path, folder: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .context("cannot find a free port")?
            .port();
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, nginx_configuration(port)?)
            .context("cannot write the configuration of nginx")?;
        let log = folder.join("nginx.log");
        let child = guarded(program)
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&configuration)
            .arg("-e")
            .arg(&log)
            .stderr(File::create(folder.join("nginx.err")).context("cannot create the log")?)
            .spawn()
            .context("cannot start nginx")?;
        let mut running = Running(child);
        wait_for("nginx", &log, &mut running, || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        })?;
        Ok(Self { port, running })
    }

    pub(super) fn target(&self) -> Target {
        Target {
            base: format!("http://127.0.0.1:{}", self.port),
            before_mac: "/",
            separator: "-",
            pids: vec![self.running.0.id()],
            database: None,
        }
    }
}

/// nginx at its best for this: no log, files kept open, connections kept alive without end.
fn nginx_configuration(port: u16) -> Result<String> {
    // Started as root, the workers would become `nobody` and not reach our private folder.
    let user = if Uid::effective().is_root() {
        let user = User::from_uid(Uid::effective())?
            .context("the user has no name")?
            .name;
        let group = Group::from_gid(Gid::effective())?
            .context("the group has no name")?
            .name;
        format!("user {user} {group};")
    } else {
        String::new()
    };
    Ok(format!(
        "daemon off;
{user}
worker_processes 2;
worker_rlimit_nofile 131072;
pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    default_type text/plain;
    keepalive_requests 1000000000;
    open_file_cache max=60000 inactive=1h;
    open_file_cache_valid 1h;
    client_body_temp_path tmp-body;
    proxy_temp_path tmp-proxy;
    fastcgi_temp_path tmp-fastcgi;
    uwsgi_temp_path tmp-uwsgi;
    scgi_temp_path tmp-scgi;
    server {{
        listen 127.0.0.1:{port};
        root files;
    }}
}}
"
    ))
}

/// Waits until `ready` has an answer; a server that ends instead is an error with its log.
fn wait_for<T>(
    name: &str,
    log: &Path,
    running: &mut Running,
    ready: impl Fn() -> Option<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(status) = running.0.try_wait().context("cannot watch the server")? {
            let text = fs::read_to_string(log).unwrap_or_default();
            bail!("{name} ended with {status}\n{text}");
        }
        if let Some(answer) = ready() {
            return Ok(answer);
        }
        if start.elapsed() > PATIENCE {
            let text = fs::read_to_string(log).unwrap_or_default();
            bail!(
                "{name} was not ready after {} s\n{text}",
                PATIENCE.as_secs()
            );
        }
        thread::sleep(Duration::from_millis(20));
    }
}
