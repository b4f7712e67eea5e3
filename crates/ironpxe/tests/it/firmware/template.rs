//! A machine with an operator's own boot script.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::machine::Platform;
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::payload::toy;
use ironpxe_testkit::server::ServerOptions;

use super::{FirmwareFixture, KERNEL, MAC, MACHINES, RAMDISK, TIMEOUT, boots_the_toy};

on_platforms!(an_operators_template_speaks_and_boots: bios, bios_current);

fn an_operators_template_speaks_and_boots(platform: Platform) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("boot.ipxe");
    let template = "#!ipxe\n\
                    imgfree\n\
                    set ironpxe-node {{ node.uuid }}\n\
                    echo Machine room 7 welcomes {{ node.name or node.uuid }}, {{ request_id }}\n\
                    {% if plan.kind == \"linux\" %}\n\
                    {% include \"linux.ipxe\" %}\n\
                    {% else %}\n\
                    {% include \"boot.ipxe\" %}\n\
                    {% endif %}\n";
    std::fs::write(&file, template)?;
    let path = file.to_str().context("odd folder")?;
    let options = ServerOptions::for_machines().set("IRONPXE_PXE__IPXE_CONFIG_TEMPLATE", path);
    let site = FirmwareFixture::start(&options)?;
    site.images.serve(KERNEL, toy::KERNEL);
    site.images.serve(RAMDISK, &*toy::ramdisk(1000));
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;

    let _permit = MACHINES.acquire();
    let mut machine = site.machine(platform).power_on()?;
    let line = machine.wait_for_line("Machine room 7", TIMEOUT)?;
    ensure!(
        line.starts_with("Machine room 7 welcomes rack-1, req-"),
        "{line}"
    );
    boots_the_toy(&machine)?;
    machine.wait_until_off(TIMEOUT)?;
    Ok(())
}
