//! `cargo xtask demo --beside`: a real Ironic has a node, ironpxe beside it makes the boot scripts, and
//! goes on doing so when Ironic is gone.
//!
//! Ironic comes from its Python packages, with its database in a file of SQLite, which ironpxe only
//! reads. The node is enrolled and deployed by Ironic's API; nobody tells ironpxe about it.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::ironic_server::{IronicOptions, IronicServer, version};
use ironpxe_testkit::machine::{HOST, Hardware, Machine};
use ironpxe_testkit::payload::linux::{self, Linux};
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::json;

use super::facts::Facts;
use super::screen::{Screen, Who};
use super::{ARGUMENTS, BOOT, MAC, NODE, SOON, described, request_id, without_time};
use crate::{packages, shell, venv};

const KERNEL: &str = "/linux/kernel";
const RAMDISK: &str = "/linux/ramdisk";
/// What Ironic's conductor writes for the machine, below its web server.
const BOOT_FILE: &str = "/pxelinux.cfg/52-54-00-c0-ff-ee";

/// Runs the demo; it succeeds only if everything it claims was observed.
pub(super) fn run(screen: &Arc<Screen>) -> Result<()> {
    screen.chapter("Getting ready");
    packages::ensure(&["qemu-system-x86"])?;
    screen.step("build ironpxe", || {
        shell::run(shell::cargo().args(["build", "-p", "ironpxe"]))
    })?;
    let mut stage = Stage::set(screen)?;
    let mut facts = Facts::default();
    let told = tell(&mut stage, screen, &mut facts);
    screen.chapter("What happened");
    facts.print(screen);
    told.context("the demo did not get to its end")?;
    screen.blank();
    screen.say(
        "ironpxe only read Ironic's database. Nothing was migrated, and the boot files that the \
         conductor wrote are as they were: without ironpxe, machines boot those again.",
    );
    Ok(())
}

/// The whole story. Each thing it claims is a fact that it has waited for.
fn tell(stage: &mut Stage, screen: &Arc<Screen>, facts: &mut Facts) -> Result<()> {
    screen.chapter("An operator deploys a node, in Ironic");
    let uuid = facts.observe("The operator deployed a node in Ironic", || {
        let uuid = stage.deploy(screen)?;
        let file = stage.ironic.boot_file(MAC).context("no boot file")?;
        ensure!(file.contains(&uuid), "not for this node: {file}");
        Ok((
            uuid.clone(),
            format!("node {NODE}, {uuid}, is active; its conductor wrote {BOOT_FILE}"),
        ))
    })?;

    screen.chapter("ironpxe is started beside it");
    let ironpxe = screen.step("start ironpxe on Ironic's database", || {
        stage.start_ironpxe()
    })?;
    let printer = Arc::clone(screen);
    ironpxe
        .log
        .watch(move |line| printer.line(Who::Server, without_time(line)));

    screen.chapter("The machine is switched on");
    stage.boots_by_ironpxe(&ironpxe, &uuid, screen, facts)?;

    screen.chapter("The conductor's host is lost: kill -9, and its web server is gone with it");
    facts.observe("Ironic is gone: its API and its conductor", || {
        let url = stage.ironic.url();
        stage.ironic.kill()?;
        stage.web = None;
        let asked = Ironic::new(&url)?.get("/v1/nodes");
        ensure!(asked.is_err(), "it still answers: {asked:?}");
        Ok(((), format!("nothing answers at {url}")))
    })?;

    screen.chapter("The same machine is switched on again");
    stage.boots_by_ironpxe(&ironpxe, &uuid, screen, facts)?;

    screen.chapter("A machine whose DHCP server names Ironic's own boot script");
    facts.observe("Without ironpxe it boots nothing now", || {
        let before = stage.images.requests.entries().len();
        let machine = power_on(screen, &stage.ironic_boot_url)?;
        // iPXE gives the page of its error.
        let line = machine.wait_for_line("ipxe.org/", BOOT)?;
        machine.power_off()?;
        ensure!(
            stage.images.requests.entries().len() == before,
            "it fetched an image"
        );
        Ok(((), line.trim().to_owned()))
    })
}

/// Everything but the machine, and ironpxe.
struct Stage {
    linux: Linux,
    images: ImageServer,
    ironic: IronicServer,
    /// The web server on the conductor's host.
    web: Option<ImageServer>,
    ironic_boot_url: String,
}

impl Stage {
    fn set(screen: &Arc<Screen>) -> Result<Self> {
        let linux = screen.step("get a Linux kernel from Debian", Linux::ensure)?;
        let venv = screen.step("get Ironic from its Python packages", venv::ensure_ironic)?;
        let images = ImageServer::start()?;
        images.serve(KERNEL, linux.kernel.as_slice());
        images.serve(RAMDISK, linux.initramfs.as_slice());
        let web = ImageServer::start()?;
        let title = format!("start {}", version(&venv)?);
        let ironic = screen.step(&title, || {
            let options = IronicOptions {
                http_url: web.url(""),
                ..IronicOptions::default()
            };
            IronicServer::start(&venv, options)
        })?;
        web.serve_folder(ironic.http_root());
        // The images are on a path that the conductor has, as machines have no name for its host here.
        let folder = ironic.folder().join("linux");
        fs::create_dir(&folder).context("cannot create a folder for images")?;
        fs::write(folder.join("kernel"), &linux.kernel).context("cannot write the kernel")?;
        fs::write(folder.join("ramdisk"), &linux.initramfs).context("cannot write the ramdisk")?;
        let printer = Arc::clone(screen);
        images
            .requests
            .watch(move |request| printer.line(Who::Images, &described(request)));
        Ok(Self {
            linux,
            images,
            ironic,
            ironic_boot_url: web.url("/boot.ipxe"),
            web: Some(web),
        })
    }

    fn image(&self, name: &str) -> String {
        format!(
            "file://{}",
            self.ironic.folder().join("linux").join(name).display()
        )
    }

    /// Enrols the node in Ironic and deploys it; returns its UUID.
    fn deploy(&self, screen: &Screen) -> Result<String> {
        let client = self.ironic.client()?;
        let node = json!({
            "name": NODE,
            "driver": "fake-hardware",
            "deploy_interface": "ramdisk",
            "instance_info": {
                "kernel": self.image("kernel"),
                "ramdisk": self.image("ramdisk"),
                "ramdisk_kernel_arguments": ARGUMENTS,
            },
        });
        let uuid = client.enrol(&node, MAC)?;
        let call = format!("POST /v1/nodes, /v1/ports: {NODE} is {uuid}, with the card {MAC}");
        screen.line(Who::Operator, &call);
        for (verb, state) in [
            ("manage", "manageable"),
            ("provide", "available"),
            ("active", "active"),
        ] {
            client.walk(&uuid, &[(verb, state)])?;
            let call = format!("PUT /v1/nodes/{NODE}/states/provision {verb}: now {state}");
            screen.line(Who::Operator, &call);
        }
        Ok(uuid)
    }

    /// ironpxe, with a configuration that names Ironic's.
    fn start_ironpxe(&self) -> Result<Server> {
        let binary = std::env::current_exe()
            .context("cannot locate the executable")?
            .with_file_name("ironpxe");
        let configuration = self.ironic.folder().join("ironpxe.toml");
        let port = self.ironic.address.port();
        let text = format!(
            "[beside]\nsource = \"sqlite\"\nconnection = \"sqlite:///{}\"\n\
             api_url = \"http://{HOST}:{port}\"\nironic_conf = [\"{}\"]\n\
             file_urls = {{ \"file://{}/\" = \"{}\" }}\n",
            self.ironic.database_file().display(),
            self.ironic.configuration().display(),
            self.ironic.folder().join("linux").display(),
            self.images.url("/linux/"),
        );
        fs::write(&configuration, text).context("cannot write ironpxe's configuration")?;
        Server::start(
            &binary,
            &ServerOptions::for_machines().config(configuration),
        )
    }

    /// Boots the machine, whose DHCP server names ironpxe.
    fn boots_by_ironpxe(
        &self,
        ironpxe: &Server,
        uuid: &str,
        screen: &Arc<Screen>,
        facts: &mut Facts,
    ) -> Result<()> {
        let url = format!("{}/v1/boot/${{mac}}/boot.ipxe", ironpxe.url_for_machines());
        let before = self.images.requests.entries().len();
        let mut machine = power_on(screen, &url)?;
        facts.observe("Its firmware fetched a script made for this node", || {
            let line = machine.wait_for_line("req-", BOOT)?;
            ensure!(
                line.contains(uuid),
                "the console does not name the node: {line}"
            );
            let request = request_id(&line)?;
            ironpxe.wait_for_log(request, SOON)?;
            Ok((
                (),
                format!("{request} is on its console and in ironpxe's log"),
            ))
        })?;
        facts.observe("It booted the Linux that Ironic deployed", || {
            machine.wait_for(linux::MARKER, BOOT)?;
            let line = machine.wait_for_line(linux::MARKER, SOON)?;
            for word in ARGUMENTS.split(' ') {
                ensure!(line.contains(word), "{word} is not in {line}");
            }
            let all = self.images.requests.entries();
            let new = all.get(before..).unwrap_or_default();
            for (path, length) in [
                (KERNEL, self.linux.kernel.len()),
                (RAMDISK, self.linux.initramfs.len()),
            ] {
                let mut new = new.iter();
                let found = new.any(|it| it.path == path && it.bytes == length as u64);
                ensure!(found, "{path} was not fetched whole");
            }
            Ok(((), line))
        })?;
        machine.wait_until_off(SOON).map(drop)
    }
}

fn power_on(screen: &Arc<Screen>, bootfile: &str) -> Result<Machine> {
    screen.say("Its DHCP server names this URL:");
    screen.command(bootfile);
    screen.blank();
    let mut hardware = Hardware::with_bootfile(MAC, bootfile);
    hardware.memory_mib = 256;
    screen.start_clock();
    let printer = Arc::clone(screen);
    hardware.power_on_watched(move |line| printer.line(Who::Machine, line))
}
