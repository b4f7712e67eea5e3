//! Child processes that cannot outlive us.
//!
//! Two mechanisms: dropping a [`Child`] kills and reaps it, and `setpriv --pdeathsig KILL` has the
//! kernel do it when this process dies without dropping anything. The kernel ties the second one
//! to the *thread* that spawned the child, so all spawning is done by one thread that never ends.
//! (What dies within a millisecond of its spawning is caught by neither.)

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::unistd::Pid;

use crate::journal::Journal;

/// A running child. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Child(std::process::Child);

/// `program` as a command whose process dies with ours. Stdin is closed, output is piped.
pub(crate) fn guarded(program: &Path) -> Result<Command> {
    guarded_by(Signal::SIGKILL, program, None)
}

/// The same with the signal that the kernel sends when this process dies (`SIGTERM` for a program that
/// ends its own children), and with the processors that the program may use, as `taskset --cpu-list`
/// takes them; all when `None`.
pub fn guarded_by(signal: Signal, program: &Path, cores: Option<&str>) -> Result<Command> {
    let setpriv = find("setpriv").context("`setpriv` is needed: apt-get install util-linux")?;
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", signal.as_str(), "--"]);
    if let Some(cores) = cores {
        command.arg(find("taskset")?).args(["--cpu-list", cores]);
    }
    command.arg(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Where `program` is in `PATH`.
pub(crate) fn find(program: impl AsRef<OsStr>) -> Result<PathBuf> {
    let program = program.as_ref();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| anyhow!("{} is not installed", program.display()))
}

/// Starts `command` on the thread that never ends.
pub fn spawn(command: Command) -> Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<std::process::Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                // The requester may be gone; then the child is ended.
                if let Err(mpsc::SendError(Ok(child))) = answer.send(unblocked(&mut command)) {
                    drop(Child(child));
                }
            }
        });
        orders
    });
    let program = command.get_program().to_owned();
    let (answer, result) = mpsc::channel();
    spawner
        .send((command, answer))
        .map_err(|_| anyhow!("the spawning thread is gone"))?;
    let child = result.recv().context("the spawning thread is gone")?;
    child
        .map(Child)
        .with_context(|| format!("cannot start {}", program.display()))
}

/// Spawns with no signal blocked, whatever is blocked here: children inherit that.
fn unblocked(command: &mut Command) -> io::Result<std::process::Child> {
    let ours = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let child = command.spawn();
    ours.thread_set_mask()?;
    child
}

/// What `command` prints, which has to succeed.
pub fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} ended with {}: {errors}",
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Child {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn pipes(&mut self) -> &mut std::process::Child {
        &mut self.0
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.0
            .try_wait()
            .context("cannot ask for a child's exit status")
    }

    /// Waits for the end, but not longer than `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("still running after {timeout:?}");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to stop, as an operator's `kill` would.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.0.id()).context("a process id is too large")?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("cannot send {signal}"))
    }

    /// Stops it at once and reaps it.
    pub(crate) fn kill(&mut self) -> Result<ExitStatus> {
        // Fails only when it has already ended, which is what we want.
        let _ = self.0.kill();
        self.0.wait().context("cannot reap a child")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Collects a stream line by line, without colours, until it ends.
pub(crate) fn collect_lines(stream: impl Read + Send + 'static) -> Arc<Journal<String>> {
    let journal = Arc::new(Journal::default());
    let sink = Arc::clone(&journal);
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            sink.push(crate::console::plain(&String::from_utf8_lossy(&line)));
            line.clear();
        }
        sink.close();
    });
    journal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::eventually;

    #[test]
    fn dropped_child_is_killed() {
        let mut command = guarded(Path::new("sleep")).unwrap();
        command.arg("600");
        let child = spawn(command).unwrap();
        let pid = Pid::from_raw(i32::try_from(child.0.id()).unwrap());
        assert!(kill(pid, None).is_ok());
        drop(child);
        assert!(kill(pid, None).is_err());
    }

    #[test]
    fn child_outlives_the_thread_that_spawned_it() {
        let spawned = thread::spawn(|| {
            let mut command = guarded(Path::new("sleep")).unwrap();
            command.arg("600");
            spawn(command).unwrap()
        });
        let mut child = spawned.join().unwrap();
        thread::sleep(Duration::from_millis(100));
        assert_eq!(child.ended().unwrap(), None);
    }

    #[test]
    #[ignore = "the next test runs it in a process of its own"]
    fn helper_that_holds_a_child_until_it_is_killed() {
        let mut command = guarded(Path::new("sleep")).unwrap();
        command.arg("600");
        let child = spawn(command).unwrap();
        println!("child {}", child.0.id());
        // Until it is killed.
        thread::sleep(Duration::from_mins(10));
    }

    #[test]
    fn child_dies_with_a_killed_parent() {
        let mut other = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--nocapture",
                "helper_that_holds_a_child_until_it_is_killed",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = collect_lines(other.stdout.take().unwrap());
        let pid = said.wait(crate::wait::TIMEOUT, |lines| {
            lines
                .iter()
                .find_map(|line| line.split("child ").nth(1)?.parse::<u32>().ok())
        });
        let status = PathBuf::from(format!("/proc/{}/status", pid.unwrap()));
        eventually("the child runs", || {
            Ok(std::fs::read_to_string(&status)?.starts_with("Name:\tsleep"))
        })
        .unwrap();
        // It may not be reaped, so a zombie is as dead as none.
        let alive =
            || std::fs::read_to_string(&status).is_ok_and(|status| !status.contains("State:\tZ"));
        assert!(alive());
        other.kill().unwrap();
        other.wait().unwrap();
        eventually("the child is dead", || Ok(!alive())).unwrap();
    }

    #[test]
    fn missing_program_is_named() {
        let error = find("no-such-program-anywhere").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no-such-program-anywhere is not installed"
        );
    }
}
