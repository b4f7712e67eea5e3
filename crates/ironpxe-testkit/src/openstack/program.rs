//! Programs of the environment: those that end, and those that serve.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::http;
use crate::journal::Journal;
use crate::process::{Child, collect_lines, guarded, spawn};

const STARTS_WITHIN: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);
const LOG_TAIL: usize = 40;

/// Serves a WSGI application on the socket that is standard input, so that the port is known and
/// taken before anything has started. The modules of OpenStack read the command line, which is
/// therefore emptied.
const SERVE: &str = "
import importlib, socket, sys
module, threads = sys.argv[1], int(sys.argv[2])
sys.argv = [module]
application = importlib.import_module(module).application
import waitress
listener = socket.socket(fileno=0)
waitress.serve(application, sockets=[listener], threads=threads,
               max_request_body_size=10 << 30, ident='')
";

/// A server that runs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Program {
    /// What it says.
    pub(super) log: Arc<Journal<String>>,
    child: Child,
}

/// A program of the environment, with nothing of this process's own environment.
fn command(program: &Path, folder: &Path) -> Result<Command> {
    let mut command = guarded(program)?;
    command.env_clear().env("PYTHONWARNINGS", "ignore");
    command.env("HOME", folder).env("LANG", "C.UTF-8");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    Ok(command)
}

/// Runs a program to its end, and gives what it printed.
pub(super) fn run(program: &Path, folder: &Path, args: &[&OsStr]) -> Result<String> {
    let mut command = command(program, folder)?;
    let output = command.args(args).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} ended with {}\n{}{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A socket on the loopback, and its port.
pub(super) fn listen() -> Result<(TcpListener, u16)> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot bind any port")?;
    let port = listener.local_addr().context("a socket has no address")?;
    Ok((listener, port.port()))
}

impl Program {
    /// Serves `module:application` on `listener`.
    pub(super) fn serve(
        venv: &Path,
        folder: &Path,
        module: &str,
        listener: TcpListener,
        environment: &[(&str, &OsStr)],
    ) -> Result<Self> {
        let mut command = command(&venv.join("bin/python"), folder)?;
        command.args(["-c", SERVE, module, "8"]);
        command.envs(environment.iter().copied());
        command.stdin(Stdio::from(OwnedFd::from(listener)));
        Self::start(command)
    }

    /// Starts a server of its own kind.
    pub(super) fn run(
        program: &Path,
        folder: &Path,
        args: &[&OsStr],
        environment: &[(&str, &OsStr)],
    ) -> Result<Self> {
        let mut command = command(program, folder)?;
        command.args(args).envs(environment.iter().copied());
        Self::start(command)
    }

    fn start(command: Command) -> Result<Self> {
        let mut child = spawn(command)?;
        let pipes = child.pipes();
        if let Some(stdout) = pipes.stdout.take() {
            collect_lines(stdout);
        }
        let stderr = pipes.stderr.take().context("there is no standard error")?;
        Ok(Self {
            log: collect_lines(stderr),
            child,
        })
    }

    /// Waits until something answers at `url`, whatever it says.
    pub(super) fn wait_for(&mut self, url: &str) -> Result<()> {
        let client = http::client().timeout(STARTS_WITHIN).build();
        let client = client.context("cannot make an HTTP client")?;
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            let ended = self.child.ended()?;
            if ended.is_none() && client.get(url).send().is_ok() {
                return Ok(());
            }
            if ended.is_some() || Instant::now() >= deadline {
                let log = self.log.entries();
                let tail = log.get(log.len().saturating_sub(LOG_TAIL)..);
                bail!(
                    "no response from {url} ({ended:?}):\n{}",
                    tail.unwrap_or_default().join("\n")
                );
            }
            thread::sleep(POLL);
        }
    }
}
