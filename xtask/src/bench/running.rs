//! Programs that run while we measure them, and end when we end.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A server must be ready, and gone again, within this time.
const PATIENCE: Duration = Duration::from_mins(1);

/// A child process that does not outlive us.
pub(super) struct Running {
    name: &'static str,
    child: Child,
}

/// A program that the kernel ends when we end, in whatever way; on `cores` alone (as `taskset`
/// takes them), if they are given.
pub(super) fn guarded(program: &Path, cores: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]);
    if let Some(cores) = cores {
        command.args(["taskset", "--cpu-list", cores]);
    }
    command.arg(program);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

impl Running {
    pub(super) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` has an answer; a server that ends instead is an error with its log.
    pub(super) fn wait_for<T>(
        &mut self,
        log: &Path,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        let name = self.name;
        let start = Instant::now();
        loop {
            if let Some(answer) = ready() {
                return Ok(answer);
            }
            if let Some(status) = self.child.try_wait().context("cannot watch the server")? {
                let text = fs::read_to_string(log).unwrap_or_default();
                bail!("{name} ended with {status}\n{text}");
            }
            if start.elapsed() > PATIENCE {
                let text = fs::read_to_string(log).unwrap_or_default();
                bail!("{name} was not ready after {PATIENCE:?}\n{text}");
            }
            // Short, because starting is measured too.
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(20)),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
