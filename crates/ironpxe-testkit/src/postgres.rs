//! A real PostgreSQL server with its own directory and port.
//!
//! It is started by the binaries of the system's package, as a user who is not root (it refuses
//! root), without flushing to the disk, and in a locale whose order is not that of the bytes, so
//! that a test notices who relies on it. [`Postgres::shared`] is one server for all tests of a
//! process; each gets its own database from [`Postgres::create_database`]. A test that does harm
//! starts its own.
//!
//! Shared memory and a folder are left behind when a server is just killed, so a *reaper*, a
//! process of a few lines of shell, shuts it down cleanly when this process has ended for whatever
//! reason.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use tempfile::TempDir;

use crate::journal::{Journal, hold};
use crate::process::{Child, collect_lines, find, run, spawn};
use crate::server::Server;

/// The folder with `initdb`, `postgres` and `psql`. If it is set, there must be a server: tests
/// fail where they would be skipped.
const BINARIES_VARIABLE: &str = "IRONPXE_TEST_POSTGRES";
/// Where Debian's packages put the binaries, below a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Who it is for the server.
const USER: &str = "ironpxe";
const STARTS_WITHIN: Duration = crate::wait::TIMEOUT;
const ENDS_WITHIN: Duration = crate::wait::TIMEOUT;
const POLL: Duration = Duration::from_millis(10);
/// How often to try another port if the free one was taken meanwhile.
const PORTS_TO_TRY: usize = 5;

/// Ends the server whose folder is `$1` when standard input ends, and removes the folder.
const REAPER: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
    kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children") 2>/dev/null
    kill -QUIT "$pid" 2>/dev/null
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    [ $tries -lt 100 ] || kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// A running server. Dropping it ends it and removes what it kept.
#[derive(Debug)]
pub struct Postgres {
    /// Its log.
    pub log: Arc<Journal<String>>,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    binaries: PathBuf,
    folder: PathBuf,
    user: Option<User>,
    settings: &'static [&'static str],
    postmaster: Mutex<Child>,
    reaper: Child,
    databases: AtomicUsize,
}

impl Postgres {
    /// The server that all tests of this process share. `None`, and a word on standard error that
    /// no test harness holds back, where PostgreSQL is not installed.
    ///
    /// # Panics
    ///
    /// If it is installed, or should be, and does not start.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED
            .get_or_init(|| {
                let started = Self::start();
                match (started, installed()) {
                    (Ok(server), _) => Some(server),
                    (Err(error), true) => panic!("PostgreSQL does not start: {error:#}"),
                    (Err(error), false) => {
                        let _ = writeln!(
                            std::io::stderr(),
                            "\n!!! SKIPPED: every test on PostgreSQL: {error:#}\n"
                        );
                        None
                    }
                }
            })
            .as_ref()
    }

    /// Starts a server.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with additional settings (`name=value`), which override the common ones.
    pub fn start_with(settings: &'static [&'static str]) -> Result<Self> {
        let binaries = binaries()?;
        let folder = TempDir::with_prefix("ironpxe-postgres-")
            .context("cannot create a folder for a server")?;
        let user = unprivileged()?;
        if let Some(user) = &user {
            chown(
                folder.path(),
                Some(user.uid.as_raw()),
                Some(user.gid.as_raw()),
            )
            .context("cannot hand a folder over")?;
        }
        let mut initdb = as_user(&binaries.join("initdb"), user.as_ref())?;
        initdb.args(["--username", USER, "--auth", "trust", "--no-sync"]);
        initdb.args(["--encoding", "UTF8", "--locale", "C.UTF-8"]);
        initdb.args(["--locale-provider", "icu", "--icu-locale", "en-US"]);
        initdb.arg("--pgdata").arg(folder.path().join("data"));
        run(&mut initdb)?;

        // From here on the reaper removes the folder.
        let reaper = reaper(folder.path())?;
        let folder = folder.keep();
        let mut tries = 0;
        loop {
            tries += 1;
            let port = Server::free_port()?;
            match start_postmaster(&binaries, &folder, user.as_ref(), port, settings) {
                Err(_) if tries < PORTS_TO_TRY => {}
                Err(error) => return Err(error),
                Ok((postmaster, log)) => {
                    return Ok(Self {
                        log,
                        port,
                        binaries,
                        folder,
                        user,
                        settings,
                        postmaster: Mutex::new(postmaster),
                        reaper,
                        databases: AtomicUsize::new(0),
                    });
                }
            }
        }
    }

    /// Creates a database, as a copy of `template` if one is given, and gives its name.
    pub fn create_database(&self, template: Option<&str>) -> Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let template = template.unwrap_or("template1");
        // Cheaper than a copy through the log, where nothing is flushed to the disk.
        self.sql(
            "postgres",
            &format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"),
        )?;
        Ok(name)
    }

    /// Deletes a database, even if it is in use.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        self.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))?;
        Ok(())
    }

    /// What `psql` answers, without headings.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        Ok(run(self.psql(database).args(["-c", sql]))?
            .trim_end()
            .to_owned())
    }

    /// What `psql` answers to the SQL of a file. Each statement is a transaction of its own.
    pub fn sql_file(&self, database: &str, file: &Path) -> Result<String> {
        run(self.psql(database).arg("-f").arg(file))
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        psql.args(["-U", USER, "-d", database]);
        psql.env("PGCONNECT_TIMEOUT", "10");
        psql
    }

    /// Where a database is, as `[database]connection` takes it.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgresql://{USER}:not-asked-for@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// The process that all its others come from.
    pub fn pid(&self) -> Result<u32> {
        let pid = postmaster_pid(&self.folder)?.as_raw();
        u32::try_from(pid).context("no process id")
    }

    /// Kills it with all its processes. What was committed is kept.
    pub fn kill(&self) -> Result<()> {
        let postmaster = postmaster_pid(&self.folder)?;
        let mut others = children(postmaster)?;
        self.signal_all(Signal::SIGKILL)?;
        self.lock().wait(ENDS_WITHIN)?;
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

    /// Suspends it: connections stay open, without responses. The processes that serve
    /// connections hang too.
    pub fn pause(&self) -> Result<()> {
        self.signal_all(Signal::SIGSTOP)
    }

    /// Has it go on.
    pub fn resume(&self) -> Result<()> {
        self.signal_all(Signal::SIGCONT)
    }

    /// Starts it again after [`Postgres::kill`].
    pub fn restart(&self) -> Result<()> {
        let mut postmaster = self.lock();
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            // What a killed server's processes have not yet let go of holds up the next.
            let user = self.user.as_ref();
            match start_postmaster(&self.binaries, &self.folder, user, self.port, self.settings) {
                Ok((again, _)) => {
                    *postmaster = again;
                    return Ok(());
                }
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => thread::sleep(POLL),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Child> {
        hold(&self.postmaster)
    }

    fn signal_all(&self, signal: Signal) -> Result<()> {
        let postmaster = postmaster_pid(&self.folder)?;
        let others = children(postmaster)?;
        // First the process that would start more of them.
        kill(postmaster, signal).with_context(|| format!("cannot send {signal}"))?;
        for child in others {
            // It may have ended meanwhile.
            let _ = kill(child, signal);
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The reaper waits for the end of its input; only this process can wait for the server.
        drop(self.reaper.pipes().stdin.take());
        let _ = self.lock().wait(ENDS_WITHIN);
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

/// Whether the process is running, and not a zombie.
fn is_alive(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| !status.contains("State:\tZ"))
}

fn postmaster_pid(folder: &Path) -> Result<Pid> {
    let file = folder.join("data/postmaster.pid");
    let text = fs::read_to_string(file).context("the server is not running")?;
    let first = text.lines().next().unwrap_or_default();
    Ok(Pid::from_raw(first.parse().context("no process id")?))
}

fn start_postmaster(
    binaries: &Path,
    folder: &Path,
    user: Option<&User>,
    port: u16,
    settings: &[&str],
) -> Result<(Child, Arc<Journal<String>>)> {
    let mut command = as_user(&binaries.join("postgres"), user)?;
    command.arg("-D").arg(folder.join("data"));
    command.arg("-k").arg(folder);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    // A killed server keeps what it has written: that is the system's. It would lose what it has
    // only acknowledged (`synchronous_commit=off`).
    for setting in [
        "fsync=off",
        "full_page_writes=off",
        "max_connections=200",
        "shared_buffers=32MB",
        "log_line_prefix=",
    ]
    .iter()
    .chain(settings)
    {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped());
    let mut child = spawn(command)?;
    let log = collect_lines(child.pipes().stderr.take().context("no stderr")?);
    let ready = log.wait(STARTS_WITHIN, |lines| {
        lines
            .iter()
            .any(|line| line.contains("database system is ready to accept connections"))
            .then_some(())
    });
    if ready.is_none() {
        bail!("PostgreSQL does not start\n{}", log.tail(20).join("\n"));
    }
    Ok((child, log))
}

/// The process that cleans up after this one.
fn reaper(folder: &Path) -> Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", REAPER, "reaper"]).arg(folder);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    spawn(command)
}

/// Who runs the server, if that is not who runs the tests.
fn unprivileged() -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = User::from_name("nobody").context("cannot look users up")?;
    Ok(Some(user.context("there is no user nobody")?))
}

fn as_user(program: &Path, user: Option<&User>) -> Result<Command> {
    let Some(user) = user else {
        return Ok(Command::new(program));
    };
    let setpriv = find("setpriv").context("`setpriv` is needed: apt-get install util-linux")?;
    let mut command = Command::new(setpriv);
    command.args(["--reuid", &user.uid.to_string()]);
    command.args(["--regid", &user.gid.to_string()]);
    command.args(["--clear-groups", "--inh-caps=-all", "--"]);
    command.arg(program);
    Ok(command)
}

/// Whether there should be a server, so that one that does not start is an error.
fn installed() -> bool {
    wanted().is_some() || binaries().is_ok()
}

fn wanted() -> Option<OsString> {
    std::env::var_os(BINARIES_VARIABLE).filter(|it| !it.is_empty())
}

/// The directory of the server's programs: the requested one, or the newest installed.
pub fn binaries() -> Result<PathBuf> {
    if let Some(folder) = wanted() {
        return Ok(PathBuf::from(folder));
    }
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            folder.join("initdb").is_file().then_some((version, folder))
        })
        .max()
        .map(|(_, folder)| folder)
        .or_else(|| find("initdb").ok()?.parent().map(Path::to_owned))
        .context(
            "PostgreSQL is not installed: `apt-get install postgresql` (`cargo xtask test` \
             installs it)",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_recovers_from_injected_faults_and_removes_its_files() {
        if !installed() {
            assert!(Postgres::shared().is_none());
            return;
        }
        let server = Postgres::start().unwrap();
        let first = server.create_database(None).unwrap();
        server
            .sql(
                &first,
                "CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('a')",
            )
            .unwrap();
        let copy = server.create_database(Some(&first)).unwrap();
        assert_eq!(server.sql(&copy, "SELECT x FROM t").unwrap(), "a");
        // Not in the order of the bytes.
        assert_eq!(server.sql(&copy, "SELECT 'a' < 'B'").unwrap(), "t");

        server.kill().unwrap();
        assert!(server.sql(&first, "SELECT 1").is_err());
        server.restart().unwrap();
        assert_eq!(server.sql(&first, "SELECT 1").unwrap(), "1");
        server.pause().unwrap();
        server.resume().unwrap();
        assert_eq!(server.sql(&first, "SELECT 1").unwrap(), "1");
        server.pause().unwrap();

        let (folder, postmaster) = (
            server.folder.clone(),
            postmaster_pid(&server.folder).unwrap(),
        );
        drop(server);
        assert!(!folder.exists());
        assert!(kill(postmaster, None).is_err());
    }
}
