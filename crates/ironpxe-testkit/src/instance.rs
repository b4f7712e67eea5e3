//! A server with a folder of its own and several processes, of which nothing is left.
//!
//! When the first process of such a server is just killed, its folder stays, its other processes may
//! stay, and so does the shared memory of some. So it gets a process group, and a *reaper*, a process
//! of a few lines of shell, ends the group when this process has ended for whatever reason, and removes
//! the folder. Databases, which refuse to be run by root, are run by nobody then.

use std::fs;
use std::io::Write;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, Uid, User};
use tempfile::TempDir;

use crate::journal::{Journal, hold};
use crate::lan::Lan;
use crate::process::{Child, collect_lines, find, spawn};
use crate::server::Server;

const STARTS_WITHIN: Duration = crate::wait::TIMEOUT;
const ENDS_WITHIN: Duration = crate::wait::TIMEOUT;
const POLL: Duration = Duration::from_millis(10);
/// How often to try another port if the free one was taken meanwhile.
const PORTS_TO_TRY: usize = 5;

/// In the server's folder, the process id of its first process, which is that of its group.
const PID_FILE: &str = "test-server.pid";

/// When standard input ends, ends the process group whose id is in the file `$2` of the folder `$1`
/// by the signal `$3`, and removes the folder. (Not every shell's `kill` knows `--`.)
const REAPER: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
pid=$(cat "$1/$2" 2>/dev/null)
if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
    kill -CONT -"$pid" $(cat "/proc/$pid/task/$pid/children") 2>/dev/null
    kill -"$3" -"$pid" 2>/dev/null
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    [ $tries -lt 100 ] || kill -KILL -"$pid" 2>/dev/null
fi
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// The one server of a kind that all tests of this process share. `None`, and a line on standard
/// error that no test harness holds back, where its programs are not installed.
///
/// # Panics
///
/// If it is installed, or should be, and does not start.
pub(crate) fn shared<T>(
    cell: &'static OnceLock<Option<T>>,
    name: &str,
    installed: impl FnOnce() -> bool,
    start: impl FnOnce() -> Result<T>,
) -> Option<&'static T> {
    cell.get_or_init(|| match (start(), installed()) {
        (Ok(server), _) => Some(server),
        (Err(error), true) => panic!("{name} does not start: {error:#}"),
        (Err(error), false) => {
            let _ = writeln!(
                std::io::stderr(),
                "\n!!! SKIPPED: every test on {name}: {error:#}\n"
            );
            None
        }
    })
    .as_ref()
}

/// A server's folder, its process and its reaper. Dropping it ends the server and removes the folder.
#[derive(Debug)]
pub(crate) struct Instance {
    folder: PathBuf,
    /// Who runs the server, if that is not who runs the tests.
    user: Option<User>,
    ends_by: Signal,
    process: Mutex<Option<Child>>,
    reaper: Child,
}

impl Instance {
    /// An empty folder, for a server that is to be ended by this signal, and must not be run by root.
    pub(crate) fn unprivileged(prefix: &str, ends_by: Signal) -> Result<Self> {
        Self::new(prefix, ends_by, unprivileged()?)
    }

    /// An empty folder, for a server that is to be ended by this signal, as this process's user unless
    /// another is given.
    pub(crate) fn new(prefix: &str, ends_by: Signal, user: Option<User>) -> Result<Self> {
        let folder = TempDir::with_prefix(prefix).context("cannot create a folder for a server")?;
        if let Some(user) = &user {
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            chown(folder.path(), Some(uid), Some(gid)).context("cannot hand a folder over")?;
        }
        let signal = ends_by.as_str().trim_start_matches("SIG");
        let mut reaper = Command::new("sh");
        reaper.args(["-c", REAPER, "reaper"]).arg(folder.path());
        reaper.args([PID_FILE, signal]).stdin(Stdio::piped());
        reaper.stdout(Stdio::null()).stderr(Stdio::null());
        let reaper = spawn(reaper)?;
        Ok(Self {
            // From here on the reaper removes it.
            folder: folder.keep(),
            user,
            ends_by,
            process: Mutex::new(None),
            reaper,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command for `program` as the server's user.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        self.arguments(&mut command, program);
        command
    }

    /// What comes after `setpriv`, and executes `program`.
    fn arguments(&self, command: &mut Command, program: &Path) {
        if let Some(user) = &self.user {
            command.args(["--reuid", &user.uid.to_string()]);
            command.args(["--regid", &user.gid.to_string()]);
            command.args(["--clear-groups", "--inh-caps=-all"]);
        }
        if self.ends_by == Signal::SIGKILL {
            // Also before the reaper could know it.
            command.args(["--pdeathsig", "SIGKILL"]);
        }
        command.arg("--").arg(program);
    }

    /// A command for `program` as the server: a process group of its own.
    pub(crate) fn server(&self, program: &Path, lan: Option<&Lan>) -> Result<Command> {
        let setsid = find("setsid").context("`setsid` is needed: apt-get install util-linux")?;
        let mut command = Command::new(setsid);
        if let Some(lan) = lan {
            command.args(lan.enter()?);
        }
        command.arg("setpriv");
        self.arguments(&mut command, program);
        Ok(command)
    }

    /// Starts the server on a free port, and waits for a line of its log (standard error) that holds
    /// `ready`. Returns the port and the log.
    pub(crate) fn start(
        &self,
        ready: &str,
        command: impl Fn(u16) -> Result<Command>,
    ) -> Result<(u16, Arc<Journal<String>>)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let port = Server::free_port()?;
            match self.launch(command(port)?, ready) {
                Err(_) if tries < PORTS_TO_TRY => {}
                Err(error) => return Err(error),
                Ok(log) => return Ok((port, log)),
            }
        }
    }

    /// Starts it again after [`Instance::kill`].
    pub(crate) fn restart(&self, ready: &str, command: impl Fn() -> Result<Command>) -> Result<()> {
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            // What a killed server's processes have not yet let go of holds up the next.
            match self.launch(command()?, ready) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => thread::sleep(POLL),
            }
        }
    }

    /// Starts the server, and waits for its log to say that it is ready.
    pub(crate) fn launch(&self, command: Command, ready: &str) -> Result<Arc<Journal<String>>> {
        let log = self.spawn(command)?;
        let is_ready = log.wait(STARTS_WITHIN, |lines| {
            let mut lines = lines.iter();
            lines.any(|line| line.contains(ready)).then_some(())
        });
        if is_ready.is_none() {
            let _ = self.signal_all(Signal::SIGKILL);
            self.end();
            bail!("a server does not start\n{}", log.tail(20).join("\n"));
        }
        Ok(log)
    }

    /// Starts the server. Returns what it says on standard error.
    pub(crate) fn spawn(&self, mut command: Command) -> Result<Arc<Journal<String>>> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::piped());
        let mut process = self.lock();
        let child = process.insert(spawn(command)?);
        fs::write(self.folder.join(PID_FILE), child.id().to_string())
            .context("cannot write a process id")?;
        let stderr = child.pipes().stderr.take().context("no stderr")?;
        Ok(collect_lines(stderr))
    }

    /// How the first process ended, if it has.
    pub(crate) fn ended(&self) -> Result<Option<ExitStatus>> {
        self.lock()
            .as_mut()
            .context("the server was not started")?
            .ended()
    }

    /// The process that all its others come from.
    pub(crate) fn pid(&self) -> Result<u32> {
        let process = self.lock();
        Ok(process.as_ref().context("the server was not started")?.id())
    }

    fn main(&self) -> Result<Pid> {
        Ok(Pid::from_raw(
            i32::try_from(self.pid()?).context("no process id")?,
        ))
    }

    /// Kills it with all its processes.
    pub(crate) fn kill(&self) -> Result<()> {
        let main = self.main()?;
        let mut others = children(main)?;
        others.extend(members(main)?);
        self.signal_all(Signal::SIGKILL)?;
        self.end();
        // Until the last one has ended, a request may still get a response.
        let deadline = Instant::now() + ENDS_WITHIN;
        loop {
            others.retain(|pid| is_alive(*pid));
            if others.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "still running: {others:?}");
            thread::sleep(POLL);
        }
    }

    /// Suspends it: connections stay open, without responses.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal_all(Signal::SIGSTOP)
    }

    /// Has it go on.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal_all(Signal::SIGCONT)
    }

    fn signal_all(&self, signal: Signal) -> Result<()> {
        let main = self.main()?;
        let others = children(main)?;
        // First the group, which has the process that would start more of them.
        killpg(main, signal).with_context(|| format!("cannot send {signal}"))?;
        for child in others {
            // It may have ended meanwhile.
            let _ = kill(child, signal);
        }
        Ok(())
    }

    /// Reaps the first process; what it did not end by itself is killed.
    fn end(&self) {
        if let Some(process) = self.lock().as_mut() {
            let _ = process.wait(ENDS_WITHIN);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        hold(&self.process)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // The reaper waits for the end of its input; only this process can wait for the server.
        drop(self.reaper.pipes().stdin.take());
        self.end();
        let _ = self.reaper.wait(ENDS_WITHIN);
    }
}

/// The processes whose parent is `parent`.
fn children(parent: Pid) -> Result<Vec<Pid>> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = fs::read_to_string(path).context("cannot list the server's processes")?;
    let pids = text.split_whitespace().filter_map(|pid| pid.parse().ok());
    Ok(pids.map(Pid::from_raw).collect())
}

/// The processes of a group, with zombies.
pub(crate) fn members(group: Pid) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot list processes")? {
        let entry = entry.context("cannot list processes")?;
        let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else {
            continue;
        };
        // It may have ended meanwhile. A name may have spaces and parentheses: what follows it is
        // state, parent, group.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        if after.split_whitespace().nth(2) == Some(&group.to_string()) {
            found.push(Pid::from_raw(pid));
        }
    }
    Ok(found)
}

/// Whether the process is running, and not a zombie.
pub(crate) fn is_alive(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| !status.contains("State:\tZ"))
}

/// Who runs the server, if that is not who runs the tests.
fn unprivileged() -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = User::from_name("nobody").context("cannot look users up")?;
    Ok(Some(user.context("there is no user nobody")?))
}
