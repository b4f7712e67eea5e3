//! A real iSCSI target: Debian's `tgtd` on loopback, with its own control socket.
//!
//! It needs no root, since neither its port nor its files are the system's. A machine on the user
//! network reaches it at [`HOST`], like everything else here.

use std::fs;
use std::net::Ipv6Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::journal::Journal;
use crate::machine::HOST;
use crate::process::{Child, collect_lines, find, guarded, spawn};
use crate::server::Server;

/// The one target's number within its daemon.
const TARGET: &str = "1";
/// Names the control socket; the folder it is in is what makes it unique.
const CONTROL: &str = "1";
/// Where daemon and tool look for that socket.
const SOCKET_VARIABLE: &str = "TGT_IPC_SOCKET";
const STARTS_WITHIN: Duration = crate::wait::TIMEOUT;
const POLL: Duration = Duration::from_millis(10);
/// How often to try another port if the free one was taken meanwhile.
const PORTS_TO_TRY: usize = 5;

/// A running target. Dropping it kills it.
#[derive(Debug)]
pub struct Target {
    /// Its name.
    pub iqn: String,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    log: Arc<Journal<String>>,
    folder: TempDir,
    _child: Child,
}

impl Target {
    /// Starts a target with this name, without disks, and without permitted initiators.
    pub fn start(iqn: &str) -> Result<Self> {
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::start_once(iqn) {
                Err(_) if tries < PORTS_TO_TRY => {}
                result => return result,
            }
        }
    }

    fn start_once(iqn: &str) -> Result<Self> {
        let daemon = Path::new("/usr/sbin/tgtd");
        ensure!(
            daemon.is_file(),
            "no iSCSI target: `apt-get install tgt` (`cargo xtask test` installs it)"
        );
        let folder = tempfile::tempdir().context("cannot create a folder for a target")?;
        let port = Server::free_port()?;
        let mut command = guarded(daemon)?;
        command.env(SOCKET_VARIABLE, folder.path().join("socket"));
        command.args(["--foreground", "--control-port", CONTROL, "--iscsi"]);
        command.arg(format!("portal=127.0.0.1:{port}"));
        command.stdout(std::process::Stdio::null());
        let mut child = spawn(command)?;
        let log = collect_lines(child.pipes().stderr.take().context("no stderr")?);
        let target = Self {
            iqn: iqn.to_owned(),
            port,
            log,
            folder,
            _child: child,
        };
        let deadline = Instant::now() + STARTS_WITHIN;
        while let Err(error) = target.admin(&["--mode", "system", "--op", "show"]) {
            if Instant::now() >= deadline || target.log.is_closed() {
                return Err(error).with_context(|| target.log.tail(20).join("\n"));
            }
            thread::sleep(POLL);
        }
        let portals = target.admin(&["--mode", "portal", "--op", "show"])?;
        ensure!(
            portals.contains(&format!("127.0.0.1:{port}")),
            "another process took port {port}: {portals}"
        );
        target.change(&["--mode", "target", "--op", "new", "--targetname", iqn])?;
        Ok(target)
    }

    /// Also listens on this port of the IPv6 loopback.
    pub fn listen_v6(&self) -> Result<u16> {
        let port = Server::free_port()?;
        let portal = format!("param=portal=[{}]:{port}", Ipv6Addr::LOCALHOST);
        self.admin(&["--mode", "portal", "--op", "new", "--param", &portal])?;
        Ok(port)
    }

    /// Adds a disk with this logical unit number, which is not 0: that is the controller's.
    pub fn add_disk(&self, lun: u16, content: &[u8]) -> Result<()> {
        let path = self.folder.path().join(format!("lun{lun}"));
        fs::write(&path, content).context("cannot write a disk")?;
        let lun = lun.to_string();
        let path = path.to_str().context("a path is not UTF-8")?;
        let unit = ["--mode", "logicalunit", "--op", "new", "--lun", &lun];
        self.change(&[&unit[..], &["--backing-store", path]].concat())
    }

    /// Admits initiators who know this name and password (CHAP); once said, only those.
    pub fn require_chap(&self, user: &str, password: &str) -> Result<()> {
        let account = ["--mode", "account", "--user", user];
        self.admin(&[&account[..], &["--op", "new", "--password", password]].concat())?;
        self.change(&[&account[..], &["--op", "bind"]].concat())
    }

    /// Admits this initiator, from wherever.
    pub fn admit(&self, initiator_iqn: &str) -> Result<()> {
        let bind = ["--mode", "target", "--op", "bind", "--initiator-name"];
        self.change(&[&bind[..], &[initiator_iqn]].concat())
    }

    /// Admits every initiator.
    pub fn admit_all(&self) -> Result<()> {
        let bind = ["--mode", "target", "--op", "bind"];
        self.change(&[&bind[..], &["--initiator-address", "ALL"]].concat())
    }

    /// The names of those who are logged in.
    pub fn initiators(&self) -> Result<Vec<String>> {
        let show = self.admin(&["--mode", "target", "--op", "show"])?;
        let names = show
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Initiator: "));
        // Behind the name stands an alias.
        Ok(names
            .map(|name| name.split(' ').next().unwrap_or_default().to_owned())
            .collect())
    }

    /// Waits until an initiator of this name has logged in.
    pub fn wait_for_initiator(&self, iqn: &str, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            let names = self.initiators()?;
            if names.iter().any(|name| name == iqn) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("{iqn} did not log in within {timeout:?}, but {names:?}");
            }
            thread::sleep(POLL);
        }
    }

    /// What iPXE calls the disk `lun`: `iscsi:<host>:<protocol>:<port>:<lun, hex>:<target>`.
    pub fn uri(&self, lun: u16) -> String {
        format!("iscsi:{HOST}::{}:{lun:x}:{}", self.port, self.iqn)
    }

    /// The portal as OpenStack writes it, for a machine on the user network.
    pub fn portal(&self) -> String {
        format!("{HOST}:{}", self.port)
    }

    /// Asks for a change of our target.
    fn change(&self, arguments: &[&str]) -> Result<()> {
        self.admin(&[arguments, &["--tid", TARGET]].concat())
            .map(drop)
    }

    fn admin(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(find("tgtadm").or_else(|_| find("/usr/sbin/tgtadm"))?)
            .env(SOCKET_VARIABLE, self.folder.path().join("socket"))
            .args(["--control-port", CONTROL, "--lld", "iscsi"])
            .args(arguments)
            .output()
            .context("cannot run tgtadm")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "tgtadm {arguments:?}: {}{text}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_targets_exist_at_once_and_are_removed_on_drop() {
        let one = Target::start("iqn.2026-01.example:one").unwrap();
        let two = Target::start("iqn.2026-01.example:two").unwrap();
        for (target, lun) in [(&one, 1), (&two, 26)] {
            target.add_disk(lun, &[0; 512]).unwrap();
            target.require_chap("user", "password").unwrap();
            target.admit_all().unwrap();
            assert!(target.initiators().unwrap().is_empty());
        }
        assert_eq!(
            two.uri(26),
            format!("iscsi:10.0.2.2::{}:1a:iqn.2026-01.example:two", two.port)
        );
        let port = one.port;
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        drop(one);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(two.initiators().is_ok());
    }
}
