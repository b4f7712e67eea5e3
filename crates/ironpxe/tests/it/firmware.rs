//! Machines with real iPXE firmware boot from the real executable.
//!
//! Each test has a [`Site`] of its own: a server on an empty database, images, and a node enrolled
//! through the API. What booted is judged by what the machine itself printed on its console, and
//! by what it fetched.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ironpxe_testkit::imageserver::{Answer, ImageServer};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::machine::{Hardware, Machine, Network, Nic};
use ironpxe_testkit::payload::linux::{self, Linux};
use ironpxe_testkit::payload::toy;
use ironpxe_testkit::server::{Server, ServerOptions};
use ironpxe_testkit::turnstile::Turnstile;
use serde_json::{Value, json};

const NODE: &str = "rack-1";
const MAC: &str = "52:54:00:aa:00:01";
const KERNEL: &str = "/images/deploy.kernel";
const RAMDISK: &str = "/images/deploy.initramfs";
const ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 site=test";
const DOOR: &str = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";

const SOON: Duration = Duration::from_secs(30);
const BOOT: Duration = Duration::from_mins(1);

/// More machines than cores make each other slow.
static MACHINES: Turnstile = Turnstile::new(2);

#[test]
fn the_script_boots_exactly_what_it_says() -> Result<()> {
    let ramdisk = toy::ramdisk(300_001);
    let site = Site::with(toy::KERNEL, &ramdisk)?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    let said = site.command_line(MAC)?;
    for word in [
        &format!("ipa-api-url={}", site.server.url_for_machines()),
        &format!("BOOTIF={MAC}"),
        "console=ttyS0",
        "site=test",
    ] {
        ensure!(
            said.split(' ').any(|it| it == word),
            "{word} is not in {said}"
        );
    }

    let _turn = MACHINES.enter();
    let mut machine = site.machine().power_on()?;
    let line = machine.wait_for_line("IRONPXE-TOY", BOOT)?;
    machine.wait_until_off(SOON)?;
    let expected = toy::report(&said, &ramdisk);
    ensure!(
        anonymous(&line) == anonymous(&expected),
        "printed {line}\nexpected {expected}"
    );

    // A photo of the screen is a bug report: the node, and the request to look for in the log.
    let about = machine.wait_for_line("req-", SOON)?;
    ensure!(about.contains(&node), "{about}");
    ensure!(machine.console().contains(NODE), "{}", machine.console());
    let request = request_id(&about)?;
    ensure!(line.contains(&request), "{request} is not in {line}");
    site.server.wait_for_log(&request, SOON)?;
    Ok(())
}

#[test]
fn a_real_linux_starts_with_what_the_deploy_ramdisk_needs() -> Result<()> {
    let linux = Linux::ensure()?;
    let site = Site::with(&linux.kernel, &linux.initramfs)?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    let said = site.command_line(MAC)?;

    let _turn = MACHINES.enter();
    let mut hardware = site.machine();
    hardware.memory_mib = 256;
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(linux::MARKER, BOOT)?;
    machine.wait_until_off(SOON)?;
    let expected = linux::report(&said);
    ensure!(
        anonymous(&line) == anonymous(&expected),
        "printed {line}\nexpected {expected}"
    );
    Ok(())
}

#[test]
fn a_node_in_enroll_is_told_why_it_boots_nothing() -> Result<()> {
    let site = Site::with(toy::KERNEL, &[])?;
    let node = site.enrol(MAC)?;
    refuses(&site, &node, "enroll")
}

#[test]
fn an_available_node_is_told_why_it_boots_nothing() -> Result<()> {
    let site = Site::with(toy::KERNEL, &[])?;
    let node = site.enrol(MAC)?;
    site.make_available(&node)?;
    refuses(&site, &node, "available")
}

/// The reason is on the console, and in one warning of the log under the same request id.
fn refuses(site: &Site, node: &str, state: &str) -> Result<()> {
    let _turn = MACHINES.enter();
    let machine = site.machine().power_on()?;
    let line = machine.wait_for_line("req-", BOOT)?;
    let console = machine.console();
    let told = console.split_once("[script]").context("no script ran")?.1;
    for needle in [NODE, node, state] {
        ensure!(
            told.contains(needle),
            "the console does not say {needle:?}:\n{console}"
        );
    }
    let request = request_id(&line)?;
    site.server.wait_for_log(&request, SOON)?;
    let mut warnings = site.server.log_with(&request);
    warnings.retain(|line| line.contains("WARN"));
    ensure!(
        warnings.len() == 1,
        "not one warning with {request}: {warnings:#?}"
    );
    ensure!(
        site.images.requests.entries().is_empty(),
        "{:?}",
        site.images.requests.entries()
    );
    machine.power_off()
}

#[test]
fn the_boot_script_finds_the_card_that_is_known() -> Result<()> {
    const UNKNOWN: &str = "52:54:00:aa:00:09";
    let site = Site::with(toy::KERNEL, &toy::ramdisk(1000))?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    let bootfile = format!("{}/boot.ipxe", site.server.url_for_machines());
    let mut hardware = Hardware::with_bootfile(UNKNOWN, &bootfile);
    let network = Network::User { bootfile: None };
    hardware.nics.push(Nic {
        mac: MAC.to_owned(),
        boots: false,
        network,
    });

    let _turn = MACHINES.enter();
    let machine = hardware.power_on()?;
    let line = machine.wait_for_line("IRONPXE-TOY", BOOT)?;
    ensure!(line.contains(&format!(" BOOTIF={MAC} ")), "{line}");
    ensure!(machine.console().contains(UNKNOWN), "{}", machine.console());
    Ok(())
}

#[test]
fn a_machine_waits_for_a_server_that_says_retry_after() -> Result<()> {
    let site = Site::with(toy::KERNEL, &toy::ramdisk(1000))?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    let front = ImageServer::start()?;
    front.relay_to(site.server.base_url())?;
    front.fail_next(DOOR, 1, Answer::status(503).header("Retry-After", "1"));
    let bootfile = format!("{}?port_address=${{mac}}", front.url(DOOR));

    let _turn = MACHINES.enter();
    let machine = Hardware::with_bootfile(MAC, &bootfile).power_on()?;
    boots_the_toy(&machine)?;
    ensure!(
        statuses(&front, DOOR) == [503, 200],
        "{:?}",
        front.requests.entries()
    );
    Ok(())
}

#[test]
fn a_machine_tries_again_when_an_image_cannot_be_fetched() -> Result<()> {
    let site = Site::with(toy::KERNEL, &toy::ramdisk(1000))?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    site.images.fail_next(KERNEL, 2, Answer::status(500));

    let _turn = MACHINES.enter();
    let machine = site.machine().power_on()?;
    boots_the_toy(&machine)?;
    ensure!(
        statuses(&site.images, KERNEL) == [500, 500, 200],
        "{:?}",
        site.images.requests
    );
    Ok(())
}

fn boots_the_toy(machine: &Machine) -> Result<()> {
    let line = machine.wait_for_line("IRONPXE-TOY", BOOT)?;
    let ramdisk = toy::report("", &toy::ramdisk(1000));
    let fingerprint = ramdisk.split_once(']').context("no fingerprint")?.1;
    ensure!(
        line.ends_with(fingerprint),
        "{line} does not end with{fingerprint}"
    );
    Ok(())
}

fn statuses(server: &ImageServer, path: &str) -> Vec<u16> {
    server
        .requests_to(path)
        .iter()
        .map(|request| request.status)
        .collect()
}

/// A server with images to boot, as machines and the operator see it.
struct Site {
    images: ImageServer,
    server: Server,
    ironic: Ironic,
}

impl Site {
    fn with(kernel: &[u8], ramdisk: &[u8]) -> Result<Self> {
        let images = ImageServer::start()?;
        images.serve(KERNEL, kernel);
        images.serve(RAMDISK, ramdisk);
        let binary = Path::new(env!("CARGO_BIN_EXE_ironpxe"));
        let server = Server::start(binary, &ServerOptions::for_machines())?;
        let ironic = Ironic::new(server.base_url())?;
        Ok(Self {
            images,
            server,
            ironic,
        })
    }

    /// Creates a node with one port, and returns its UUID.
    fn enrol(&self, mac: &str) -> Result<String> {
        let node = self.ironic.create_node(&json!({
            "name": NODE,
            "driver": "fake-hardware",
            "deploy_interface": "direct",
            "automated_clean": false,
            "driver_info": {
                "deploy_kernel": self.images.url(KERNEL),
                "deploy_ramdisk": self.images.url(RAMDISK),
                "kernel_append_params": ARGUMENTS,
            },
            "instance_info": {"image_source": self.images.url("/images/system.qcow2")},
        }))?;
        let uuid = node
            .get("uuid")
            .and_then(Value::as_str)
            .context("the node has no uuid")?;
        self.ironic.create_port(uuid, mac)?;
        Ok(uuid.to_owned())
    }

    fn make_available(&self, node: &str) -> Result<()> {
        self.drive(node, "manage", "manageable")?;
        self.drive(node, "provide", "available")
    }

    /// Up to where the deploy ramdisk is waited for.
    fn deploy(&self, node: &str) -> Result<()> {
        self.make_available(node)?;
        self.drive(node, "active", "wait call-back")
    }

    fn drive(&self, node: &str, verb: &str, state: &str) -> Result<()> {
        self.ironic.provision(node, verb)?;
        self.ironic.wait_state(node, state, SOON).map(drop)
    }

    /// A machine whose DHCP server names the door by the address of the card that boots.
    fn machine(&self) -> Hardware {
        let url = format!(
            "{}{DOOR}?port_address=${{mac}}",
            self.server.url_for_machines()
        );
        Hardware::with_bootfile(MAC, &url)
    }

    /// The kernel command line in the script that this machine would get now.
    fn command_line(&self, mac: &str) -> Result<String> {
        let path = format!("{DOOR}?port_address={}", mac.replace(':', "%3A"));
        let script = self.ironic.get_as_firmware(&path)?;
        ensure!(script.status == 200, "{script:?}");
        ensure!(script.text.starts_with("#!ipxe\n"), "{}", script.text);
        let line = script
            .text
            .lines()
            .find_map(|line| line.strip_prefix("kernel "));
        let mut words = line.context("the script starts no kernel")?.split(' ');
        // `--timeout 60000` and the like, and the image's URL, are for iPXE.
        while words.next().is_some_and(|word| word.starts_with("--")) {
            words.next();
        }
        let words: Vec<&str> = words.take_while(|word| *word != "||").collect();
        let command_line = words
            .join(" ")
            .replace("${netX/mac}", mac)
            .replace("${mac}", mac);
        ensure!(
            !command_line.contains("${"),
            "not understood: {command_line}"
        );
        Ok(command_line)
    }
}

/// The `req-<uuid>` in a line.
fn request_id(line: &str) -> Result<String> {
    let rest = line.split_once("req-").map(|(_, rest)| rest);
    let uuid = rest.and_then(|rest| rest.get(..36));
    match uuid {
        Some(uuid) if uuid.chars().all(|it| it == '-' || it.is_ascii_hexdigit()) => {
            Ok(format!("req-{uuid}"))
        }
        _ => bail!("no request id in {line:?}"),
    }
}

/// A text without the id of the request that it answers.
fn anonymous(text: &str) -> String {
    match request_id(text) {
        Ok(request) => text.replace(&request, "req-*"),
        Err(_) => text.to_owned(),
    }
}
