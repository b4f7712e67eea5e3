//! A real MariaDB server with its own directory and port, as an Ironic keeps its nodes in.
//!
//! It is started by the programs of the system's packages, as a user who is not root, without
//! flushing to the disk. [`Mariadb::shared`] is one server for all tests of a process; each gets its
//! own database from [`Mariadb::create_database`], and may read it only by [`Mariadb::reader`]. A test
//! that does harm starts its own server. How it ends, in all cases, is in `instance.rs`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::instance::{Instance, shared};
use crate::journal::Journal;
use crate::lan::{Lan, find_server};
use crate::process::{find, run};

/// The folder with `mariadbd`. If it is set, there must be a server: tests fail where they would be
/// skipped.
const PROGRAMS_VARIABLE: &str = "IRONPXE_TEST_MARIADB";
/// What its log says when it accepts connections.
const READY: &str = "ready for connections";
/// The option of the first node of a cluster.
pub(crate) const NEW_CLUSTER: &str = "wsrep-new-cluster";
/// The password of all accounts but the administrator's. It has a character that URLs must escape.
const PASSWORD: &str = "test/password";
const PASSWORD_IN_URL: &str = "test%2Fpassword";

/// A running server. Dropping it ends it and removes what it kept.
#[derive(Debug)]
pub struct Mariadb {
    /// Its log.
    pub log: Arc<Journal<String>>,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    program: PathBuf,
    launch: Launch,
    instance: Instance,
    databases: AtomicUsize,
}

/// How a server is started.
#[derive(Debug, Default)]
pub(crate) struct Launch {
    /// On the loopback of this network.
    pub(crate) lan: Option<Lan>,
    /// Additional options (`name=value`), which override the common ones.
    pub(crate) settings: Vec<String>,
    /// Its certificate and the key of that, both as PEM.
    pub(crate) tls: Option<(String, String)>,
    /// Where the tools for Galera are, below `usr`.
    pub(crate) galera: Option<PathBuf>,
    /// It gets its files from the other nodes of its cluster.
    pub(crate) joins: bool,
}

impl Mariadb {
    /// The server that all tests of this process share. `None`, and a line on standard error that
    /// no test harness holds back, where MariaDB is not installed.
    ///
    /// # Panics
    ///
    /// If it is installed, or should be, and does not start.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Mariadb>> = OnceLock::new();
        shared(&SHARED, "MariaDB", installed, Self::start)
    }

    /// Starts a server.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with additional options (`name=value`), which override the common ones.
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        Self::launch(Launch {
            settings: settings.iter().map(|&it| it.to_owned()).collect(),
            ..Launch::default()
        })
    }

    /// Starts a server that also offers TLS, with this certificate and its key (PEM).
    pub fn start_with_tls(certificate: &str, key: &str, settings: &[&str]) -> Result<Self> {
        Self::launch(Launch {
            settings: settings.iter().map(|&it| it.to_owned()).collect(),
            tls: Some((certificate.to_owned(), key.to_owned())),
            ..Launch::default()
        })
    }

    /// Starts a server on the loopback of this network.
    pub fn start_on(lan: &Lan) -> Result<Self> {
        Self::launch(Launch {
            lan: Some(lan.clone()),
            ..Launch::default()
        })
    }

    pub(crate) fn launch(mut launch: Launch) -> Result<Self> {
        let program = program()?;
        // All its memory is its process's own.
        let instance = Instance::unprivileged("ironpxe-mariadb-", Signal::SIGKILL)?;
        let folder = instance.folder();
        if let Some((certificate, key)) = &launch.tls {
            for (name, pem) in [("cert", certificate), ("key", key)] {
                let file = folder.join(format!("{name}.pem"));
                fs::write(&file, pem).context("cannot write a certificate")?;
                let setting = format!("ssl-{name}={}", file.display());
                launch.settings.insert(0, setting);
            }
        }
        let mut install = instance.command(&find("mariadb-install-db").context(MISSING)?);
        clean_environment(&mut install, &instance, &program, &launch);
        // It hands these options on.
        install.args(["--no-defaults", "--skip-test-db"]);
        install.arg("--auth-root-authentication-method=normal");
        install.args(storage(folder));
        if launch.joins {
            run(instance
                .command(Path::new("mkdir"))
                .arg(folder.join("data")))?;
        } else {
            run(&mut install)?;
        }
        let start = |port| server(&program, &instance, port, &launch);
        let (port, log) = instance.start(READY, start)?;
        // A cluster is made once.
        launch.settings.retain(|it| it != NEW_CLUSTER);
        Ok(Self {
            log,
            port,
            program,
            launch,
            instance,
            databases: AtomicUsize::new(0),
        })
    }

    /// Creates a database as Ironic's documentation does, with an account of its own that may do
    /// everything there, and gives its name.
    pub fn create_database(&self) -> Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.sql(
            "",
            &format!(
                "CREATE DATABASE {name} CHARACTER SET utf8mb4; \
                 CREATE USER {name}_owner@127.0.0.1 IDENTIFIED BY '{PASSWORD}'; \
                 GRANT ALL ON {name}.* TO {name}_owner@127.0.0.1; \
                 CREATE USER {name}_reader@127.0.0.1 IDENTIFIED BY '{PASSWORD}'; \
                 GRANT SELECT ON {name}.* TO {name}_reader@127.0.0.1"
            ),
        )?;
        Ok(name)
    }

    /// What `mariadb` answers to an administrator's SQL, without headings: rows as lines, columns
    /// separated by tabs.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let answer = run(self.client(database)?.args(["-e", sql]))?;
        Ok(answer.trim_end().to_owned())
    }

    /// Executes the SQL of a file, such as a dump.
    pub fn sql_file(&self, database: &str, file: &Path) -> Result<()> {
        let text = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut client = self.client(database)?;
        let output = client.stdin(Stdio::from(text)).output();
        let output = output.context("cannot run mariadb")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", file.display());
        Ok(())
    }

    fn client(&self, database: &str) -> Result<Command> {
        let mut client = Command::new(find("mariadb").context(MISSING)?);
        client.args(["--no-defaults", "--user=root", "--batch", "--raw"]);
        client.args(["--skip-column-names", "--default-character-set=utf8mb4"]);
        let socket = self.instance.folder().join("socket");
        client.arg(format!("--socket={}", socket.display()));
        client.arg(format!("--database={database}"));
        Ok(client)
    }

    /// The database as its owner: `mysql://…`.
    pub fn url(&self, database: &str) -> String {
        self.account_url(&format!("{database}_owner"), database)
    }

    /// The database as an account that may only read it: `mysql://…`.
    pub fn reader(&self, database: &str) -> String {
        self.account_url(&format!("{database}_reader"), database)
    }

    fn account_url(&self, user: &str, database: &str) -> String {
        let port = self.port;
        format!("mysql://{user}:{PASSWORD_IN_URL}@127.0.0.1:{port}/{database}")
    }

    /// Its process.
    pub fn pid(&self) -> Result<u32> {
        self.instance.pid()
    }

    /// Kills it. What was committed is kept.
    pub fn kill(&self) -> Result<()> {
        self.instance.kill()
    }

    /// Suspends it: connections stay open, without responses.
    pub fn pause(&self) -> Result<()> {
        self.instance.pause()
    }

    /// Has it go on.
    pub fn resume(&self) -> Result<()> {
        self.instance.resume()
    }

    /// Starts it again after [`Mariadb::kill`].
    pub fn restart(&self) -> Result<()> {
        self.instance.restart(READY, || {
            server(&self.program, &self.instance, self.port, &self.launch)
        })
    }
}

/// Where it keeps what, and that nothing is flushed: what a killed server has written at each commit is
/// the system's.
fn storage(folder: &Path) -> [String; 6] {
    [
        format!("--datadir={}", folder.join("data").display()),
        format!("--tmpdir={}", folder.display()),
        "--innodb-flush-method=nosync".to_owned(),
        "--innodb-flush-log-at-trx-commit=2".to_owned(),
        "--innodb-log-file-size=16M".to_owned(),
        // As in containers that do not have it.
        "--innodb-use-native-aio=0".to_owned(),
    ]
}

fn server(program: &Path, instance: &Instance, port: u16, launch: &Launch) -> Result<Command> {
    let mut command = instance.server(program, launch.lan.as_ref())?;
    clean_environment(&mut command, instance, program, launch);
    let folder = instance.folder();
    command.arg("--no-defaults").args(storage(folder));
    command.arg(format!("--socket={}", folder.join("socket").display()));
    command.arg(format!("--pid-file={}", folder.join("pid").display()));
    command.args(["--bind-address=127.0.0.1", &format!("--port={port}")]);
    command.args(["--skip-name-resolve", "--character-set-server=utf8mb4"]);
    command.args(["--innodb-buffer-pool-size=64M", "--max-connections=200"]);
    command.args(launch.settings.iter().map(|it| format!("--{it}")));
    Ok(command)
}

/// It reads files and variables of whoever starts it.
fn clean_environment(command: &mut Command, instance: &Instance, program: &Path, launch: &Launch) {
    command.env_clear().env("HOME", instance.folder());
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = program.parent() {
        path.push(":");
        path.push(folder);
    }
    if let Some(galera) = &launch.galera {
        path.push(":");
        path.push(galera.join("usr/bin"));
        // Of rsync.
        command.env("LD_LIBRARY_PATH", galera.join("usr/lib/x86_64-linux-gnu"));
    }
    command.env("PATH", path);
}

const MISSING: &str = "MariaDB is not installed: `apt-get install mariadb-server-core \
                       mariadb-client-core` (`cargo xtask test` installs them)";

/// Whether there should be a server, so that one that does not start is an error.
fn installed() -> bool {
    wanted().is_some() || program().is_ok()
}

fn wanted() -> Option<OsString> {
    std::env::var_os(PROGRAMS_VARIABLE).filter(|it| !it.is_empty())
}

/// The server's program: in the requested folder, or where the system has it.
pub fn program() -> Result<PathBuf> {
    match wanted() {
        Some(folder) => Ok(PathBuf::from(folder).join("mariadbd")),
        None => find_server("mariadbd").context(MISSING),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::kill;
    use nix::unistd::Pid;

    /// Whether this account may.
    fn may(server: &Mariadb, database: &str, account: &str, sql: &str) -> bool {
        let mut client = Command::new(find("mariadb").unwrap());
        client.args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1"]);
        client.arg(format!("--port={}", server.port));
        client.arg(format!("--user={database}_{account}"));
        client.arg(format!("--password={PASSWORD}"));
        run(client.args([database, "-e", sql])).is_ok()
    }

    #[test]
    fn server_recovers_from_injected_faults_and_removes_its_files() {
        if !installed() {
            assert!(Mariadb::shared().is_none());
            return;
        }
        let server = Mariadb::start().unwrap();
        let (first, second) = (
            server.create_database().unwrap(),
            server.create_database().unwrap(),
        );
        let table = "CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('a')";
        assert!(!may(&server, &first, "reader", table));
        assert!(may(&server, &first, "owner", table));
        assert!(may(&server, &first, "reader", "SELECT x FROM t"));
        assert!(!may(
            &server,
            &second,
            "owner",
            &format!("SELECT x FROM {first}.t")
        ));

        server.kill().unwrap();
        assert!(server.sql(&first, "SELECT 1").is_err());
        server.restart().unwrap();
        assert_eq!(server.sql(&first, "SELECT x FROM t").unwrap(), "a");
        server.pause().unwrap();
        server.resume().unwrap();
        assert_eq!(server.sql(&first, "SELECT 1").unwrap(), "1");
        server.pause().unwrap();

        let folder = server.instance.folder().to_owned();
        let pid = Pid::from_raw(i32::try_from(server.pid().unwrap()).unwrap());
        drop(server);
        assert!(!folder.exists());
        assert!(kill(pid, None).is_err());
    }
}
