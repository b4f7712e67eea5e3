//! Kickstarts as installers read them: by pykickstart, the parser that Anaconda uses.

use std::fs;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use serde_json::{Value, json};

use super::CliFixture;

/// What installers of these systems make of a kickstart. Prints what it says.
const PARSE: &str = r#"
import json, sys
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion
system, path = sys.argv[1:]
handler = makeVersion(system)
KickstartParser(handler, errorsAreFatal=True).readKickstart(path)
print(json.dumps({
    "liveimg": [handler.liveimg.url, handler.liveimg.checksum],
    "url": handler.url.url,
    "reboot": handler.reboot.action is not None,
    "autopart": handler.autopart.autopart,
    "clearpart": handler.clearpart.type,
    "packages": [str(p) for p in handler.packages.packageList],
    "scripts": [[s.type, s.inChroot, s.errorOnFail] for s in handler.scripts],
}))
"#;
const SYSTEMS: [&str; 5] = ["RHEL7", "RHEL8", "RHEL9", "RHEL10", "F40"];
/// `pykickstart.constants`: `CLEARPART_TYPE_ALL`.
const ALL_DISKS: i64 = 1;

/// The sections of every kickstart: `%pre`, `%onerror` and `%traceback`, and `%post` with the
/// report as the last. Types as in `pykickstart.constants`.
fn sections(posts: usize) -> Value {
    let mut sections = vec![
        json!([0, false, true]),
        json!([4, false, false]),
        json!([2, false, false]),
    ];
    sections.extend(vec![json!([1, false, true]); posts]);
    Value::Array(sections)
}

impl CliFixture {
    /// Reads the node's kickstart as each system's installer would; all must agree.
    fn parsed(&self, node: &str) -> Result<Value> {
        let answer =
            Ironic::new(self.server.base_url())?.get(&format!("/v1/boot/{node}/ks.cfg"))?;
        ensure!(answer.status == 200, "{answer:?}");
        let file = self.server.state_dir().join("test.ks");
        fs::write(&file, &answer.text)?;
        let mut agreed = None;
        for system in SYSTEMS {
            let valid = self.run(
                "ksvalidator",
                &[
                    "-e".as_ref(),
                    "-v".as_ref(),
                    system.as_ref(),
                    file.as_os_str(),
                ],
            )?;
            // Newer systems would do without %traceback, which older ones need.
            let said = String::from_utf8_lossy(&valid.stdout);
            let objections = said.lines().filter(|line| line.contains("deprecated"));
            let known = objections.clone().count() == 2
                && objections
                    .clone()
                    .any(|line| line.starts_with("The %traceback section"));
            ensure!(valid.status.success() || known, "{system}: {valid:?}");
            let args = [
                "-c".as_ref(),
                PARSE.as_ref(),
                system.as_ref(),
                file.as_os_str(),
            ];
            let output = self.run("python", &args)?;
            ensure!(output.status.success(), "{system}: {output:?}");
            let found: Value = serde_json::from_slice(&output.stdout)?;
            let first = agreed.get_or_insert_with(|| found.clone());
            ensure!(*first == found, "{system}: {found} is not {first}");
        }
        agreed.context("no reader agreed")
    }
}

#[test]
fn installer_parses_every_kickstart() -> Result<()> {
    let lab = CliFixture::start()?;
    let uuid = lab.available_node("spruce", "52:54:00:c1:00:07", "anaconda")?;
    let words = lab.refused(&["node", "deploy", "spruce"])?;
    ensure!(
        words.contains("instance_info.kernel and instance_info.ramdisk not set"),
        "{words}"
    );

    // As hostile as a URL can be that is one.
    let image = "http://192.0.2.1/x';reboot;'?a=1&b=$(id)`id`\\%end#--url=y";
    let set = |pairs: &[String]| -> Result<()> {
        let mut args = vec!["node", "set", "spruce"];
        for pair in pairs {
            args.extend(["--instance-info", pair]);
        }
        lab.ok(&args).map(drop)
    };
    set(&[
        "kernel=http://192.0.2.1/os/images/pxeboot/vmlinuz".to_owned(),
        "ramdisk=http://192.0.2.1/os/images/pxeboot/initrd.img".to_owned(),
        "stage2=http://192.0.2.1/os".to_owned(),
        format!("image_source={image}"),
        format!("image_checksum={}", "ab".repeat(32)),
    ])?;
    let (valid, reason) = lab.validated("spruce", "deploy")?;
    ensure!(valid, "{reason}");
    lab.ok(&["node", "deploy", "spruce"])?;
    lab.wait_for("spruce", "provision_state", "wait call-back")?;
    let read = lab.parsed(&uuid)?;
    ensure!(read["liveimg"] == json!([image, "ab".repeat(32)]), "{read}");
    ensure!(read["reboot"] == true && read["autopart"] == true, "{read}");
    ensure!(read["clearpart"] == ALL_DISKS, "{read}");
    ensure!(read["scripts"] == sections(1), "{read}");
    let info = lab.show("spruce", &["driver_internal_info"])?;
    let token = &info["driver_internal_info"]["agent_secret_token"];
    ensure!(token == "******", "{info}");

    lab.ok(&["node", "undeploy", "--wait", "120", "spruce"])?;
    let repository = "http://192.0.2.1/os/";
    set(&[
        "kernel=http://192.0.2.1/os/images/pxeboot/vmlinuz".to_owned(),
        "ramdisk=http://192.0.2.1/os/images/pxeboot/initrd.img".to_owned(),
        format!("image_source={repository}"),
    ])?;
    let drive = json!({"user_data": "#!/bin/sh\n%end\nreboot\n", "meta_data": {"a": "'\n%post\n"}});
    lab.ok(&[
        "node",
        "deploy",
        "--config-drive",
        &drive.to_string(),
        "spruce",
    ])?;
    lab.wait_for("spruce", "provision_state", "wait call-back")?;
    let read = lab.parsed(&uuid)?;
    ensure!(read["url"] == repository, "{read}");
    ensure!(
        read["liveimg"][0] == Value::Null || read["liveimg"][0] == "",
        "{read}"
    );
    ensure!(read["packages"] == json!(["cloud-init"]), "{read}");
    ensure!(read["scripts"] == sections(2), "{read}");
    Ok(())
}
