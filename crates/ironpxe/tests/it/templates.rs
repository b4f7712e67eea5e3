//! Operators' own script templates: refused at start, used, and read again on SIGHUP.

use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::json;
use tempfile::TempDir;

use crate::app::{self, TIMEOUT, binary};

const BOOT_PATH: &str = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";

/// A folder with templates and a configuration that names them.
struct TemplateFixture {
    folder: TempDir,
}

impl TemplateFixture {
    /// `boot.ipxe` for all machines and `arm.ipxe` for some.
    fn new() -> Result<Self> {
        let site = Self {
            folder: tempfile::tempdir()?,
        };
        site.write("boot.ipxe", &saying("first"))?;
        site.write("arm.ipxe", &saying("arm"))?;
        let path = |name: &str| site.path(name).display().to_string();
        let config = format!(
            "[pxe]\nipxe_config_template = \"{}\"\n[pxe.ipxe_config_template_by_arch]\n\
             aarch64 = \"{}\"\n",
            path("boot.ipxe"),
            path("arm.ipxe"),
        );
        site.write("ironpxe.toml", &config)?;
        Ok(site)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.path(name), text)?)
    }

    fn server(&self) -> Result<Server> {
        app::start(&ServerOptions::default().config(self.path("ironpxe.toml")))
    }

    /// What a command says that should end with 64, and did.
    fn refused(&self, command: &[&str]) -> Result<String> {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(binary())
            .args(command)
            .arg("--config")
            .arg(self.path("ironpxe.toml"))
            .env_clear()
            .env("HOME", self.folder.path())
            .output()?;
        let said = String::from_utf8(stderr)?;
        ensure!(status.code() == Some(64), "{status}: {said}");
        ensure!(stdout.is_empty(), "{said}");
        Ok(said)
    }
}

/// A good template.
fn saying(word: &str) -> String {
    format!("#!ipxe\necho {word} for {{{{ node.uuid }}}} {{{{ request_id }}}}\nexit 1\n")
}

/// A node of an architecture, by its UUID.
fn node(ironic: &Ironic, arch: &str) -> Result<String> {
    let node = json!({"driver": "fake-hardware", "properties": {"cpu_arch": arch}});
    let node = ironic.create_node(&node)?;
    let uuid = node.get("uuid").and_then(|it| it.as_str());
    Ok(uuid.context("no uuid")?.to_owned())
}

fn script(ironic: &Ironic, node: &str) -> Result<String> {
    let reply = ironic.get_as_firmware(&format!("{BOOT_PATH}?node_uuid={node}"))?;
    ensure!(reply.status == 200, "{reply:?}");
    Ok(reply.text)
}

/// What firmware gets says `word`, and is a script for this node.
fn says(ironic: &Ironic, node: &str, word: &str) -> Result<()> {
    let script = script(ironic, node)?;
    let first = format!("#!ipxe\necho {word} for {node} req-");
    ensure!(script.starts_with(&first), "{script}");
    Ok(())
}

#[test]
fn template_is_used_and_reloaded() -> Result<()> {
    let site = TemplateFixture::new()?;
    let mut server = site.server()?;
    let ironic = Ironic::new(server.base_url())?;
    let (other, arm) = (node(&ironic, "x86_64")?, node(&ironic, "aarch64")?);
    says(&ironic, &other, "first")?;
    says(&ironic, &arm, "arm")?;

    // Not before it is asked to.
    site.write("boot.ipxe", &saying("second"))?;
    says(&ironic, &other, "first")?;
    server.hang_up()?;
    server.wait_for_log("script templates reloaded", TIMEOUT)?;
    says(&ironic, &other, "second")?;
    says(&ironic, &arm, "arm")?;

    // One that is broken changes nothing, not even for those whose own is good.
    site.write("arm.ipxe", &saying("new arm"))?;
    site.write("boot.ipxe", "#!ipxe\n\necho {{ node.uuid }} {% if pl")?;
    server.hang_up()?;
    let line = server.wait_for_log("templates not reloaded, keeping the previous ones", TIMEOUT)?;
    let about = format!(
        "ironpxe.toml:2: [pxe]ipxe_config_template: {}, line 3: ",
        site.path("boot.ipxe").display()
    );
    ensure!(line.contains(&about) && line.contains("ERROR"), "{line}");
    says(&ironic, &other, "second")?;
    says(&ironic, &arm, "arm")?;

    std::fs::remove_file(site.path("boot.ipxe"))?;
    server.hang_up()?;
    server.wait_for_log("cannot read ", TIMEOUT)?;
    says(&ironic, &other, "second")?;

    site.write("boot.ipxe", &saying("third"))?;
    server.hang_up()?;
    let read_again = |lines: &[String]| {
        let good = lines
            .iter()
            .filter(|it| it.contains("script templates reloaded"));
        (good.count() == 2).then_some(())
    };
    server
        .log
        .wait(TIMEOUT, read_again)
        .context("not read again")?;
    says(&ironic, &other, "third")?;
    says(&ironic, &arm, "new arm")?;
    // Only machines of known nodes have it.
    let unknown = ironic.get_as_firmware(&format!("{BOOT_PATH}?port_address=52:54:00:00:00:99"))?;
    ensure!(
        unknown.text.contains("no port has the address"),
        "{unknown:?}"
    );
    let nic_loop = ironic.get_as_firmware("/boot.ipxe")?;
    ensure!(nic_loop.text.contains("goto next"), "{nic_loop:?}");
    ensure!(server.terminate()?.success());
    Ok(())
}

#[test]
fn sighup_without_templates_does_nothing() -> Result<()> {
    let mut server = app::start(&ServerOptions::default())?;
    server.hang_up()?;
    server.wait_for_log("nothing to reload", TIMEOUT)?;
    Ironic::new(server.base_url())?
        .get("/v1/nodes")?
        .expect_status(200)?;
    ensure!(server.terminate()?.success());
    Ok(())
}

#[test]
fn broken_template_is_refused_with_file_line_and_reason() -> Result<()> {
    let site = TemplateFixture::new()?;
    site.write("boot.ipxe", "#!ipxe\n\necho {{ kernle }}\n")?;
    site.write("arm.ipxe", "#!ipxe\n{{ node.uuid }}\n")?;
    let said = site.refused(&["serve", "--listen", "127.0.0.1:0"])?;
    let (config, boot, arm) = (
        site.path("ironpxe.toml").display().to_string(),
        site.path("boot.ipxe").display().to_string(),
        site.path("arm.ipxe").display().to_string(),
    );
    let lines: Vec<&str> = said.lines().collect();
    let starts = [
        format!(
            "ironpxe: configuration: {config}:2: [pxe]ipxe_config_template: {boot}, line 3: \
             unknown variable \"kernle\" (in the sample: "
        ),
        format!(
            "ironpxe: configuration: {config}:4: [pxe]ipxe_config_template_by_arch.aarch64: \
             {arm}, line 2: a printed value would be executed as a command"
        ),
    ];
    ensure!(lines.len() == 2, "{said}");
    for (line, start) in lines.iter().zip(starts) {
        ensure!(line.starts_with(&start), "{line}\n{start}");
    }
    ensure!(site.refused(&["config", "check"])? == said);
    ensure!(site.refused(&["script", "show", "unknown"])? == said);
    // Nothing was begun.
    ensure!(!site.path(".local").exists());

    site.write("arm.ipxe", &saying("arm"))?;
    std::fs::remove_file(&boot)?;
    let said = site.refused(&["config", "check"])?;
    ensure!(
        said.contains(&format!("cannot read {boot}: No such file")),
        "{said}"
    );
    std::fs::write(&boot, vec![b'x'; (1 << 20) + 1])?;
    let said = site.refused(&["config", "check"])?;
    ensure!(
        said.contains(&format!("{boot} has more than 1048576 bytes")),
        "{said}"
    );
    std::fs::write(&boot, b"#!ipxe\n\xff\n")?;
    let said = site.refused(&["config", "check"])?;
    ensure!(said.contains("valid UTF-8"), "{said}");
    Ok(())
}

#[test]
fn check_notes_an_incomplete_template() -> Result<()> {
    let site = TemplateFixture::new()?;
    let Output { stdout, status, .. } = Command::new(binary())
        .args(["config", "check", "--config"])
        .arg(site.path("ironpxe.toml"))
        .env_clear()
        .env("HOME", site.folder.path())
        .output()?;
    let said = String::from_utf8(stdout)?;
    ensure!(status.success(), "{said}");
    let note = "boot.ipxe: the script for \"deploy ramdisk, with a timeout and reboot in the end\" \
                lacks something that the machine needs to boot\n";
    ensure!(said.contains(note), "{said}");
    ensure!(said.ends_with("The configuration is good.\n"), "{said}");
    Ok(())
}

#[test]
fn printed_template_can_be_configured() -> Result<()> {
    let Output { stdout, .. } = Command::new(binary())
        .args(["script", "template", "boot.ipxe"])
        .output()?;
    let site = TemplateFixture::new()?;
    let printed = String::from_utf8(stdout)?;
    site.write("boot.ipxe", &printed)?;
    site.write("arm.ipxe", &printed)?;
    let (own, usual) = (site.server()?, app::start(&ServerOptions::default())?);
    for state in ["enroll", "wait call-back", "active", "clean wait", "rescue"] {
        let scripts = [&own, &usual].map(|server| -> Result<String> {
            let ironic = Ironic::new(server.base_url())?;
            let _ = ironic.delete("/v1/nodes/rack-1")?;
            let made = ironic.create_node(&json!({
                "uuid": "ee490fb7-d420-4b2f-8153-8a674b930740",
                "name": "rack-1",
                "driver": "fake-hardware",
                "boot_interface": "ipxe",
                "deploy_interface": "direct",
                "driver_info": {
                    "deploy_kernel": "http://images.example/k",
                    "deploy_ramdisk": "http://images.example/r",
                    "rescue_kernel": "http://images.example/k",
                    "rescue_ramdisk": "http://images.example/r",
                },
            }))?;
            ensure!(made.is_object(), "{made}");
            let state = state.replace(' ', "%20");
            let preview = ironic.get(&format!("/v1/nodes/rack-1/boot_script?state={state}"))?;
            let preview = preview.expect_status(200)?;
            let script = preview.get("script").and_then(|it| it.as_str());
            let script = script.context("no script")?;
            Ok(script.replace(server.base_url(), "http://ironpxe.example"))
        });
        let [own, usual] = scripts;
        assert_eq!(own?, usual?, "{state}");
    }
    Ok(())
}

#[test]
fn explanation_names_the_template() -> Result<()> {
    let site = TemplateFixture::new()?;
    let server = site.server()?;
    let ironic = Ironic::new(server.base_url())?;
    let explain = |arch: &str| -> Result<String> {
        let node = node(&ironic, arch)?;
        let Output { stdout, stderr, .. } = Command::new(binary())
            .args(["script", "explain", &node, "--config"])
            .arg(site.path("ironpxe.toml"))
            .arg("--state-dir")
            .arg(server.state_dir())
            .env_clear()
            .output()?;
        ensure!(stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
        // However it is broken into lines.
        let words: Vec<_> = String::from_utf8(stdout)?
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        Ok(words.join(" "))
    };
    let (said, path) = (explain("x86_64")?, site.path("boot.ipxe"));
    let line = format!(
        " template {}, from [pxe]ipxe_config_template",
        path.display()
    );
    ensure!(said.contains(&line), "{said}");
    let (said, path) = (explain("aarch64")?, site.path("arm.ipxe"));
    let line = format!(
        " template {}, from [pxe]ipxe_config_template_by_arch.aarch64, by properties.cpu_arch",
        path.display()
    );
    ensure!(said.contains(&line), "{said}");
    Ok(())
}

#[test]
fn script_that_fails_for_one_machine_is_not_served() -> Result<()> {
    let site = TemplateFixture::new()?;
    let risky = "#!ipxe\necho {{ node.uuid }} {{ request_id }}\n\
                 {% if node.extra.motto is defined %}\n{{ node.extra.motto }}\n{% endif %}\nexit 1\n";
    site.write("boot.ipxe", risky)?;
    let server = site.server()?;
    let ironic = Ironic::new(server.base_url())?;
    let made = ironic.create_node(&json!({
        "driver": "fake-hardware",
        "deploy_interface": "fake",
        "automated_clean": false,
        "extra": {"motto": "reboot"},
    }))?;
    let uuid = made
        .get("uuid")
        .and_then(|it| it.as_str())
        .context("no uuid")?;
    for (verb, state) in [
        ("manage", "manageable"),
        ("provide", "available"),
        ("active", "active"),
    ] {
        ironic.provision(uuid, verb)?;
        ironic.wait_state(uuid, state, TIMEOUT)?;
    }
    let reply = ironic.get_as_firmware(&format!("{BOOT_PATH}?node_uuid={uuid}"))?;
    // What stands on the screen tells where to look; the tenant's words do not stand there.
    ensure!(reply.status == 200, "{reply:?}");
    for part in ["[pxe]ipxe_config_template", "see the log", uuid] {
        ensure!(reply.text.contains(part), "no {part} in {}", reply.text);
    }
    ensure!(!reply.text.contains("\nreboot"), "{}", reply.text);
    let boots = server.log_with("machine boots");
    ensure!(boots.is_empty(), "{boots:?}");
    let boot = site.path("boot.ipxe");
    let line = server.wait_for_log("a printed value would be executed as a command", TIMEOUT)?;
    ensure!(
        line.contains(&format!("{}, line 4: ", boot.display())),
        "{line}"
    );
    site.write(
        "boot.ipxe",
        &risky.replace("{{ node.extra.motto", "echo {{ node.extra.motto"),
    )?;
    server.hang_up()?;
    server.wait_for_log("script templates reloaded", TIMEOUT)?;
    ensure!(script(&ironic, uuid)?.contains("\necho reboot\n"));
    Ok(())
}
