//! `cargo xtask demo`: a virtual machine boots from ironpxe, with its output shown live.
//!
//! A server, a node enrolled and deployed through the Ironic API, and a virtual machine with real
//! iPXE firmware that asks for its script and boots a real Linux. Then the node is undeployed,
//! and the same machine with the same boot URL is told why it boots nothing.
//!
//! The steps are in [`tell`]; `screen.rs` prints them live, and `facts.rs` prints at the end what
//! was verified. The Linux is Debian's, with a ramdisk that prints its command line and
//! powers off: it stands in for the deploy ramdisk.

mod beside;
mod facts;
mod screen;

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ironpxe_testkit::imageserver::{ImageServer, Request};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::machine::{Hardware, Machine};
use ironpxe_testkit::payload::linux::{self, Linux};
use ironpxe_testkit::server::{Server, ServerOptions};
use nix::sys::signal::{SigSet, Signal};
use serde_json::{Value, json};

use crate::{packages, shell};
use facts::Facts;
use screen::{Screen, Who};

const NODE: &str = "rack-1";
const MAC: &str = "52:54:00:c0:ff:ee";
const KERNEL: &str = "/images/deploy.kernel";
const RAMDISK: &str = "/images/deploy.initramfs";
/// What the deploy ramdisk would write to the disk; nothing in the demo fetches it.
const SYSTEM: &str = "/images/system.qcow2";
const ARGUMENTS: &str = "console=ttyS0 quiet panic=-1";

/// A boot takes about six seconds; a busy machine has been seen to be four times slower.
const BOOT: Duration = Duration::from_mins(2);
const SOON: Duration = Duration::from_secs(30);

/// Arguments of `cargo xtask demo`.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct DemoArgs {
    /// Leave the server running afterwards, until Ctrl-C, and say what to try with it.
    #[arg(long)]
    keep: bool,
    /// Show ironpxe beside a real Ironic, which has the node and is killed then. Takes Ironic from its
    /// Python packages.
    #[arg(long, conflicts_with = "keep")]
    beside: bool,
}

/// Runs the demo; it succeeds only if everything it claims was observed.
pub(crate) fn run(args: DemoArgs) -> Result<()> {
    let screen = Arc::new(Screen::default());
    if args.beside {
        return beside::run(&screen);
    }
    screen.chapter("Getting ready");
    packages::ensure(&["qemu-system-x86"])?;
    screen.step("build ironpxe", || {
        shell::run(shell::cargo().args(["build", "-p", "ironpxe"]))
    })?;
    let interrupt = args.keep.then(Interrupt::catch).transpose()?;
    let mut stage = Stage::set(&screen)?;

    let mut facts = Facts::default();
    let told = tell(&stage, &screen, &mut facts);
    screen.chapter("What happened");
    facts.print(&screen);
    told.context("the demo did not get to its end")?;
    screen.blank();
    screen.say(
        "Both times the machine asked the same URL. Each answer was made when it was asked for, \
         from the node's state in the database; no boot file was written anywhere.",
    );
    if let Some(interrupt) = interrupt {
        stage.invite(&screen);
        interrupt.wait();
        let status = stage.server.terminate()?;
        screen.say(&format!("The server stopped ({status})."));
    }
    Ok(())
}

/// The whole story. Each thing it claims is a fact that it has waited for.
fn tell(stage: &Stage, screen: &Arc<Screen>, facts: &mut Facts) -> Result<()> {
    screen.chapter("An operator deploys a node through the Ironic API");
    let uuid = facts.observe("The operator enrolled a node and deployed it", || {
        let uuid = stage.enrol(screen)?;
        stage.drive(screen, &uuid, "manage", "manageable")?;
        stage.drive(screen, &uuid, "provide", "available")?;
        stage.drive(screen, &uuid, "active", "wait call-back")?;
        Ok((
            uuid.clone(),
            format!("node {NODE}, {uuid}, is in wait call-back"),
        ))
    })?;

    screen.chapter("The machine is switched on");
    screen.say("Its DHCP server names one boot URL, the same for every machine:");
    screen.command(&stage.boot_url());
    screen.blank();
    let mut machine = stage.power_on(screen)?;
    facts.observe("Its firmware fetched a script made for this node", || {
        let line = machine.wait_for_line("req-", BOOT)?;
        ensure!(
            line.contains(&uuid),
            "the console does not name the node: {line}"
        );
        let request = request_id(&line)?;
        stage.server.wait_for_log(request, SOON)?;
        Ok((
            (),
            format!("{request} is on its console and in the server's log"),
        ))
    })?;
    for (title, path, length) in [
        (
            "It fetched the kernel that the script names",
            KERNEL,
            stage.linux.kernel.len(),
        ),
        (
            "It fetched the ramdisk that the script names",
            RAMDISK,
            stage.linux.initramfs.len(),
        ),
    ] {
        facts.observe(title, || {
            let request = stage.images.wait_for(path, 200, BOOT)?;
            ensure!(
                request.bytes == length as u64,
                "{} bytes of {length}",
                request.bytes
            );
            Ok(((), described(&request)))
        })?;
    }
    let booted = facts.observe("It booted that Linux, which shows its command line", || {
        machine.wait_for(linux::MARKER, BOOT)?;
        let line = machine.wait_for_line(linux::MARKER, SOON)?;
        Ok((line.clone(), line))
    })?;
    facts.observe("The command line is what the deploy ramdisk needs", || {
        let api = format!("ipa-api-url={}", stage.server.url_for_machines());
        let boot_interface = format!("BOOTIF={MAC}");
        let words: Vec<&str> = ARGUMENTS
            .split(' ')
            .chain([&*api, &*boot_interface])
            .collect();
        for word in &words {
            let found = booted
                .split([' ', '[', ']'])
                .any(|candidate| candidate == *word);
            ensure!(found, "{word} is not in {booted}");
        }
        Ok(((), words.join(", ")))
    })?;
    machine.wait_until_off(SOON)?;

    screen.chapter("The operator undeploys the node");
    facts.observe("The operator undeployed the node", || {
        stage.drive(screen, &uuid, "deleted", "available")?;
        Ok((
            (),
            format!("node {NODE} is available: nothing is to be booted"),
        ))
    })?;

    screen.chapter("The same machine is switched on again");
    let before = stage.images.requests.entries().len();
    let machine = stage.power_on(screen)?;
    facts.observe("Its console says why it boots nothing", || {
        let line = machine.wait_for_line("req-", BOOT)?;
        let console = machine.console();
        for needle in [NODE, &uuid, "available"] {
            ensure!(
                console.contains(needle),
                "the console does not say {needle:?}:\n{console}"
            );
        }
        let request = request_id(&line)?.to_owned();
        stage.server.wait_for_log(&request, SOON)?;
        let warned = stage.server.log_with(&request);
        ensure!(
            warned.iter().any(|line| line.contains("WARN")),
            "no warning: {warned:#?}"
        );
        Ok((
            (),
            format!("{request} is on its console and in a warning of the server's log"),
        ))
    })?;
    facts.observe("It fetched no image", || {
        let after = stage.images.requests.entries();
        ensure!(after.len() == before, "{after:#?}");
        Ok((
            (),
            "nothing was asked of the image server since it was switched on again".to_owned(),
        ))
    })?;
    machine.power_off()
}

/// Everything but the machine.
struct Stage {
    linux: Linux,
    images: ImageServer,
    server: Server,
    ironic: Ironic,
}

impl Stage {
    fn set(screen: &Arc<Screen>) -> Result<Self> {
        let linux = screen.step("get a Linux kernel from Debian", Linux::ensure)?;
        // Cargo puts the executables of one workspace beside each other.
        let binary = std::env::current_exe()
            .context("cannot locate the executable")?
            .with_file_name("ironpxe");
        let images = ImageServer::start()?;
        images.serve(KERNEL, linux.kernel.as_slice());
        images.serve(RAMDISK, linux.initramfs.as_slice());
        let server = screen.step("start ironpxe on an empty database", || {
            Server::start(&binary, &ServerOptions::for_machines())
        })?;
        let ironic = Ironic::new(server.base_url())?;
        let printer = Arc::clone(screen);
        server
            .log
            .watch(move |line| printer.line(Who::Server, without_time(line)));
        let printer = Arc::clone(screen);
        images
            .requests
            .watch(move |request| printer.line(Who::Images, &described(request)));
        Ok(Self {
            linux,
            images,
            server,
            ironic,
        })
    }

    /// Creates the node and its port; returns the node's UUID.
    fn enrol(&self, screen: &Screen) -> Result<String> {
        let node = self.ironic.create_node(&json!({
            "name": NODE,
            "driver": "fake-hardware",
            "boot_interface": "ipxe",
            "deploy_interface": "direct",
            "automated_clean": false,
            "driver_info": {
                "deploy_kernel": self.images.url(KERNEL),
                "deploy_ramdisk": self.images.url(RAMDISK),
                "kernel_append_params": ARGUMENTS,
            },
            "instance_info": {"image_source": self.images.url(SYSTEM)},
        }))?;
        let uuid = node
            .get("uuid")
            .and_then(Value::as_str)
            .context("the node has no uuid")?;
        screen.line(Who::Operator, &format!("POST /v1/nodes: {NODE} is {uuid}"));
        self.ironic.create_port(uuid, MAC)?;
        screen.line(
            Who::Operator,
            &format!("POST /v1/ports: it has the network card {MAC}"),
        );
        Ok(uuid.to_owned())
    }

    fn drive(&self, screen: &Screen, node: &str, verb: &str, state: &str) -> Result<()> {
        self.ironic.provision(node, verb)?;
        self.ironic.wait_state(node, state, SOON)?;
        let call = format!("PUT /v1/nodes/{NODE}/states/provision {verb}: now {state}");
        screen.line(Who::Operator, &call);
        Ok(())
    }

    /// What DHCP names to every machine.
    fn boot_url(&self) -> String {
        format!(
            "{}{}",
            self.server.url_for_machines(),
            script_path("${mac}")
        )
    }

    fn power_on(&self, screen: &Arc<Screen>) -> Result<Machine> {
        let bootfile = self.boot_url();
        let mut hardware = Hardware::with_bootfile(MAC, &bootfile);
        hardware.memory_mib = 256;
        screen.start_clock();
        let printer = Arc::clone(screen);
        hardware.power_on_watched(move |line| printer.line(Who::Machine, line))
    }

    /// What to do with a server that stays.
    fn invite(&self, screen: &Screen) {
        let base = self.server.base_url();
        screen.chapter("The server stays");
        screen.say("See what the machine sees, change the node, and see it change:");
        screen.blank();
        screen.command(&format!("curl {base}/v1/boot/{MAC}/boot.ipxe"));
        screen.command(&format!("export OS_AUTH_TYPE=none OS_ENDPOINT={base}"));
        screen.command("baremetal node list");
        // Undeploying has cleared what was to be deployed.
        let image = format!("image_source={}", self.images.url(SYSTEM));
        screen.command(&format!(
            "baremetal node set {NODE} --instance-info {image}"
        ));
        screen.command(&format!("baremetal node deploy {NODE}"));
        screen.blank();
        screen.say("Ctrl-C ends it.");
    }
}

/// The boot URL for all machines, for a static DHCP configuration.
fn script_path(mac: &str) -> String {
    format!("/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?port_address={mac}")
}

/// The `req-…` word of a line.
fn request_id(line: &str) -> Result<&str> {
    let mut words = line.split(|it: char| !it.is_ascii_alphanumeric() && it != '-');
    let Some(found) = words.find(|word| word.starts_with("req-")) else {
        bail!("no request id in {line:?}");
    };
    Ok(found)
}

/// A log line without its time: the screen shows its own.
fn without_time(line: &str) -> &str {
    let is_time = |word: &str| word.len() > 15 && word.contains('T') && word.ends_with('Z');
    match line.split_once(' ') {
        Some((first, rest)) if is_time(first) => rest.trim_start(),
        _ => line,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for the eye")]
fn described(request: &Request) -> String {
    let Request {
        method,
        path,
        status,
        bytes,
        took,
        ..
    } = request;
    let size = *bytes as f64 / 1e6;
    format!(
        "{method} {path}: {status}, {size:.1} MB in {:.2} s",
        took.as_secs_f64()
    )
}

/// Ctrl-C, caught, so that a server that was kept is stopped and its folder removed.
struct Interrupt {
    keeping: Arc<AtomicBool>,
    came: mpsc::Receiver<()>,
}

impl Interrupt {
    /// Must come before the first thread is started, since threads inherit what is blocked, and
    /// after the last program that Ctrl-C should still reach.
    fn catch() -> Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
        signals.thread_block().context("cannot catch Ctrl-C")?;
        let keeping = Arc::new(AtomicBool::new(false));
        let (sender, came) = mpsc::channel();
        let kept = Arc::clone(&keeping);
        thread::spawn(move || {
            let _ = signals.wait();
            if !kept.load(Ordering::SeqCst) {
                process::exit(130);
            }
            let _ = sender.send(());
        });
        Ok(Self { keeping, came })
    }

    fn wait(self) {
        self.keeping.store(true, Ordering::SeqCst);
        let _ = self.came.recv();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_id_is_found_between_other_words() {
        assert_eq!(
            request_id("node 1-2 req-0a-1b, see log").unwrap(),
            "req-0a-1b"
        );
        assert_eq!(request_id("req.id=req-7").unwrap(), "req-7");
        assert!(request_id("no request").is_err());
    }

    #[test]
    fn only_the_time_is_removed_from_a_log_line() {
        assert_eq!(
            without_time("2026-11-22T10:00:00.000001Z  WARN refused"),
            "WARN refused"
        );
        assert_eq!(without_time("WARN refused"), "WARN refused");
    }
}
