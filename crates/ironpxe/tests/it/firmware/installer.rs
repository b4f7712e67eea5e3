//! The operating system's own installer: booted, told what to do, and believed when it has done
//! it.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::machine::Platform;
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::payload::{disk, toy};
use serde_json::{Value, json};

use super::{BOOT, FirmwareFixture, MAC, MACHINES, TIMEOUT};

const KERNEL: &str = "/images/vmlinuz";
const RAMDISK: &str = "/images/initrd.img";

/// The script of the kickstart's section that begins with `head`; of several, the last.
fn section(kickstart: &str, head: &str) -> Result<String> {
    let (_, after) = kickstart.rsplit_once(head).context("no such section")?;
    let (script, _) = after.split_once("\n%end\n").context("it does not end")?;
    Ok(script.to_owned())
}

/// Runs a section as the installer would, but here.
fn run(site: &FirmwareFixture, script: &str) -> Result<()> {
    let script = script.replace(&site.server.url_for_machines(), site.server.base_url());
    let output = Command::new("sh").args(["-c", &script]).output()?;
    ensure!(output.status.success(), "{script}\n{output:?}");
    Ok(())
}

on_platforms!(an_installer_boots_installs_once_and_then_its_disk_boots: bios, bios_current);

fn an_installer_boots_installs_once_and_then_its_disk_boots(platform: Platform) -> Result<()> {
    let ramdisk = toy::ramdisk(54_321);
    // The deploy images are there, and would be the wrong ones.
    let site = FirmwareFixture::with(toy::KERNEL, &toy::ramdisk(1000))?;
    site.images.serve(KERNEL, toy::KERNEL);
    site.images.serve(RAMDISK, &*ramdisk);
    let tree = site.images.url("/os");
    let node = site.enrol_with(
        MAC,
        &json!({
            "deploy_interface": "anaconda",
            "instance_info": {
                "kernel": site.images.url(KERNEL),
                "ramdisk": site.images.url(RAMDISK),
                "stage2": format!("{tree}/LiveOS/squashfs.img"),
            },
        }),
    )?;
    site.deploy(&node)?;

    let _permit = MACHINES.acquire();
    let hardware = site.machine(platform).disk(disk::image("installed")?);
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    let path = format!("/v1/boot/{node}/ks.cfg");
    let expected = format!(
        "console=ttyS0 quiet panic=-1 site=test inst.ks={}{path} inst.stage2={tree} initrd=ramdisk",
        site.server.url_for_machines()
    );
    ensure!(line == toy::report(&expected, &ramdisk), "{line}");

    // From here on the test is the installer. All it knows is what stood on the command line.
    let ours = |url: &str| url.replace(&site.server.url_for_machines(), "");
    let words: Vec<&str> = line.split(' ').collect();
    let kickstart = words.iter().find_map(|word| word.strip_prefix("inst.ks="));
    let kickstart = ours(kickstart.context("no inst.ks")?);
    let text = site.ironic.get(&kickstart)?;
    ensure!(text.status == 200, "{text:?}");
    let image = site.images.url("/images/system.qcow2");
    ensure!(
        text.text.contains(&format!("\nliveimg --url={image}\n")),
        "{}",
        text.text
    );
    run(&site, &section(&text.text, "\n%pre --erroronfail\n")?)?;
    let shown = site.ironic.node(&node)?;
    let info = shown
        .get("driver_internal_info")
        .context("nothing is shown")?;
    ensure!(info.get("agent_status") == Some(&json!("start")), "{info}");
    ensure!(
        info.get("agent_secret_token") == Some(&json!("******")),
        "{info}"
    );
    ensure!(
        shown.get("provision_state") == Some(&json!("wait call-back")),
        "{shown}"
    );

    // If it loses power now it begins again.
    let mut machine = hardware.power_on()?;
    machine.wait_for_line(toy::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;

    run(
        &site,
        &section(&text.text, "\n%post --nochroot --erroronfail\n")?,
    )?;
    let shown = site.ironic.wait_state(&node, "active", TIMEOUT)?;
    ensure!(shown.get("last_error") == Some(&Value::Null), "{shown}");
    let after = site.ironic.get(&kickstart)?;
    ensure!(after.status == 404, "{after:?}");
    // An installer that is still somewhere is not believed any more, and stops before it erases.
    let heartbeat = format!("/v1/heartbeat/{node}");
    let token = text
        .text
        .split_once("\"agent_token\":\"")
        .context("no token")?;
    let token = token.1.split('"').next().context("no token")?;
    let late = json!({"callback_url": "", "agent_token": token, "agent_status": "start"});
    let refused = site.ironic.post(&heartbeat, &late)?;
    ensure!(refused.status == 400, "{refused:?}");

    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(disk::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    ensure!(line == disk::bios_report(0x80, "installed"), "{line}");
    ensure!(
        !machine.console().contains(toy::MARKER),
        "{}",
        machine.console()
    );
    Ok(())
}
