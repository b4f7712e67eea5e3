//! Previews: `ironpxe script` beside the running service, and `…/boot_script` of its API, against
//! what the machine itself is served.

mod docs;
mod remote;

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::{Value, json};

use crate::app;

const MAC: &str = "52:54:00:aa:00:01";
const NO_REQUEST: &str = "req-00000000-0000-0000-0000-000000000000";
const BOOT_PATH: &str = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// `ironpxe script …` with nothing of this process's environment.
fn script(args: &[&str]) -> Result<Said> {
    script_in(&[], args)
}

/// `ironpxe script …` with these variables and no others.
fn script_in(environment: &[(&str, &str)], args: &[&str]) -> Result<Said> {
    let Output {
        status,
        stdout,
        stderr,
    } = app::command(&["script"])
        .args(args)
        .envs(environment.iter().copied())
        .output()?;
    Ok(Said {
        code: status.code(),
        out: String::from_utf8(stdout)?,
        err: String::from_utf8(stderr)?,
    })
}

struct ScriptFixture {
    server: Server,
    ironic: Ironic,
    node: String,
}

impl ScriptFixture {
    /// A server with one node, `rack-1`, that has a port and is in `enroll`.
    fn start() -> Result<Self> {
        Self::with(&ServerOptions::default())
    }

    fn with(options: &ServerOptions) -> Result<Self> {
        let server = app::start(options)?;
        let ironic = Ironic::new(server.base_url())?;
        let node = json!({
            "name": "rack-1",
            "driver": "fake-hardware",
            "boot_interface": "ipxe",
            "deploy_interface": "direct",
            "inspect_interface": "agent",
            "rescue_interface": "agent",
            "automated_clean": false,
            "driver_info": {
                "deploy_kernel": "http://images.example/k",
                "deploy_ramdisk": "http://images.example/r",
                "kernel_append_params": "console=ttyS0 %default%",
            },
            "instance_info": {"image_source": "http://images.example/i"},
        });
        let node = ironic.enrol(&node, MAC)?;
        Ok(Self {
            server,
            ironic,
            node,
        })
    }

    fn drive(&self, steps: &[(&str, &str)]) -> Result<()> {
        self.ironic.walk("rack-1", steps)
    }

    /// What firmware is served, without the id of the request.
    fn served(&self, query: &str) -> Result<String> {
        let reply = self
            .ironic
            .get_as_firmware(&format!("{BOOT_PATH}?{query}"))?;
        ensure!(reply.status == 200, "{reply:?}");
        let (_, rest) = reply.text.split_once("req-").context("no request id")?;
        let id = rest.get(..36).context("half a request id")?;
        Ok(reply.text.replace(&format!("req-{id}"), NO_REQUEST))
    }

    /// `ironpxe script <args>` on this server's database.
    fn script(&self, args: &[&str]) -> Result<Said> {
        let address = self.server.base_url().trim_start_matches("http://");
        let folder = self.server.state_dir().to_str().context("odd folder")?;
        let more = ["--state-dir", folder, "--listen", address];
        let database = self.server.database();
        let environment: Vec<_> = database
            .map(|url| ("IRONPXE_DATABASE__CONNECTION", url))
            .into_iter()
            .collect();
        script_in(&environment, &[args, &more].concat())
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
fn preview_equals_the_served_script() -> Result<()> {
    let mut site = ScriptFixture::start()?;
    let by_port = format!("port_address={MAC}");
    let by_node = format!("node_uuid={}", site.node);
    let same = |site: &ScriptFixture| -> Result<()> {
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
fn preview_logs_no_boot_and_changes_no_node() -> Result<()> {
    let site = ScriptFixture::start()?;
    let before = site.ironic.node("rack-1")?;
    site.preview("?state=wait%20call-back")?;
    site.prints(&["show", MAC, "--state", "active"])?;
    assert_eq!(site.ironic.node("rack-1")?, before);
    for word in ["machine boots", "machine not booted", NO_REQUEST] {
        assert_eq!(site.server.log_with(word), Vec::<String>::new());
    }
    let conductors = site.ironic.get("/v1/conductors")?.expect_status(200)?;
    assert_eq!(conductors["conductors"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn explanation_names_the_fields() -> Result<()> {
    let site = ScriptFixture::start()?;
    let said = site.prints(&["explain", MAC, "--state", "wait call-back"])?;
    for line in [
        "  kernel     http://images.example/k, from driver_info.deploy_kernel",
        "  ramdisk    http://images.example/r, from driver_info.deploy_ramdisk",
        "  arguments  console=ttyS0 nofb vga=normal, from",
        "             driver_info.kernel_append_params",
        "  arguments  BOOTIF=52:54:00:aa:00:01, from the port",
    ] {
        assert!(said.lines().any(|it| it == line), "no {line:?} in:\n{said}");
    }
    let head = format!(
        "node {} in state \"wait call-back\"\nboots: deploy ramdisk\n",
        site.node
    );
    assert!(said.starts_with(&head), "{said}");
    assert!(
        said.contains("the node is in \"enroll\"; overridden with"),
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
fn explanation_lists_the_other_ports_of_the_node() -> Result<()> {
    let site = ScriptFixture::start()?;
    let said = |machine| -> Result<Vec<String>> {
        let text = site.prints(&["explain", machine])?;
        let ports = text.lines().filter(|line| line.starts_with("  port "));
        Ok(ports.map(|line| line[13..].to_owned()).collect())
    };
    assert_eq!(
        said(MAC)?,
        [
            "52:54:00:aa:00:01 is a port of node rack-1",
            "the node has no other port",
        ]
    );
    site.ironic.create_port(&site.node, "52:54:00:aa:00:02")?;
    assert_eq!(
        said(MAC)?.last().context("nothing")?,
        "the node's other ports are 52:54:00:aa:00:02"
    );
    assert_eq!(
        said("rack-1")?,
        [
            "node rack-1 was requested, not an address; no port is checked",
            "the node's ports are 52:54:00:aa:00:01, 52:54:00:aa:00:02",
        ]
    );
    let bare = json!({"driver": "fake-hardware", "name": "bare"});
    site.ironic.create_node(&bare)?;
    let last = said("bare")?;
    let last = last.last().context("nothing")?;
    assert!(last.starts_with("the node has no port"), "{last}");
    Ok(())
}

/// What an architecture changes is the images; a firmware changes nothing of the script.
#[test]
fn state_architecture_and_firmware_can_be_overridden() -> Result<()> {
    let arm = "{aarch64 = \"http://images.example/arm\"}";
    let options = ServerOptions::default()
        .set("IRONPXE_CONDUCTOR__DEPLOY_KERNEL_BY_ARCH", arm)
        .set("IRONPXE_CONDUCTOR__DEPLOY_RAMDISK_BY_ARCH", arm);
    let site = ScriptFixture::with(&options)?;
    let patch = json!([
        {"op": "remove", "path": "/driver_info/deploy_kernel"},
        {"op": "remove", "path": "/driver_info/deploy_ramdisk"},
    ]);
    let path = format!("/v1/nodes/{}", site.node);
    site.ironic.patch(&path, &patch)?.expect_status(200)?;
    let query = |more: &str| -> Result<String> {
        let preview = site.preview(&format!("?state=wait%20call-back{more}"))?;
        Ok(preview["script"].as_str().context("no script")?.to_owned())
    };
    let plain = query("")?;
    assert!(plain.contains("deploy_kernel"), "{plain}");
    let arm = query("&arch=aarch64")?;
    assert!(arm.contains(" http://images.example/arm "), "{arm}");
    assert_eq!(query("&arch=x86_64")?, plain);
    for state in ["enroll", "wait call-back", "active", "rescue"] {
        let of = |more: &str| -> Result<String> {
            let state = state.replace(' ', "%20");
            let preview = site.preview(&format!("?arch=aarch64&state={state}{more}"))?;
            Ok(preview["script"].to_string())
        };
        for firmware in ["efi", "uefi", "pcbios", "bios"] {
            let said = of(&format!("&firmware={firmware}"))?;
            assert_eq!(said, of("")?, "{state} {firmware}");
        }
    }
    let reasons = site.preview("?state=active&firmware=uefi")?["reasons"].to_string();
    assert!(
        reasons.contains("the branch of UEFI is taken, exit"),
        "{reasons}"
    );
    Ok(())
}

#[test]
fn invalid_request_is_refused_with_the_reason() -> Result<()> {
    let site = ScriptFixture::start()?;
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
        (
            "rack-1/boot_script?firmware=coreboot",
            400,
            "Invalid firmware \\\\\\\"coreboot\\\\\\\": expected efi (or uefi) or pcbios (or bios)",
        ),
        (
            "rack-1/boot_script?arch=x86%2064",
            400,
            "Invalid arch \\\\\\\"x86 64\\\\\\\": expected an architecture such as x86_64",
        ),
        (
            "52:54:00:aa:00:01/boot_script?port_address=52:54:00:aa:00:02",
            400,
            "Port 52:54:00:aa:00:02 does not belong to node",
        ),
        (
            "52:54:00:aa:00:03/boot_script",
            404,
            "and no port has this address: an unknown machine is refused",
        ),
        ("rack-2/boot_script", 404, "and no port has this address"),
    ] {
        let reply = site.ironic.get(&format!("/v1/nodes/{path}"))?;
        ensure!(reply.status == status, "{path}: {reply:?}");
        ensure!(reply.text.contains(words), "{path}: {}", reply.text);
    }

    let said = site.script(&["show", "rack-2"])?;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert_eq!(
        said.err,
        "ironpxe: no node has the UUID or name \"rack-2\", and no port has this address\n"
    );
    let said = site.script(&["show", "rack-1", "--state", "levitating"])?;
    assert_eq!(said.code, Some(64));
    assert!(said.err.contains("levitating"), "{}", said.err);
    assert!(said.err.contains("wait call-back"), "{}", said.err);
    for (option, words) in [("--firmware", "or pcbios"), ("--arch", "such as x86_64")] {
        let said = site.script(&["show", "rack-1", option, "a b"])?;
        assert_eq!(said.code, Some(64));
        assert!(
            said.err.contains(option) && said.err.contains(words),
            "{}",
            said.err
        );
    }
    Ok(())
}

#[test]
fn passwords_are_shown_only_when_read_from_the_database() -> Result<()> {
    let site = ScriptFixture::start()?;
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
    assert_eq!(preview["masked"], true);
    assert_eq!(site.preview("?state=enroll")?["masked"], false);
    let api = ["show", "rack-1", "--api", site.server.base_url()];
    let said = script(&api)?;
    assert_eq!(said.out, exact.replace("68757368", "******"));
    assert_eq!(
        (said.code, said.err.as_str()),
        (
            Some(0),
            "ironpxe: passwords are shown as ******; the machine gets them\n"
        )
    );
    // No endpoint of firmware's: it is told so, and nothing else.
    let path = format!("/v1/nodes/{}/boot_script", site.node);
    let reply = site.ironic.get_as_firmware(&path)?;
    ensure!(reply.status == 200, "{reply:?}");
    assert!(reply.text.starts_with("#!ipxe\n"), "{}", reply.text);
    assert!(reply.text.contains(" is not a"), "{}", reply.text);
    assert!(!reply.text.contains("68757368"), "{}", reply.text);
    for secret in ["68757368", "hush"] {
        assert!(!preview.to_string().contains(secret), "{preview}");
        assert!(!site.prints(&["explain", "rack-1"])?.contains(secret));
    }
    Ok(())
}

#[test]
fn missing_database_is_not_created() -> Result<()> {
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

/// Neither read as if it were today's, nor brought up to date.
#[test]
fn database_of_an_older_release_is_refused_and_not_changed() -> Result<()> {
    let mut site = ScriptFixture::start()?;
    site.server.terminate()?;
    let file = site.server.state_dir().join("ironpxe.sqlite");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let pool = sqlx::SqlitePool::connect_with(options).await?;
        sqlx::query("DELETE FROM _sqlx_migrations WHERE version > 1")
            .execute(&pool)
            .await?;
        pool.close().await;
        anyhow::Ok(())
    })?;
    let files = || -> Result<usize> { Ok(std::fs::read_dir(site.server.state_dir())?.count()) };
    let (before, files_before) = (std::fs::read(&file)?, files()?);
    let said = site.script(&["show", "rack-1"])?;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    for words in ["ironpxe.sqlite lacks ", "ironpxe db upgrade"] {
        assert!(said.err.contains(words), "{}", said.err);
    }
    assert_eq!(std::fs::read(&file)?, before);
    assert_eq!(files()?, files_before);
    Ok(())
}

#[test]
fn templates_are_printed_unchanged() -> Result<()> {
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
        "ironpxe: there is no template \"x\"; `ironpxe script template` lists them\n"
    );
    Ok(())
}
