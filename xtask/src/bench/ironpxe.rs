//! ironpxe as it is released: one process that is everything, or an API and a conductor apart.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{
    client, http,
    names::Key,
    running::{self, Running},
    store::Store,
};
use crate::shell;

/// How machines and operators ask for a script.
pub(super) const BY_ADDRESS: &str =
    "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?port_address=";
pub(super) const BY_UUID: &str = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?node_uuid=";

/// The first script must be there within this time.
const PATIENCE: Duration = Duration::from_mins(1);

/// How it is run.
pub(super) struct Setup<'a> {
    pub(super) binary: &'a Path,
    pub(super) store: &'a Store,
    /// Where logs go.
    pub(super) folder: &'a Path,
    /// API and conductor as processes of their own.
    pub(super) roles: bool,
    /// The processors it may use, as `taskset` takes them.
    pub(super) cores: Option<&'a str>,
    /// Settings, as the environment has them.
    pub(super) environment: &'a [(&'a str, String)],
}

/// A running ironpxe.
pub(super) struct Ironpxe {
    pub(super) address: SocketAddr,
    /// From before the first process was started until the first script was there.
    pub(super) first_script: Duration,
    processes: Vec<(&'static str, Running)>,
}

impl Ironpxe {
    /// Starts it on a store that holds node 0, and waits for that node's script.
    pub(super) fn start(setup: &Setup<'_>) -> Result<Self> {
        let before = Instant::now();
        let mut ironpxe = Self::start_on_anything(setup)?;
        let path = format!("{BY_ADDRESS}{}", Key::Address.of(0));
        loop {
            let mut found = None;
            let ask = |_| http::firmware_request(&path);
            client::fetch_all(ironpxe.address, 1, 1, ask, |_, answer| {
                found = Some(answer);
                Ok(())
            })?;
            let answer = found.context("no answer")?;
            if answer.status == 200 && answer.body.starts_with(b"#!ipxe") {
                break;
            }
            if before.elapsed() > PATIENCE {
                let text = String::from_utf8_lossy(&answer.body);
                bail!("no script after {PATIENCE:?}: {} {text}", answer.status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        ironpxe.first_script = before.elapsed();
        Ok(ironpxe)
    }

    /// Starts it whatever is in the store.
    pub(super) fn start_on_anything(setup: &Setup<'_>) -> Result<Self> {
        fs::create_dir_all(setup.folder).context("cannot create a folder for logs")?;
        let (address, processes) = if setup.roles {
            let (_, conductor) = process(setup, "conductor")?;
            let (address, api) = process(setup, "api")?;
            (address, vec![("api", api), ("conductor", conductor)])
        } else {
            let (address, all) = process(setup, "all")?;
            (address, vec![("all in one", all)])
        };
        Ok(Self {
            address,
            first_script: Duration::ZERO,
            processes,
        })
    }

    pub(super) fn processes(&self) -> Vec<(&'static str, u32)> {
        let pid = |(name, running): &(&'static str, Running)| (*name, running.pid());
        self.processes.iter().map(pid).collect()
    }
}

fn process(setup: &Setup<'_>, role: &'static str) -> Result<(SocketAddr, Running)> {
    let log = setup.folder.join(format!("{role}.log"));
    let mut command = running::guarded(setup.binary, setup.cores);
    command.args(["serve", "--listen", "127.0.0.1:0", "--role", role]);
    setup.store.tell(&mut command);
    command.envs(setup.environment.iter().map(|(key, value)| (key, value)));
    // A log in a file costs us nothing while we measure.
    command.stderr(File::create(&log).context("cannot create the log")?);
    let mut running = Running::start("ironpxe", &mut command)?;
    let address = running.wait_for(&log, || {
        let text = fs::read_to_string(&log).ok()?;
        // The line is complete once something stands behind the port.
        let (_, after) = text.split_once("listening on http://")?;
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c)))?;
        after.get(..end)?.parse().ok()
    })?;
    Ok((address, running))
}

/// Builds the release binary and returns where cargo put it.
pub(super) fn build() -> Result<PathBuf> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--locked"]);
    cargo.args(["--package", "ironpxe", "--bin", "ironpxe"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let messages = shell::run_quiet(&mut cargo)?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .next_back()
        .context("cargo built no executable")
}

/// The first line of what a program says of its version.
pub(super) fn version(program: &Path, arg: &str) -> String {
    // Some write their version to standard error, and wrk calls that a failure.
    let output = Command::new(program).arg(arg).output();
    let text = output
        .map(|out| [out.stdout, out.stderr].concat())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or("unknown");
    let line = line.split(" Copyright").next().unwrap_or(line);
    line.trim().to_owned()
}
