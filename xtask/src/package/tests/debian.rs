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
    let Some(packages) = Packages::shared()? else {
        return Ok(());
    };
    let share = tempfile::tempdir_in(&packages.folder)?;
    fs::copy(&packages.deb, share.path().join("first.deb"))?;
    newer(&packages.deb, &share.path().join("next.deb"))?;
    fs::copy(here().join("install.sh"), share.path().join("install.sh"))?;
    boot(share.path(), &["/bin/sh", "/share/install.sh"])?;
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

/// Runs `command` in a machine, until it is switched off; see `machine.sh`.
fn boot(share: &Path, command: &[&str]) -> Result<()> {
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
        .arg(share)
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
