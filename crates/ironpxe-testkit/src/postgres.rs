//! A real PostgreSQL server with its own directory and port.
//!
//! It is started by the binaries of the system's package, as a user who is not root (it refuses
//! root), without flushing to the disk, and in a locale whose order is not that of the bytes, so
//! that a test notices who relies on it. [`Postgres::shared`] is one server for all tests of a
//! process; each gets its own database from [`Postgres::create_database`]. A test that does harm
//! starts its own.
//!
//! How it ends, in all cases, is in `instance.rs`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::instance::{Instance, shared};
use crate::journal::Journal;
use crate::process::{find, run};

/// The folder with `initdb`, `postgres` and `psql`. If it is set, there must be a server: tests
/// fail where they would be skipped.
const BINARIES_VARIABLE: &str = "IRONPXE_TEST_POSTGRES";
/// Where Debian's packages put the binaries, below a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Who it is for the server.
const USER: &str = "ironpxe";
/// What its log says when it accepts connections.
const READY: &str = "database system is ready to accept connections";

/// A running server. Dropping it ends it and removes what it kept.
#[derive(Debug)]
pub struct Postgres {
    /// Its log.
    pub log: Arc<Journal<String>>,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    binaries: PathBuf,
    settings: &'static [&'static str],
    instance: Instance,
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
        shared(&SHARED, "PostgreSQL", installed, Self::start)
    }

    /// Starts a server.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with additional settings (`name=value`), which override the common ones.
    pub fn start_with(settings: &'static [&'static str]) -> Result<Self> {
        let binaries = binaries()?;
        // Killed, it would leave its shared memory behind.
        let instance = Instance::unprivileged("ironpxe-postgres-", Signal::SIGQUIT)?;
        let mut initdb = instance.command(&binaries.join("initdb"));
        initdb.args(["--username", USER, "--auth", "trust", "--no-sync"]);
        initdb.args(["--encoding", "UTF8", "--locale", "C.UTF-8"]);
        initdb.args(["--locale-provider", "icu", "--icu-locale", "en-US"]);
        initdb.arg("--pgdata").arg(instance.folder().join("data"));
        run(&mut initdb)?;
        let start = |port| postmaster(&binaries, &instance, port, settings);
        let (port, log) = instance.start(READY, start)?;
        Ok(Self {
            log,
            port,
            binaries,
            settings,
            instance,
            databases: AtomicUsize::new(0),
        })
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
        self.instance.pid()
    }

    /// Kills it with all its processes. What was committed is kept.
    pub fn kill(&self) -> Result<()> {
        self.instance.kill()
    }

    /// Suspends it: connections stay open, without responses. The processes that serve
    /// connections hang too.
    pub fn pause(&self) -> Result<()> {
        self.instance.pause()
    }

    /// Has it go on.
    pub fn resume(&self) -> Result<()> {
        self.instance.resume()
    }

    /// Starts it again after [`Postgres::kill`].
    pub fn restart(&self) -> Result<()> {
        self.instance.restart(READY, || {
            postmaster(&self.binaries, &self.instance, self.port, self.settings)
        })
    }
}

fn postmaster(
    binaries: &Path,
    instance: &Instance,
    port: u16,
    settings: &[&str],
) -> Result<Command> {
    let mut command = instance.server(&binaries.join("postgres"), None)?;
    command.arg("-D").arg(instance.folder().join("data"));
    command.arg("-k").arg(instance.folder());
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

        let (folder, pid) = (
            server.instance.folder().to_owned(),
            i32::try_from(server.pid().unwrap()).unwrap(),
        );
        drop(server);
        assert!(!folder.exists());
        assert!(nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_err());
    }
}
