//! Programs that come from the system's packages.
//!
//! On Debian and its relatives, [`ensure`] installs what is missing. Elsewhere it looks for the
//! programs themselves and names those it cannot find. [`unpack`] is for a package whose
//! installation would start a service: it takes the program out and installs nothing.

use std::{
    collections::HashSet,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use crate::shell;

/// How long to wait for another installation on this machine to let go of its locks.
const LOCK_PATIENCE: Duration = Duration::from_mins(5);

/// What a package is wanted for, so that other systems can be told in words they know.
const PROGRAMS: &[(&str, &str)] = &[
    ("binutils", "ld"),
    ("postgresql", "initdb"),
    ("python3", "python3"),
    ("qemu-system-x86", "qemu-system-x86_64"),
    ("tgt", "tgtd"),
    ("wrk", "wrk"),
];

/// Makes sure that these packages are installed.
pub(crate) fn ensure(packages: &[&str]) -> Result<()> {
    if shell::find_program("dpkg-query").is_none() {
        return ensure_elsewhere(packages);
    }
    let _turn = shell::lock("packages")?;
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    if !Uid::effective().is_root() {
        let names = missing.join(" ");
        bail!(
            "packages are missing; install them with\n    \
             sudo apt-get update && sudo apt-get install -y --no-install-recommends {names}"
        );
    }
    println!("    installing {}", missing.join(" "));
    // The package lists of the machine are often good enough; they are renewed if not.
    if install(&missing).is_err() {
        apt_get(&["update"])?;
        install(&missing)?;
    }
    Ok(())
}

/// Takes one program out of a package without installing the package, and returns its path.
///
/// A program that is already on the machine is used as it is.
pub(crate) fn unpack(package: &str, program: &str) -> Result<PathBuf> {
    let name = program.rsplit('/').next().unwrap_or(program);
    if let Some(found) = shell::find_program(name) {
        return Ok(found);
    }
    if shell::find_program("apt-get").is_none() {
        bail!("`{name}` is needed and this system has no apt-get: please install it");
    }
    let _turn = shell::lock("packages")?;
    let folder = shell::target().join("tools").join(package);
    let path = folder.join(program);
    if path.is_file() {
        return Ok(path);
    }
    let parent = shell::target().join("tools");
    std::fs::create_dir_all(&parent).context("cannot create the tools folder")?;
    let scratch = tempfile::tempdir_in(&parent).context("cannot create a scratch folder")?;
    let download = || {
        shell::run_quiet(
            Command::new("apt-get")
                .args(["download", "-q", package])
                .current_dir(scratch.path()),
        )
    };
    if let Err(error) = download() {
        if !Uid::effective().is_root() {
            return Err(error.context("if the package lists are old, `sudo apt-get update` helps"));
        }
        apt_get(&["update"])?;
        download()?;
    }
    let archive = std::fs::read_dir(scratch.path())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get download left no package file for {package}"))?;
    let contents = scratch.path().join("contents");
    shell::run_quiet(
        Command::new("dpkg-deb")
            .arg("-x")
            .arg(archive)
            .arg(&contents),
    )?;
    std::fs::rename(&contents, &folder).context("cannot move the unpacked package")?;
    if !path.is_file() {
        bail!("package {package} holds no {program}");
    }
    Ok(path)
}

/// Those of `packages` that dpkg does not know as installed.
fn missing<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    // It ends with an error if any name is unknown, which is just what is asked here.
    let output = Command::new("dpkg-query")
        .args([
            "--show",
            "--showformat=${binary:Package} ${db:Status-Status}\\n",
        ])
        .args(packages)
        .output()
        .context("cannot run dpkg-query")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let installed: HashSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .filter_map(|name| name.split(':').next())
        .collect();
    Ok(packages
        .iter()
        .copied()
        .filter(|name| !installed.contains(name))
        .collect())
}

fn install(packages: &[&str]) -> Result<()> {
    let mut args = vec!["install", "-y", "--no-install-recommends"];
    args.extend(packages);
    apt_get(&args)
}

/// Runs apt-get without questions and without noise, and waits its turn.
fn apt_get(args: &[&str]) -> Result<()> {
    let start = Instant::now();
    loop {
        let result = shell::run_quiet(
            Command::new("apt-get")
                .args(["-q", "-o", "DPkg::Lock::Timeout=300"])
                .args(args)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .env("LC_ALL", "C"),
        );
        match result {
            Ok(_) => return Ok(()),
            // `update` takes another lock, which the option above does not wait for.
            Err(error)
                if error.to_string().contains("Could not get lock")
                    && start.elapsed() < LOCK_PATIENCE =>
            {
                thread::sleep(Duration::from_secs(2));
            }
            Err(error) => return Err(error),
        }
    }
}

fn ensure_elsewhere(packages: &[&str]) -> Result<()> {
    let wanted: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(package, _)| packages.contains(package))
        .map(|&(_, program)| program)
        .collect();
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|program| shell::find_program(program).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "this is not a Debian system, so nothing was installed; these programs are needed: {} \
         (Debian's packages: {})",
        missing.join(", "),
        packages.join(", ")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_nobody_has_is_missing_and_the_base_is_not() {
        if shell::find_program("dpkg-query").is_none() {
            return;
        }
        let found = missing(&["dpkg", "no-such-package-of-ironpxe", "libc6"]).unwrap();
        assert_eq!(found, ["no-such-package-of-ironpxe"]);
    }
}
