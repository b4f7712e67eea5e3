//! Images that machines get through the service, and what stays of them there: nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use ironpxe_testkit::machine::{HOST, Platform};
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::openstack::{Glance, Keystone, SERVICE_PASSWORD, Swift, venv};
use ironpxe_testkit::payload::{disk, iso, toy};
use ironpxe_testkit::server::ServerOptions;
use serde_json::json;
use tempfile::TempDir;

use super::{
    BOOT, FirmwareFixture, MAC, MACHINES, RAMDISK, TIMEOUT, boots_the_toy, disk_report, kernel,
};

/// Looks for files, again and again, until it is asked what it saw.
struct Watch {
    over: Arc<AtomicBool>,
    watching: JoinHandle<BTreeSet<PathBuf>>,
}

impl Watch {
    fn over(folders: &[&Path]) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let folders: Vec<PathBuf> = folders.iter().map(|it| it.to_path_buf()).collect();
        let is_over = Arc::clone(&over);
        let watching = thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                for folder in &folders {
                    look(folder, &mut seen);
                }
                thread::sleep(Duration::from_millis(5));
            }
            seen
        });
        Self { over, watching }
    }

    /// Every file that was there at any time, but for the database's.
    fn others(self) -> Result<Vec<PathBuf>> {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.watching.join();
        let seen = seen.map_err(|_| anyhow!("the watch has panicked"))?;
        let is_database = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("ironpxe.sqlite")
        };
        Ok(seen
            .iter()
            .filter(|path| !is_database(path))
            .cloned()
            .collect())
    }
}

fn look(folder: &Path, seen: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            look(&entry.path(), seen);
        } else {
            seen.insert(entry.path());
        }
    }
}

/// A site that gives out the files of `folder`, with a place for temporary files of its own.
fn site(folder: &Path, temporary: &Path) -> Result<FirmwareFixture> {
    let options = ServerOptions::for_machines()
        .set(
            "IRONPXE_CONDUCTOR__FILE_URL_ALLOWED_PATHS",
            folder.display().to_string(),
        )
        .set("IRONPXE_IMAGES__RELAY", "always")
        .set("IRONPXE_IMAGES__RELAY_ALLOWED", "127.0.0.0/8")
        .set("TMPDIR", temporary.display().to_string());
    FirmwareFixture::start(&options)
}

/// The kernel from a file, the ramdisk from a server that only the service can reach.
fn a_machine_boots_what_is_passed_on(platform: Platform) -> Result<()> {
    let (folder, temporary) = (TempDir::new()?, TempDir::new()?);
    let file = folder.path().join("deploy.kernel");
    std::fs::write(&file, kernel(platform))?;
    let site = site(folder.path(), temporary.path())?;
    site.images.serve(RAMDISK, toy::ramdisk(1000));
    let fields = json!({"driver_info": {
        "deploy_kernel": format!("file://{}", file.display()),
        "deploy_ramdisk": site.images.local_url(RAMDISK),
    }});
    let node = site.enrol_with(MAC, &fields)?;
    site.deploy(&node)?;

    let watch = Watch::over(&[site.server.state_dir(), temporary.path()]);
    let _permit = MACHINES.acquire();
    let machine = site.machine(platform).power_on()?;
    boots_the_toy(&machine)?;
    for image in ["kernel", "ramdisk"] {
        let line = site
            .server
            .wait_for_log(&format!("{image} served"), TIMEOUT)?;
        ensure!(line.contains(&node), "{line}");
    }
    let others = watch.others()?;
    ensure!(others.is_empty(), "something was kept: {others:?}");
    Ok(())
}
on_platforms!(a_machine_boots_what_is_passed_on: bios, bios_current, uefi, uefi_current);

/// A firmware reads a disc in parts.
fn a_machine_boots_a_disc_that_is_passed_on(platform: Platform) -> Result<()> {
    let (folder, temporary) = (TempDir::new()?, TempDir::new()?);
    let file = folder.path().join("rescue.iso");
    std::fs::write(&file, iso::image("cd")?)?;
    let site = site(folder.path(), temporary.path())?;
    let node = site.enrol_with(
        MAC,
        &json!({
            "deploy_interface": "ramdisk",
            "instance_info": {
                "image_source": null,
                "boot_iso": format!("file://{}", file.display()),
            },
        }),
    )?;
    site.make_available(&node)?;
    site.drive(&node, "active", "active")?;
    let _permit = MACHINES.acquire();
    let mut machine = site.machine(platform).power_on()?;
    let line = machine.wait_for_line(disk::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    ensure!(line == disk_report(platform, "cd"), "{line}");
    Ok(())
}
on_platforms!(a_machine_boots_a_disc_that_is_passed_on: bios, bios_current, uefi_current);

/// The machine is told which of its images is missing, and where it should be.
fn a_machine_is_told_which_image_is_missing(platform: Platform) -> Result<()> {
    let (folder, temporary) = (TempDir::new()?, TempDir::new()?);
    let file = folder.path().join("deploy.kernel");
    std::fs::write(&file, kernel(platform))?;
    let site = site(folder.path(), temporary.path())?;
    let url = format!("file://{}", file.display());
    let fields = json!({"driver_info": {
        "deploy_kernel": url,
        "deploy_ramdisk": site.images.local_url(RAMDISK),
    }});
    let node = site.enrol_with(MAC, &fields)?;
    site.deploy(&node)?;
    std::fs::remove_file(&file)?;
    let _permit = MACHINES.acquire();
    let machine = site.machine(platform).power_on()?;
    machine.wait_for("it does not exist", BOOT)?;
    machine.wait_for("set another kernel", BOOT)?;
    let line = site
        .server
        .wait_for_log("machine not booted: kernel", TIMEOUT)?;
    ensure!(line.contains(&url) && line.contains(&node), "{line}");
    machine.power_off()
}
on_platforms!(a_machine_is_told_which_image_is_missing: bios, uefi_current);

/// Glance, Keystone and Swift themselves: a machine boots by streaming, and by temporary URLs.
fn a_machine_boots_what_glance_has(platform: Platform) -> Result<()> {
    const SWIFT_KEY: &str = "the key of temporary URLs";
    let venv = venv()?;
    let keystone = Keystone::start(&venv)?;
    keystone.add_service_user("ironic")?;
    let swift = Swift::start(&venv, &keystone)?;
    let glance = Glance::start(&venv, &keystone, &swift)?;
    swift.set_temp_url_key(&keystone, "glance", SWIFT_KEY)?;
    let deploy_kernel = glance.upload(&venv, &keystone, "aki", kernel(platform))?;
    let deploy_ramdisk = glance.upload(&venv, &keystone, "ari", &toy::ramdisk(1000))?;
    let options = |temporary: &TempDir| {
        ServerOptions::for_machines()
            .set("TMPDIR", temporary.path().display().to_string())
            .set("IRONPXE_GLANCE__AUTH_TYPE", "password")
            .set("IRONPXE_GLANCE__AUTH_URL", keystone.url.clone())
            .set("IRONPXE_GLANCE__USERNAME", "ironic")
            .set("IRONPXE_GLANCE__PASSWORD", SERVICE_PASSWORD)
            .set("IRONPXE_GLANCE__USER_DOMAIN_NAME", "Default")
            .set("IRONPXE_GLANCE__PROJECT_NAME", "service")
            .set("IRONPXE_GLANCE__PROJECT_DOMAIN_NAME", "Default")
    };
    let fields = json!({"driver_info": {
        "deploy_kernel": deploy_kernel,
        "deploy_ramdisk": format!("glance://{deploy_ramdisk}"),
    }});
    let boots = |options: &ServerOptions, temporary: &TempDir| -> Result<FirmwareFixture> {
        let site = FirmwareFixture::start(options)?;
        let node = site.enrol_with(MAC, &fields)?;
        site.deploy(&node)?;
        let watch = Watch::over(&[site.server.state_dir(), temporary.path()]);
        let _permit = MACHINES.acquire();
        boots_the_toy(&site.machine(platform).power_on()?)?;
        let others = watch.others()?;
        ensure!(others.is_empty(), "something was kept: {others:?}");
        Ok(site)
    };

    let temporary = TempDir::new()?;
    let site = boots(&options(&temporary), &temporary)?;
    site.server.wait_for_log("ramdisk served", TIMEOUT)?;
    drop(site);

    let (_, port) = swift.url.rsplit_once(':').context("Swift has no port")?;
    let by_temp_urls = options(&temporary)
        .set("IRONPXE_PXE__IPXE_USE_SWIFT", "true")
        .set("IRONPXE_GLANCE__SWIFT_TEMP_URL_KEY", SWIFT_KEY)
        .set(
            "IRONPXE_GLANCE__SWIFT_ENDPOINT_URL",
            format!("http://{HOST}:{port}"),
        );
    let site = boots(&by_temp_urls, &temporary)?;
    let served = site.server.log_with("served");
    ensure!(served.is_empty(), "it came through us: {served:?}");
    Ok(())
}
on_platforms!(
    a_machine_boots_what_glance_has:
    #[ignore = "cargo xtask test --full: it needs the services of OpenStack, which that installs"]
    bios,
);
