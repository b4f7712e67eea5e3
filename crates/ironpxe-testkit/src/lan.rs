//! A network that nothing else is on: a network namespace with a bridge, for a DHCP server and
//! machines that know nothing of each other.
//!
//! The test itself runs inside ([`Lan::run`]), so that its servers and clients are reached; what it
//! starts is started inside too. It needs root, and says that it is skipped without.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};
use nix::unistd::Uid;
use tempfile::TempDir;

use crate::journal::Journal;
use crate::process::{Child, collect_lines, find, guarded, spawn};

/// This host, on the network.
pub const HOST: &str = "10.77.0.1";
/// Its IPv6 address.
pub const HOST6: &str = "fd77::1";
/// The bridge: the interface that DHCP servers serve.
pub const BRIDGE: &str = "br0";

const SOON: Duration = crate::wait::TIMEOUT;

/// The network. Clones are the same one; it is gone with the last.
#[derive(Clone, Debug)]
pub struct Lan(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    namespace: Namespace,
    taps: AtomicU32,
}

/// A network namespace with isolated interfaces, addresses and ports.
#[derive(Debug)]
pub(crate) struct Namespace {
    path: PathBuf,
    /// A process that does nothing but hold it.
    holder: Child,
}

impl Namespace {
    pub(crate) fn new() -> Result<Self> {
        let ours = namespace_of("self")?;
        let mut command = guarded(&find("unshare")?)?;
        command.args(["--net", "--", "sleep", "infinity"]);
        let mut holder = spawn(command)?;
        let pid = holder.id().to_string();
        // Until it has left ours.
        let deadline = Instant::now() + SOON;
        while namespace_of(&pid)? == ours {
            if let Some(status) = holder.ended()? {
                bail!("no network of its own: {status}");
            }
            ensure!(Instant::now() < deadline, "`unshare` takes too long");
            thread::sleep(Duration::from_millis(2));
        }
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        Ok(Self { path, holder })
    }

    /// By which it can be entered.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A command for `program` that runs in this namespace and dies with this process.
    fn guarded(&self, program: &Path) -> Result<Command> {
        let mut command = guarded(&find("nsenter")?)?;
        command.arg(format!("--net={}", self.path.display()));
        command.arg("--").arg(program);
        Ok(command)
    }

    fn ip(&self, arguments: &str) -> Result<()> {
        let mut command = self.guarded(&find("ip")?)?;
        let output = command
            .args(arguments.split(' '))
            .output()
            .context("cannot run ip")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip {arguments}: {said}");
        Ok(())
    }
}

impl Lan {
    /// Makes a network and runs a test inside. Without root, or without one of these programs, says
    /// that the test is skipped.
    #[expect(clippy::print_stdout, reason = "it is the output of a test")]
    pub fn run(programs: &[&str], test: impl FnOnce(&Self) -> Result<()> + Send) -> Result<()> {
        if !Uid::effective().is_root() {
            println!("skipped: a network of its own needs root");
            return Ok(());
        }
        for program in programs {
            if find_server(program).is_err() {
                println!("skipped: no {program} here; `cargo xtask test` gets it");
                return Ok(());
            }
        }
        let lan = Self::new()?;
        thread::scope(|scope| {
            // On a separate thread, because entering a namespace cannot be undone.
            let inside = scope.spawn(|| {
                let namespace =
                    fs::File::open(lan.0.namespace.path()).context("the network is gone")?;
                setns(namespace, CloneFlags::CLONE_NEWNET).context("cannot enter the network")?;
                test(&lan)
            });
            match inside.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn new() -> Result<Self> {
        let lan = Self(Arc::new(Inside {
            namespace: Namespace::new()?,
            taps: AtomicU32::new(0),
        }));
        lan.ip("link set lo up")?;
        lan.ip(&format!("link add {BRIDGE} type bridge forward_delay 0"))?;
        lan.ip(&format!("addr add {HOST}/24 dev {BRIDGE}"))?;
        lan.ip(&format!("-6 addr add {HOST6}/64 dev {BRIDGE} nodad"))?;
        lan.ip(&format!("link set {BRIDGE} up"))?;
        Ok(lan)
    }

    /// This host's address.
    pub fn address() -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1))
    }

    /// Gives this host another address on the network, such as `169.254.169.254/16`.
    pub fn add_address(&self, address: &str) -> Result<()> {
        self.ip(&format!("addr add {address} dev {BRIDGE}"))
    }

    /// Adds a tap interface to the bridge, for a machine's card; returns its name.
    pub(crate) fn add_tap(&self) -> Result<String> {
        let tap = format!("tap{}", self.0.taps.fetch_add(1, Ordering::Relaxed));
        self.ip(&format!("tuntap add {tap} mode tap"))?;
        self.ip(&format!("link set {tap} master {BRIDGE} up"))?;
        Ok(tap)
    }

    /// Adds a veth pair from the bridge to an interface with this address in another namespace.
    /// Returns the interface's name there.
    pub(crate) fn add_veth(&self, mac: &str, to: &Namespace) -> Result<String> {
        let number = self.0.taps.fetch_add(1, Ordering::Relaxed);
        let (port, peer) = (format!("veth{number}"), "card0".to_owned());
        let other = to.holder.id();
        self.ip(&format!(
            "link add {port} type veth peer name {peer} address {mac} netns {other}"
        ))?;
        self.ip(&format!("link set {port} master {BRIDGE} up"))?;
        to.ip(&format!("link set {peer} addrgenmode none"))?;
        to.ip(&format!("link set {peer} up"))?;
        to.ip(&format!(
            "-6 addr add {}/64 dev {peer} nodad",
            link_local(mac)
        ))?;
        // To be asked, a server has to be reached without an address.
        to.ip(&format!("route add 255.255.255.255/32 dev {peer}"))?;
        Ok(peer)
    }

    /// A command for `program` that runs in this namespace and dies with this process.
    pub(crate) fn guarded(&self, program: &Path) -> Result<Command> {
        self.0.namespace.guarded(program)
    }

    /// The beginning of a command line that is executed in this namespace.
    pub(crate) fn enter(&self) -> Result<[OsString; 3]> {
        let mut network = OsString::from("--net=");
        network.push(self.0.namespace.path());
        Ok([find("nsenter")?.into(), network, "--".into()])
    }

    /// Starts a server that stays in the foreground and logs to standard error or output, and waits
    /// for a line of its log that holds `started`.
    pub fn serve(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = String>,
        environment: &[(&str, String)],
        started: &str,
    ) -> Result<Daemon> {
        let program = find_server(program)?;
        // Both of its outputs in one.
        let mut command = self.guarded(&find("sh")?)?;
        command.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(&program);
        command.args(arguments);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        if let Some(libraries) = libraries_beside(&program) {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let mut child = spawn(command)?;
        let log = collect_lines(child.pipes().stdout.take().context("no output")?);
        let daemon = Daemon { log, child };
        daemon.wait_for_log(started, SOON)?;
        Ok(daemon)
    }

    /// Starts a dnsmasq with these lines as its whole configuration, but for what keeps it apart
    /// from everything else here.
    pub fn dnsmasq(&self, lines: &str) -> Result<Dnsmasq> {
        let folder = tempfile::tempdir().context("cannot create a folder for dnsmasq")?;
        let file = folder.path().join("dnsmasq.conf");
        fs::write(&file, lines).context("cannot write dnsmasq's configuration")?;
        let arguments = [
            "--keep-in-foreground",
            &format!("--conf-file={}", file.display()),
            "--port=0",
            // It would ping each address for three seconds before it is given away.
            "--no-ping",
            &format!("--interface={BRIDGE}"),
            "--bind-interfaces",
            "--dhcp-authoritative",
            "--user=root",
            "--pid-file=",
            "--dhcp-leasefile=/dev/null",
            "--leasefile-ro",
            "--log-facility=-",
            "--log-dhcp",
        ];
        let daemon = self.serve(
            "dnsmasq",
            arguments.map(str::to_owned),
            &[],
            "DHCP, IP range",
        )?;
        Ok(Dnsmasq {
            daemon,
            _folder: folder,
        })
    }

    fn ip(&self, arguments: &str) -> Result<()> {
        self.0.namespace.ip(arguments)
    }
}

/// An address that is the card's, as its MAC address is.
fn link_local(mac: &str) -> String {
    let digits: String = mac.split(':').collect();
    let (left, right) = digits.split_at(digits.len() / 2);
    format!(
        "fe80::ff:fe00:{}",
        [left, right]
            .map(|half| half.get(2..).unwrap_or(half))
            .join(":")
    )
}

/// A running server of the network. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    /// What it says, line by line.
    pub log: Arc<Journal<String>>,
    child: Child,
}

impl Daemon {
    /// Waits for a line of its log that holds `needle`.
    pub fn wait_for_log(&self, needle: &str, timeout: Duration) -> Result<String> {
        let found = |lines: &[String]| lines.iter().find(|line| line.contains(needle)).cloned();
        let tail = || self.log.tail(60).join("\n");
        self.log
            .wait(timeout, found)
            .with_context(|| format!("no line with {needle:?} in\n{}", tail()))
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

/// A running dnsmasq.
#[derive(Debug)]
pub struct Dnsmasq {
    /// The server.
    pub daemon: Daemon,
    _folder: TempDir,
}

/// Where a program is: in `PATH`, where servers are, or where `cargo xtask test` unpacked it.
pub fn find_server(program: &str) -> Result<PathBuf> {
    let found = find(program);
    [Path::new("/usr/sbin"), &servers_folder()?.join("usr/sbin")]
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .map_or(found, Ok)
}

/// Where `cargo xtask test` unpacks servers.
pub fn servers_folder() -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let workspace = workspace.context("the crate is not in a workspace")?;
    Ok(workspace.join("target/tools/dhcp-servers"))
}

/// A command that runs a server's program, wherever it is, on this host's own network: to check a
/// configuration. The server must not be started by it.
pub fn checker(program: &str) -> Result<Command> {
    let program = find_server(program)?;
    let mut command = Command::new(&program);
    if let Some(libraries) = libraries_beside(&program) {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    Ok(command)
}

/// Where `cargo xtask test` unpacks servers, the libraries that came with them.
fn libraries_beside(program: &Path) -> Option<PathBuf> {
    let root = program.ancestors().nth(3)?;
    let folder = root.join("usr/lib/x86_64-linux-gnu");
    (root.ends_with("dhcp-servers") && folder.is_dir()).then_some(folder)
}

fn namespace_of(process: &str) -> Result<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/net")).context("cannot see a process's network")
}
