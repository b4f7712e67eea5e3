//! The Debian package under real systemd.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{Packages, has, here, is_root};
use crate::shell;

#[test]
fn the_package_is_installed_upgraded_and_purged_under_systemd() -> Result<()> {
    if !is_root("a machine with systemd") || !has(&["systemd-nspawn", "curl", "dpkg-deb"]) {
        return Ok(());
    }
    install_in_machine(Path::new("/"))
}

#[test]
#[ignore = "cargo xtask test --full: makes a minimal Debian, from its mirrors"]
fn the_package_is_installed_on_a_minimal_debian() -> Result<()> {
    if !is_root("a Debian of its own") || !has(&["systemd-nspawn", "mmdebstrap", "dpkg-deb"]) {
        return Ok(());
    }
    let folder = tempfile::tempdir_in(shell::target())?;
    let root = folder.path().join("debian");
    let release = "sed -n s/^VERSION_CODENAME=//p /etc/os-release";
    let release = shell::run_quiet(Command::new("sh").args(["-c", release]))?;
    shell::run_quiet(
        Command::new("mmdebstrap")
            .args(["--mode=root", "--variant=essential"])
            // What the package depends on is systemd; what the test uses is the rest.
            .arg("--include=systemd-sysv,dbus,curl")
            .arg(release.trim())
            .arg(&root),
    )?;
    install_in_machine(&root)
}

/// Does what `install.sh` does, on these files.
fn install_in_machine(files: &Path) -> Result<()> {
    let Some(packages) = Packages::shared()? else {
        return Ok(());
    };
    let share = tempfile::tempdir_in(&packages.folder)?;
    fs::copy(&packages.deb, share.path().join("first.deb"))?;
    newer(&packages.deb, &share.path().join("next.deb"))?;
    fs::copy(here().join("install.sh"), share.path().join("install.sh"))?;
    boot(files, share.path(), &["/bin/sh", "/share/install.sh"])?;
    let log = fs::read_to_string(share.path().join("log")).context("the machine wrote no log")?;
    ensure!(log.ends_with("every step succeeded\n"), "{log}");
    Ok(())
}

#[test]
fn the_unit_is_confined() -> Result<()> {
    if !has(&["systemd-analyze"]) {
        return Ok(());
    }
    let unit = shell::root().join("packaging/debian/ironpxe.service");
    // In tenths; 15 allows what a network service needs.
    shell::run_quiet(
        Command::new("systemd-analyze")
            .args(["security", "--offline=yes", "--threshold=15", "--no-pager"])
            .arg(unit),
    )
    .map(drop)
}

/// Makes a newer version of the package, with another configuration file.
fn newer(package: &Path, target: &Path) -> Result<()> {
    let contents = target.with_extension("contents");
    shell::run_quiet(
        Command::new("dpkg-deb")
            .arg("--raw-extract")
            .args([package, &contents]),
    )?;
    let control = contents.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    ensure!(text.contains("\nVersion: 1.2.3\n"), "{text}");
    fs::write(
        &control,
        text.replace("\nVersion: 1.2.3\n", "\nVersion: 1.2.4\n"),
    )?;
    let configuration = contents.join("etc/ironpxe/ironpxe.toml");
    let text = fs::read_to_string(&configuration)?;
    fs::write(&configuration, format!("{text}\n# newer default\n"))?;
    shell::run_quiet(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zgzip", "-z1", "--build"])
            .args([&contents, target]),
    )?;
    Ok(fs::remove_dir_all(&contents)?)
}

/// Runs `command` in a machine with these files, until it is switched off; see `machine.sh`.
fn boot(files: &Path, share: &Path, command: &[&str]) -> Result<()> {
    // The machine ends with this process.
    let output = Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "--",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .args(["--", "sh"])
        .arg(here().join("machine.sh"))
        .args([files, share])
        .args(command)
        .stdin(Stdio::null())
        .output()
        .context("cannot run unshare")?;
    let console = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        share.join("log").is_file(),
        "the machine did not start:\n{console}\n{errors}"
    );
    Ok(())
}
