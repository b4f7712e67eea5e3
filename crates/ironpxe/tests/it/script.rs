//! Previews: `ironpxe script` beside the running service, and `…/boot_script` of its API, against
//! what the machine itself is served.
#![expect(
    clippy::indexing_slicing,
    reason = "JSON values answer null for what they do not have"
)]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::{Value, json};

const MAC: &str = "52:54:00:aa:00:01";
const NOBODY: &str = "req-00000000-0000-0000-0000-000000000000";
const DOOR: &str = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
const SOON: Duration = Duration::from_secs(20);

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ironpxe"))
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// `ironpxe script …` with nothing of this process's environment.
fn script(args: &[&str]) -> Result<Said> {
    script_on(args, None)
}

/// The same on this database.
fn script_on(args: &[&str], database: Option<&str>) -> Result<Said> {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(binary())
        .arg("script")
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent/home")
        .envs(database.map(|url| ("IRONPXE_DATABASE__CONNECTION", url)))
        .output()?;
    Ok(Said {
        code: status.code(),
        out: String::from_utf8(stdout)?,
        err: String::from_utf8(stderr)?,
    })
}

struct Site {
    server: Server,
    ironic: Ironic,
    node: String,
}

impl Site {
    /// A server with one node, `rack-1`, that has a port and is in `enroll`.
    fn start() -> Result<Self> {
        let server = Server::start(binary(), &ServerOptions::default())?;
        let ironic = Ironic::new(server.base_url())?;
        let node = ironic.create_node(&json!({
            "name": "rack-1",
            "driver": "fake-hardware",
            "deploy_interface": "direct",
            "automated_clean": false,
            "driver_info": {
                "deploy_kernel": "http://images.example/k",
                "deploy_ramdisk": "http://images.example/r",
                "kernel_append_params": "console=ttyS0 %default%",
            },
            "instance_info": {"image_source": "http://images.example/i"},
        }))?;
        let node = node["uuid"].as_str().context("no uuid")?.to_owned();
        ironic.create_port(&node, MAC)?;
        Ok(Self {
            server,
            ironic,
            node,
        })
    }

    fn drive(&self, steps: &[(&str, &str)]) -> Result<()> {
        for (verb, state) in steps {
            self.ironic.provision("rack-1", verb)?;
            self.ironic.wait_state("rack-1", state, SOON)?;
        }
        Ok(())
    }

    /// What firmware is served, as if nobody in particular had asked.
    fn served(&self, query: &str) -> Result<String> {
        let reply = self.ironic.get_as_firmware(&format!("{DOOR}?{query}"))?;
        ensure!(reply.status == 200, "{reply:?}");
        let (_, rest) = reply.text.split_once("req-").context("no request id")?;
        let id = rest.get(..36).context("half a request id")?;
        Ok(reply.text.replace(&format!("req-{id}"), NOBODY))
    }

    /// `ironpxe script <args>` on this server's database.
    fn script(&self, args: &[&str]) -> Result<Said> {
        let address = self.server.base_url().trim_start_matches("http://");
        let folder = self.server.state_dir().to_str().context("odd folder")?;
        let more = ["--state-dir", folder, "--listen", address];
        script_on(&[args, &more].concat(), self.server.database())
    }

    fn prints(&self, args: &[&str]) -> Result<String> {
        let Said { code, out, err } = self.script(args)?;
        ensure!(code == Some(0) && err.is_empty(), "{code:?} {err}");
        Ok(out)
    }

    /// The preview of the API.
    fn preview(&self, query: &str) -> Result<Value> {
        let path = format!("/v1/nodes/rack-1/boot_script{query}");
        self.ironic.get(&path)?.expect_status(200)
    }
}

#[test]
fn a_preview_is_what_the_machine_is_served() -> Result<()> {
    let mut site = Site::start()?;
    let by_port = format!("port_address={MAC}");
    let by_node = format!("node_uuid={}", site.node);
    let same = |site: &Site| -> Result<()> {
        let served = site.served(&by_port)?;
        assert_eq!(site.prints(&["show", MAC])?, served);
        assert_eq!(site.preview(&format!("?{by_port}"))?["script"], served);
        let served = site.served(&by_node)?;
        assert_eq!(site.prints(&["show", "rack-1"])?, served);
        assert_eq!(site.prints(&["show", &site.node])?, served);
        assert_eq!(site.preview("")?["script"], served);
        Ok(())
    };
    same(&site)?;
    let foreseen = site.prints(&["show", MAC, "--state", "wait call-back"])?;
    assert_ne!(foreseen, site.prints(&["show", MAC])?);
    site.drive(&[
        ("manage", "manageable"),
        ("provide", "available"),
        ("active", "wait call-back"),
    ])?;
    same(&site)?;
    let now = site.prints(&["show", MAC])?;
    assert_eq!(now, foreseen);
    // The server is not needed.
    site.server.terminate()?;
    assert_eq!(site.prints(&["show", MAC])?, now);
    Ok(())
}

#[test]
fn nobody_is_booted_by_a_preview() -> Result<()> {
    let site = Site::start()?;
    let before = site.ironic.node("rack-1")?;
    site.preview("?state=wait%20call-back")?;
    site.prints(&["show", MAC, "--state", "active"])?;
    assert_eq!(site.ironic.node("rack-1")?, before);
    for word in ["machine boots", "machine not booted", NOBODY] {
        assert_eq!(site.server.log_with(word), Vec::<String>::new());
    }
    let conductors = site.ironic.get("/v1/conductors")?.expect_status(200)?;
    assert_eq!(conductors["conductors"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn an_explanation_names_the_fields() -> Result<()> {
    let site = Site::start()?;
    let said = site.prints(&["explain", MAC, "--state", "wait call-back"])?;
    for line in [
        "  kernel     http://images.example/k, from driver_info.deploy_kernel",
        "  ramdisk    http://images.example/r, from driver_info.deploy_ramdisk",
        "  arguments  console=ttyS0 nofb vga=normal, from driver_info.kernel_append_params",
        "  arguments  BOOTIF=52:54:00:aa:00:01, from the port",
    ] {
        assert!(said.lines().any(|it| it == line), "no {line:?} in:\n{said}");
    }
    let first = said.lines().next().unwrap_or_default();
    let node = &site.node;
    assert_eq!(
        first,
        format!("node {node} in state \"wait call-back\" boots: deploy ramdisk")
    );
    assert!(
        said.contains("the node is in \"enroll\"; this is as if it were in"),
        "{said}"
    );

    let refused = site.prints(&["explain", "rack-1"])?;
    assert!(refused.contains("boots: nothing\n"), "{refused}");
    assert!(
        refused.contains("  fix        baremetal node manage rack-1"),
        "{refused}"
    );

    let preview = site.preview("?state=wait%20call-back")?;
    assert_eq!(preview["node_uuid"], site.node.as_str());
    assert_eq!(preview["provision_state"], "wait call-back");
    assert_eq!(preview["plan"], "deploy ramdisk");
    let kernel = json!({"topic": "kernel", "text": "http://images.example/k, from driver_info.deploy_kernel"});
    let reasons = preview["reasons"].as_array().context("no reasons")?;
    assert!(reasons.contains(&kernel), "{reasons:?}");
    let link = format!(
        "{}/v1/nodes/{}/boot_script",
        site.server.base_url(),
        site.node
    );
    assert_eq!(preview["links"][0]["href"], link);
    Ok(())
}

#[test]
fn a_wrong_question_is_named() -> Result<()> {
    let site = Site::start()?;
    let other = site
        .ironic
        .create_node(&json!({"driver": "fake-hardware"}))?;
    let other = other["uuid"].as_str().context("no uuid")?;
    site.ironic.create_port(other, "52:54:00:aa:00:02")?;
    for (path, status, words) in [
        (
            "rack-1/boot_script?state=levitating",
            400,
            "Provision state \\\\\\\"levitating\\\\\\\" is not valid",
        ),
        (
            "rack-1/boot_script?port_address=52:54:00:aa:00:02",
            400,
            "Port 52:54:00:aa:00:02 does not belong to node",
        ),
        (
            "rack-1/boot_script?port_address=zz",
            400,
            "Expected valid MAC address for port_address: zz",
        ),
        (
            "rack-1/boot_script?port_address=52:54:00:aa:00:03",
            404,
            "Port 52:54:00:aa:00:03 could not be found",
        ),
        (
            "rack-1/boot_script?colour=red",
            400,
            "Unexpected arguments: colour",
        ),
        ("rack-2/boot_script", 404, "Node rack-2 could not be found"),
    ] {
        let reply = site.ironic.get(&format!("/v1/nodes/{path}"))?;
        ensure!(reply.status == status, "{path}: {reply:?}");
        ensure!(reply.text.contains(words), "{path}: {}", reply.text);
    }

    let said = site.script(&["show", "rack-2"])?;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert_eq!(
        said.err,
        "ironpxe: no node has the UUID or name \"rack-2\", and no port that address\n"
    );
    let said = site.script(&["show", "rack-1", "--state", "levitating"])?;
    assert_eq!(said.code, Some(64));
    assert!(said.err.contains("levitating"), "{}", said.err);
    assert!(said.err.contains("wait call-back"), "{}", said.err);
    Ok(())
}

#[test]
fn passwords_are_shown_to_who_can_read_the_database_only() -> Result<()> {
    let site = Site::start()?;
    let target = json!({
        "node_uuid": site.node,
        "volume_type": "iscsi",
        "boot_index": 0,
        "volume_id": "v",
        "properties": {
            "target_iqn": "iqn.2026-01.example:root",
            "target_portal": "192.0.2.1:3260",
            "target_lun": 1,
            "auth_username": "me",
            "auth_password": "hush",
        },
    });
    let patch = json!([{"op": "add", "path": "/storage_interface", "value": "external"}]);
    let path = format!("/v1/nodes/{}", site.node);
    site.ironic.patch(&path, &patch)?.expect_status(200)?;
    let made = site.ironic.post("/v1/volume/targets", &target)?;
    made.expect_status(201)?;
    site.drive(&[
        ("manage", "manageable"),
        ("provide", "available"),
        ("active", "active"),
    ])?;
    let exact = site.served(&format!("node_uuid={}", site.node))?;
    assert!(exact.contains("set password:hexraw 68757368\n"), "{exact}");
    assert_eq!(site.prints(&["show", "rack-1"])?, exact);
    let preview = site.preview("")?;
    assert_eq!(preview["plan"], "remote volume");
    assert_eq!(preview["script"], exact.replace("68757368", "******"));
    for secret in ["68757368", "hush"] {
        assert!(!preview.to_string().contains(secret), "{preview}");
        assert!(!site.prints(&["explain", "rack-1"])?.contains(secret));
    }
    Ok(())
}

#[test]
fn what_is_not_there_is_not_created() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("state");
    let name = state.to_str().context("odd folder")?;
    let said = script(&["show", "rack-1", "--state-dir", name])?;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert_eq!(
        said.err,
        format!("ironpxe: there is no database at {name}/ironpxe.sqlite\n")
    );
    assert!(!state.exists());
    Ok(())
}

#[test]
fn templates_are_printed_as_they_are() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ironpxe-core/src/boot/templates");
    let names = script(&["template"])?.out;
    assert!(names.lines().count() > 3, "{names}");
    for name in names.lines() {
        let said = script(&["template", name])?;
        assert_eq!(said.code, Some(0));
        assert_eq!(said.out, std::fs::read_to_string(folder.join(name))?);
    }
    let said = script(&["template", "x"])?;
    assert_eq!(said.code, Some(64));
    assert_eq!(
        said.err,
        "ironpxe: there is no template \"x\"; ironpxe script template lists them\n"
    );
    Ok(())
}
