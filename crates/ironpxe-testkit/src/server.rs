//! The real `ironpxe` executable, run as an operator runs it: arguments, environment, signals.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::journal::{Journal, hold};
use crate::lan::{self, Lan};
use crate::machine::HOST;
use crate::postgres::Postgres;
use crate::process::{Child, collect_lines, guarded_by, spawn};
use crate::wait::eventually;

const STARTS_WITHIN: Duration = crate::wait::TIMEOUT;
const STOPS_WITHIN: Duration = crate::wait::TIMEOUT;
const LOG_TAIL: usize = 60;
/// How often to try another port if the free one was taken meanwhile.
const PORTS_TO_TRY: usize = 5;

/// How to start a server. The default is one that only this host can reach.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--state-dir`; a temporary directory if `None`.
    pub state_dir: Option<PathBuf>,
    /// `--role`; everything in one when `None`.
    pub role: Option<&'static str>,
    /// `--listen`, `127.0.0.1:0` when `None`.
    pub listen: Option<String>,
    /// Names itself, in scripts and to the ramdisk, as machines on the user network reach it.
    /// It must know its port before it starts, so it gets a free one.
    pub for_machines: bool,
    /// The network it is on, if it is not this host's own.
    pub lan: Option<Lan>,
    /// `IRONPXE_<SECTION>__<KEY>` variables. Those of this process are not handed on.
    pub environment: Vec<(String, String)>,
    /// The processors it may use, as `taskset --cpu-list` takes them; all when `None`.
    pub cores: Option<String>,
    /// Where it writes its log, instead of to this process: for a server whose speed is measured.
    pub log_file: Option<PathBuf>,
}

impl ServerOptions {
    /// A server that machines can reach.
    pub fn for_machines() -> Self {
        Self {
            for_machines: true,
            ..Self::default()
        }
    }

    /// A server on a network with a DHCP server of its own, where machines and the test find it
    /// at `http://<host>:6385`. Its database is a file.
    pub fn on_lan(lan: &Lan) -> Self {
        let url = format!("http://{}:6385", lan::HOST);
        let options = Self {
            lan: Some(lan.clone()),
            listen: Some(format!("{}:6385", lan::HOST)),
            ..Self::default()
        };
        options
            .set("IRONPXE_API__PUBLIC_ENDPOINT", url)
            .set("IRONPXE_API__ALLOW_UNAUTHENTICATED_ACCESS", "true")
    }

    /// The same as this role only.
    #[must_use]
    pub fn role(mut self, role: &'static str) -> Self {
        self.role = Some(role);
        self
    }

    /// The same with its state in this folder.
    #[must_use]
    pub fn state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(folder.into());
        self
    }

    /// The same with this configuration file.
    #[must_use]
    pub fn config(mut self, file: impl Into<PathBuf>) -> Self {
        self.config = Some(file.into());
        self
    }

    /// The same at this `host:port`.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// The same on this database.
    #[must_use]
    pub fn database(self, url: impl Into<String>) -> Self {
        self.set(CONNECTION, url)
    }

    /// The same with one setting more.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }
}

/// Which database servers get that do not choose one: `postgresql`, or else the file in their state
/// folder.
const STORE_VARIABLE: &str = "IRONPXE_TEST_STORE";
/// What sets a server's database.
const CONNECTION: &str = "IRONPXE_DATABASE__CONNECTION";

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    /// Its log, line by line, without colours.
    pub log: Arc<Journal<String>>,
    child: Child,
    base_url: String,
    state_dir: PathBuf,
    database: Option<String>,
    _own_state_dir: Option<TempDir>,
}

impl Server {
    /// Starts `binary serve` and waits until it listens.
    pub fn start(binary: &Path, options: &ServerOptions) -> Result<Self> {
        if !options.for_machines {
            return Self::start_once(binary, options);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let port = Self::free_port()?;
            let mut options = options.clone();
            options.listen.get_or_insert(format!("127.0.0.1:{port}"));
            let public = format!("http://{HOST}:{port}");
            options
                .environment
                .insert(0, ("IRONPXE_API__PUBLIC_ENDPOINT".to_owned(), public));
            match Self::start_once(binary, &options) {
                Err(error)
                    if tries < PORTS_TO_TRY
                        && format!("{error:#}")
                            .to_lowercase()
                            .contains("address already in use") => {}
                result => return result,
            }
        }
    }

    /// A free port on loopback. It may still be taken before it is used.
    pub fn free_port() -> Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot bind any port")?;
        Ok(listener
            .local_addr()
            .context("a socket has no address")?
            .port())
    }

    fn start_once(binary: &Path, options: &ServerOptions) -> Result<Self> {
        ensure!(
            binary.is_file(),
            "no executable at {}: build it first",
            binary.display()
        );
        let own = match &options.state_dir {
            Some(_) => None,
            None => Some(tempfile::tempdir().context("cannot create a state folder")?),
        };
        let state_dir = match (&options.state_dir, &own) {
            (Some(given), _) => given.clone(),
            (None, Some(own)) => own.path().to_owned(),
            (None, None) => bail!("no state folder"),
        };
        let mut command = match &options.lan {
            Some(lan) => lan.guarded(binary)?,
            None => guarded_by(Signal::SIGKILL, binary, options.cores.as_deref())?,
        };
        command.arg("serve").arg("--state-dir").arg(&state_dir);
        command.args([
            "--listen",
            options.listen.as_deref().unwrap_or("127.0.0.1:0"),
        ]);
        if let Some(role) = options.role {
            command.args(["--role", role]);
        }
        if let Some(config) = &options.config {
            command.arg("--config").arg(config);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("IRONPXE_") {
                command.env_remove(name);
            }
        }
        // By default a refusal hides its reason, by which most tests recognize it.
        command.env("IRONPXE_API__RESTRICT_BOOT_CONFIG", "false");
        command.envs(
            options
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        );
        let chosen = |(name, _): &(String, String)| name == CONNECTION;
        let database = if std::env::var_os(STORE_VARIABLE).is_some_and(|it| it == "postgresql")
            && options.config.is_none()
            && options.lan.is_none()
            && !options.environment.iter().any(chosen)
        {
            let url = database_of(binary, &state_dir)?;
            command.env(CONNECTION, &url);
            Some(url)
        } else {
            None
        };
        command.stdout(std::process::Stdio::null());
        if let Some(file) = &options.log_file {
            let file = File::create(file).context("cannot create the log file")?;
            command.stderr(file);
        }
        let mut child = spawn(command)?;
        let (log, base_url) = if let Some(file) = &options.log_file {
            log_of_file(file, &mut child)?
        } else {
            let log = collect_lines(child.pipes().stderr.take().context("no stderr")?);
            let address = |lines: &[String]| lines.iter().find_map(|line| address_in(line));
            let base_url = log.wait(STARTS_WITHIN, address);
            (log, base_url)
        };
        let Some(base_url) = base_url else {
            let status = child
                .ended()?
                .map_or("still running".to_owned(), |it| it.to_string());
            bail!(
                "{} does not listen ({status})\n{}",
                binary.display(),
                tail(&log)
            );
        };
        Ok(Self {
            log,
            child,
            base_url,
            state_dir,
            database,
            _own_state_dir: own,
        })
    }

    /// `http://host:port`, for this host.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// `http://host:port`, for a machine on the user network.
    pub fn url_for_machines(&self) -> String {
        let port = self.base_url.rsplit(':').next().unwrap_or_default();
        format!("http://{HOST}:{port}")
    }

    /// Where it keeps its database, unless [`Server::database`] says otherwise.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The `[database]connection` that was chosen for it, if it is not the file.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// How much memory it has in use now, in bytes.
    pub fn resident_memory(&mut self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.pipes().id());
        let status =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next());
        let kib: u64 = kib.context("no VmRSS")?.parse()?;
        Ok(kib * 1024)
    }

    /// Waits until it has nothing to do: all its threads sleep, and none has run between two looks.
    pub fn wait_until_idle(&self) -> Result<()> {
        let mut before = None;
        eventually("the server is idle", || {
            let now = sleeping_threads(self.id())?;
            let is_idle = now.is_some() && now == before;
            before = now;
            Ok(is_idle)
        })
    }

    /// The log lines that hold `needle`, so far.
    pub fn log_with(&self, needle: &str) -> Vec<String> {
        let mut lines = self.log.entries();
        lines.retain(|line| line.contains(needle));
        lines
    }

    /// Waits for a log line that holds `needle`.
    pub fn wait_for_log(&self, needle: &str, timeout: Duration) -> Result<String> {
        let found = |lines: &[String]| lines.iter().find(|line| line.contains(needle)).cloned();
        self.log
            .wait(timeout, found)
            .with_context(|| format!("no log line with {needle:?}\n{}", tail(&self.log)))
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.child.terminate()?;
        self.child
            .wait(STOPS_WITHIN)
            .with_context(|| tail(&self.log))
    }

    /// Stops it where it stands (SIGSTOP), as a machine that hangs.
    pub fn pause(&self) -> Result<()> {
        self.child.signal(Signal::SIGSTOP)
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) -> Result<()> {
        self.child.signal(Signal::SIGCONT)
    }

    /// Asks it to read its files again (SIGHUP).
    pub fn hang_up(&self) -> Result<()> {
        self.child.signal(Signal::SIGHUP)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()
    }
}

/// How often each thread of a process went to sleep, if all of them sleep now.
fn sleeping_threads(process: u32) -> Result<Option<BTreeMap<PathBuf, String>>> {
    let folder = format!("/proc/{process}/task");
    let mut switches = BTreeMap::new();
    for thread in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
        let path = thread?.path().join("status");
        let Ok(status) = fs::read_to_string(&path) else {
            // It has ended meanwhile.
            return Ok(None);
        };
        let value = |name| status.lines().find_map(|line| line.strip_prefix(name));
        if !value("State:").is_some_and(|state| state.trim().starts_with('S')) {
            return Ok(None);
        }
        let count = value("voluntary_ctxt_switches:").context("no voluntary_ctxt_switches")?;
        switches.insert(path, count.trim().to_owned());
    }
    Ok(Some(switches))
}

/// The PostgreSQL database that goes with a state folder, so that a server that starts again finds
/// what it had.
fn database_of(binary: &Path, state_dir: &Path) -> Result<String> {
    static DATABASES: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());
    let mut databases = hold(&DATABASES);
    if let Some(url) = databases.get(state_dir) {
        return Ok(url.clone());
    }
    let postgres = Postgres::shared().context("there is no PostgreSQL")?;
    // The folder of no server: its database is the one that others are copied from.
    let template = PathBuf::new();
    if !databases.contains_key(&template) {
        let name = postgres.create_database(None)?;
        let upgrade = std::process::Command::new(binary)
            .args(["db", "upgrade"])
            .env(CONNECTION, postgres.url(&name))
            .output()
            .context("cannot run `ironpxe db upgrade`")?;
        let said = String::from_utf8_lossy(&upgrade.stderr);
        ensure!(upgrade.status.success(), "ironpxe db upgrade: {said}");
        databases.insert(template.clone(), name);
    }
    let template = databases.get(&template).map(String::as_str);
    let url = postgres.url(&postgres.create_database(template)?);
    databases.insert(state_dir.to_owned(), url.clone());
    Ok(url)
}

/// What a server has logged into a file by the time it listens or ends, and where it listens.
fn log_of_file(file: &Path, child: &mut Child) -> Result<(Arc<Journal<String>>, Option<String>)> {
    let deadline = Instant::now() + STARTS_WITHIN;
    loop {
        let over = child.ended()?.is_some() || Instant::now() >= deadline;
        let text = fs::read_to_string(file).context("cannot read the log file")?;
        // The last line is not looked at before it is whole.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let base_url = whole.lines().find_map(address_in);
        if over || base_url.is_some() {
            let log = Arc::new(Journal::default());
            text.lines().for_each(|line| log.push(line.to_owned()));
            log.close();
            return Ok((log, base_url));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn tail(log: &Journal<String>) -> String {
    format!(
        "--- server log ---\n{}\n------------------",
        log.tail(LOG_TAIL).join("\n")
    )
}

/// The address in a line like `… listening on http://127.0.0.1:6385 …`.
fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening on ")?;
    let (scheme, rest) = rest.split_once("://")?;
    let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && !".:-[]".contains(it));
    Some(format!(
        "{scheme}://{}",
        rest.get(..end.unwrap_or(rest.len()))?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    /// A stand-in for the executable, written in shell.
    fn stand_in(folder: &TempDir, script: &str) -> PathBuf {
        let path = folder.path().join("ironpxe");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn address_is_read_from_the_log() {
        let line =
            "2026-11-22T10:00:00Z INFO ironpxe: listening on http://127.0.0.1:40123 roles=all";
        assert_eq!(address_in(line).as_deref(), Some("http://127.0.0.1:40123"));
        let line = "listening on http://[::1]:6385, ready";
        assert_eq!(address_in(line).as_deref(), Some("http://[::1]:6385"));
        assert_eq!(address_in("listening on a socket"), None);
    }

    #[test]
    fn server_gets_its_settings_and_stops_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let binary = stand_in(
            &folder,
            "echo \"args $*\" >&2; echo \"public $IRONPXE_API__PUBLIC_ENDPOINT\" >&2\n\
             echo \"kernel $IRONPXE_CONDUCTOR__DEPLOY_KERNEL\" >&2\n\
             trap 'echo bye >&2; exit 7' TERM\n\
             echo \"INFO listening on http://$5\" >&2\n\
             while :; do sleep 0.02; done",
        );
        let options =
            ServerOptions::for_machines().set("IRONPXE_CONDUCTOR__DEPLOY_KERNEL", "http://x/k");
        let mut server = Server::start(&binary, &options).unwrap();
        let public = server.log_with("public ");
        assert_eq!(public, [format!("public {}", server.url_for_machines())]);
        assert_eq!(server.log_with("kernel "), ["kernel http://x/k"]);
        assert!(server.log_with("args serve --state-dir ")[0].contains(" --listen 127.0.0.1:"));
        assert_eq!(server.terminate().unwrap().code(), Some(7));
        assert_eq!(
            server.wait_for_log("bye", crate::wait::TIMEOUT).unwrap(),
            "bye"
        );
    }

    #[test]
    fn server_that_cannot_start_shows_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let binary = stand_in(
            &folder,
            "echo 'configuration: unknown key [api]prot' >&2; exit 64",
        );
        let error = Server::start(&binary, &ServerOptions::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("unknown key [api]prot"), "{error}");
    }

    #[test]
    fn address_or_start_error_is_read_from_a_log_file() {
        let folder = tempfile::tempdir().unwrap();
        let options = ServerOptions {
            log_file: Some(folder.path().join("log")),
            ..ServerOptions::default()
        };
        let listens = "echo 'INFO listening on http://127.0.0.1:7, ready' >&2; exec sleep 600";
        let server = Server::start(&stand_in(&folder, listens), &options).unwrap();
        assert_eq!(server.base_url(), "http://127.0.0.1:7");
        drop(server);

        let fails = "echo 'configuration: unknown key [api]prot' >&2; exit 64";
        let error = Server::start(&stand_in(&folder, fails), &options).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("unknown key [api]prot"), "{error}");
    }
}
