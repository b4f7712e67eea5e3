//! The ramdisks with an agent in them: deploy and rescue.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::machine::Platform;
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::payload::linux::{self, Linux};
use ironpxe_testkit::payload::toy;
use ironpxe_testkit::server::ServerOptions;
use serde_json::json;

use super::{
    BOOT, FirmwareFixture, KERNEL, MAC, MACHINES, NODE, RAMDISK, TIMEOUT, anonymous, as_passed,
    kernel, looks_as_documented, request_id,
};

fn the_script_boots_exactly_what_it_says(platform: Platform) -> Result<()> {
    let ramdisk = toy::ramdisk(300_001);
    let site = FirmwareFixture::with(kernel(platform), &ramdisk)?;
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

    let _permit = MACHINES.acquire();
    let mut machine = site.machine(platform).power_on()?;
    let line = machine.wait_for_line("IRONPXE-TOY", BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    let expected = toy::report(&as_passed(platform, &said), &ramdisk);
    ensure!(
        anonymous(&line) == anonymous(&expected),
        "printed {line}\nexpected {expected}"
    );

    // A photo of the screen is a bug report: the node, and the request to look for in the log.
    let about = machine.wait_for_line("req-", TIMEOUT)?;
    ensure!(about.contains(&node), "{about}");
    ensure!(machine.console().contains(NODE), "{}", machine.console());
    let request = request_id(&about)?;
    ensure!(line.contains(&request), "{request} is not in {line}");
    site.server.wait_for_log(&request, TIMEOUT)?;
    looks_as_documented(&machine, "deploy ramdisk", &node)
}
on_platforms!(the_script_boots_exactly_what_it_says: bios, bios_current, uefi, uefi_current);

/// Its command line holds what a shell, a URL or iPXE itself would act upon.
fn a_real_linux_gets_its_arguments_unchanged(platform: Platform) -> Result<()> {
    let strange = r#"a;b c||d "q r" $x 'y' <z> \\w e&&f g#h {i} %j% `k` * ~ !l m\n %41 ?o=p"#;
    let arguments = format!("console=ttyS0 quiet panic=-1 {strange}");
    let linux = Linux::ensure()?;
    let site = FirmwareFixture::with(&linux.kernel, &linux.initramfs)?;
    let fields = json!({"driver_info": {"kernel_append_params": arguments}});
    let node = site.enrol_with(MAC, &fields)?;
    site.deploy(&node)?;
    let said = site.command_line(MAC)?;
    ensure!(said.contains(&format!(" {strange} ")), "{said}");

    let _permit = MACHINES.acquire();
    let mut hardware = site.machine(platform);
    hardware.memory_mib = 256;
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(linux::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    let expected = linux::report(&as_passed(platform, &said));
    ensure!(
        anonymous(&line) == anonymous(&expected),
        "printed {line}\nexpected {expected}"
    );
    Ok(())
}
on_platforms!(a_real_linux_gets_its_arguments_unchanged: bios, bios_current, uefi, uefi_current);

/// With UEFI the kernel asks for each by its name; with a BIOS iPXE hands them over as one.
fn extra_ramdisks_arrive_beside_the_agents(platform: Platform) -> Result<()> {
    const CA: &str = "/images/ca.cpio";
    let linux = Linux::ensure()?;
    let images = ImageServer::start()?;
    // The second one is relayed.
    let folder = tempfile::tempdir()?;
    let file = folder.path().canonicalize()?.join("drivers.cpio");
    std::fs::write(&file, linux::extra_ramdisk(2, "the second one"))?;
    let extra = format!("{}, file://{}", images.url(CA), file.display());
    let allowed = file.parent().context("no folder")?.display().to_string();
    let options = ServerOptions::for_machines()
        .set("IRONPXE_CONDUCTOR__EXTRA_RAMDISKS", extra)
        .set("IRONPXE_CONDUCTOR__FILE_URL_ALLOWED_PATHS", allowed);
    let site = FirmwareFixture::start_beside(images, &options)?;
    site.images
        .serve(CA, linux::extra_ramdisk(1, "the first one"));
    site.images.serve(KERNEL, &*linux.kernel);
    site.images.serve(RAMDISK, &*linux.initramfs);
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    let said = site.command_line(MAC)?;
    let names = "initrd=deploy_ramdisk initrd=extra_ramdisk_1 initrd=extra_ramdisk_2";
    ensure!(said.ends_with(names), "{said}");

    let _permit = MACHINES.acquire();
    let mut hardware = site.machine(platform);
    hardware.memory_mib = 256;
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(linux::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    let expected = linux::report(&as_passed(platform, &said));
    ensure!(
        anonymous(&line) == anonymous(&expected),
        "printed {line}\nexpected {expected}"
    );
    let console = machine.console();
    for line in ["the first one", "the second one"] {
        ensure!(console.contains(line), "no {line:?} in:\n{console}");
    }
    Ok(())
}
on_platforms!(extra_ramdisks_arrive_beside_the_agents: bios, bios_current, uefi, uefi_current);

fn the_rescue_ramdisk_boots(platform: Platform) -> Result<()> {
    const RESCUE_KERNEL: &str = "/images/rescue.kernel";
    const RESCUE_RAMDISK: &str = "/images/rescue.initramfs";
    let ramdisk = toy::ramdisk(777);
    // The deploy images are there, and would be the wrong ones.
    let site = FirmwareFixture::with(toy::KERNEL, &toy::ramdisk(1000))?;
    site.images.serve(RESCUE_KERNEL, kernel(platform));
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
    site.ironic.wait_state(&node, "rescue wait", TIMEOUT)?;
    let said = site.command_line(MAC)?;
    ensure!(said.contains("ipa-api-url="), "{said}");

    let _permit = MACHINES.acquire();
    let mut machine = site.machine(platform).power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    let expected = toy::report(&as_passed(platform, &said), &ramdisk);
    ensure!(
        anonymous(&line) == anonymous(&expected),
        "printed {line}\nexpected {expected}"
    );
    ensure!(
        !machine.console().contains("not for the script"),
        "{}",
        machine.console()
    );
    looks_as_documented(&machine, "rescue ramdisk", &node)
}
on_platforms!(
    the_rescue_ramdisk_boots:
    bios, bios_current, uefi_current,
    #[ignore = "cargo xtask test --full: a ramdisk boots like the deploy ramdisk"] uefi,
);
