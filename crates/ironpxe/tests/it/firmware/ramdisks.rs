//! The ramdisks with an agent in them: deploy and rescue.

use anyhow::{Result, ensure};
use ironpxe_testkit::payload::linux::{self, Linux};
use ironpxe_testkit::payload::toy;
use serde_json::json;

use super::{BOOT, MAC, MACHINES, NODE, SOON, Site, anonymous, request_id};

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
fn uefi_boots_the_deploy_ramdisk() -> Result<()> {
    let ramdisk = toy::ramdisk(300_001);
    let site = Site::with(toy::EFI_KERNEL, &ramdisk)?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    let said = site.command_line(MAC)?;

    let _turn = MACHINES.enter();
    let mut machine = site.machine().uefi().power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    machine.wait_until_off(SOON)?;
    // iPXE puts the image's name first, as a program's.
    let expected = toy::report(&format!("kernel {said}"), &ramdisk);
    ensure!(
        anonymous(&line) == anonymous(&expected),
        "printed {line}\nexpected {expected}"
    );
    Ok(())
}

#[test]
fn arguments_that_look_like_script_arrive_unchanged() -> Result<()> {
    let strange = r#"a;b c||d "q r" $x 'y' <z> \\w e&&f g#h {i} %j% `k` *"#;
    let site = Site::with(toy::KERNEL, &toy::ramdisk(1000))?;
    let fields = json!({"driver_info": {"kernel_append_params": strange}});
    let node = site.enrol_with(MAC, &fields)?;
    site.deploy(&node)?;

    let _turn = MACHINES.enter();
    let machine = site.machine().power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    ensure!(line.contains(&format!(" {strange} ")), "{line}");
    Ok(())
}

#[test]
fn the_rescue_ramdisk_boots_until_the_rescue_ends() -> Result<()> {
    const RESCUE_KERNEL: &str = "/images/rescue.kernel";
    const RESCUE_RAMDISK: &str = "/images/rescue.initramfs";
    let ramdisk = toy::ramdisk(777);
    // The deploy images are there, and would be the wrong ones.
    let site = Site::with(toy::KERNEL, &toy::ramdisk(1000))?;
    site.images.serve(RESCUE_KERNEL, toy::KERNEL);
    site.images.serve(RESCUE_RAMDISK, &*ramdisk);
    let fields = json!({
        "rescue_interface": "agent",
        "driver_info": {
            "rescue_kernel": site.images.url(RESCUE_KERNEL),
            "rescue_ramdisk": site.images.url(RESCUE_RAMDISK),
        },
    });
    let node = site.enrol_with(MAC, &fields)?;
    site.adopt(&node)?;
    let rescue = json!({"target": "rescue", "rescue_password": "not for the script"});
    let path = format!("/v1/nodes/{node}/states/provision");
    site.ironic.put(&path, &rescue)?.expect_status(202)?;
    site.ironic.wait_state(&node, "rescue wait", SOON)?;
    let said = site.command_line(MAC)?;
    ensure!(said.contains("ipa-api-url="), "{said}");

    let _turn = MACHINES.enter();
    let mut machine = site.machine().power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    machine.wait_until_off(SOON)?;
    let expected = toy::report(&said, &ramdisk);
    ensure!(
        anonymous(&line) == anonymous(&expected),
        "printed {line}\nexpected {expected}"
    );
    ensure!(
        !machine.console().contains("not for the script"),
        "{}",
        machine.console()
    );
    Ok(())
}
