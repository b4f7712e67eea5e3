//! Programs that come from the system's packages.
//!
//! On Debian and its relatives, [`ensure`] installs what is missing. Elsewhere it looks for the
//! programs themselves and names those it cannot find. [`unpack`] is for a package whose
//! installation would start a service: it takes the program out and installs nothing.
//! [`unpack_newer`] does the same with packages of a newer release.

mod release;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use crate::shell;

/// How long to wait for another installation on this machine to let go of its locks.
const LOCK_PATIENCE: Duration = Duration::from_mins(5);

/// The purpose of a package, so that messages can name it on other systems.
const PROGRAMS: &[(&str, &str)] = &[
    ("binutils", "ld"),
    ("dnsmasq-base", "dnsmasq"),
    ("iproute2", "ip"),
    ("mariadb-client-core", "mariadb"),
    ("mariadb-server-core", "mariadbd"),
    ("postgresql", "initdb"),
    ("python3", "python3"),
    ("qemu-system-x86", "qemu-system-x86_64"),
    ("sqlite3", "sqlite3"),
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
    let scratch = scratch()?;
    let contents = scratch.path().join("contents");
    if let Err(error) = extract(&[package], &[], &contents) {
        if !Uid::effective().is_root() {
            return Err(error.context("if the package lists are old, `sudo apt-get update` helps"));
        }
        apt_get(&["update"])?;
        extract(&[package], &[], &contents)?;
    }
    std::fs::rename(&contents, &folder).context("cannot move the unpacked package")?;
    if !path.is_file() {
        bail!("package {package} holds no {program}");
    }
    Ok(path)
}

/// Adds what is in these packages to a folder, without installing them.
pub(crate) fn unpack_into(packages: &[&str], folder: &Path) -> Result<()> {
    if shell::find_program("apt-get").is_none() {
        bail!("this system has no apt-get");
    }
    let _turn = shell::lock("packages")?;
    if let Err(error) = extract(packages, &[], folder) {
        if !Uid::effective().is_root() {
            return Err(error.context("if the package lists are old, `sudo apt-get update` helps"));
        }
        apt_get(&["update"])?;
        extract(packages, &[], folder)?;
    }
    Ok(())
}

/// Takes the newest `packages` that Debian has out of their files, without installing them. `take`
/// gets the folder with their contents, and the version of the first.
///
/// The releases are tried from the newest on; one whose package is unavailable, or not newer than
/// the installed one, is skipped. `Err` has the reason for each.
pub(crate) fn unpack_newer(
    packages: &[&str],
    take: impl Fn(&Path, &str) -> Result<()>,
) -> Result<()> {
    if shell::find_program("apt-get").is_none() {
        bail!("this system has no apt-get");
    }
    let first = packages.first().context("no packages")?;
    let installed = installed_version(first)?;
    let scratch = scratch()?;
    let mut reasons = Vec::new();
    for release in ["sid", "testing", "stable"] {
        let attempt = || {
            let arguments = release::fetch_lists(release, scratch.path())?;
            let contents = scratch.path().join(release).join("contents");
            let version = extract(packages, &arguments, &contents)?;
            if !is_newer(&version, &installed)? {
                bail!("{first} {version} is not newer than the installed {installed}");
            }
            take(&contents, &version)
        };
        match attempt() {
            Ok(()) => return Ok(()),
            Err(error) => reasons.push(format!("{release}: {error:#}")),
        }
    }
    bail!("{}", reasons.join("\n"))
}

/// A folder beside where unpacked packages go, so that they can be moved there.
fn scratch() -> Result<tempfile::TempDir> {
    let parent = shell::target().join("tools");
    std::fs::create_dir_all(&parent).context("cannot create the tools folder")?;
    tempfile::tempdir_in(&parent).context("cannot create a scratch folder")
}

/// Downloads packages, with these arguments for apt-get, and puts what is in them into `contents`.
/// Returns the version of the first.
fn extract(packages: &[&str], arguments: &[String], contents: &Path) -> Result<String> {
    let downloads = scratch()?;
    shell::run_quiet(
        Command::new("apt-get")
            .args(["-q", "-o", "APT::Sandbox::User=root"])
            .args(arguments)
            .arg("download")
            .args(packages)
            .current_dir(downloads.path()),
    )?;
    let files: Vec<PathBuf> = std::fs::read_dir(downloads.path())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    let mut version = None;
    for package in packages {
        let prefix = format!("{package}_");
        let file = files
            .iter()
            .find(|path| {
                let name = path.file_name().unwrap_or_default();
                name.to_string_lossy().starts_with(&prefix)
            })
            .with_context(|| format!("apt-get download left no package file for {package}"))?;
        shell::run_quiet(Command::new("dpkg-deb").arg("-x").arg(file).arg(contents))?;
        if version.is_none() {
            let field = shell::run_quiet(
                Command::new("dpkg-deb")
                    .arg("--field")
                    .args([file.as_path(), Path::new("Version")]),
            )?;
            version = Some(field.trim().to_owned());
        }
    }
    version.context("no packages")
}

/// Empty if the package is not installed.
fn installed_version(package: &str) -> Result<String> {
    // It ends with an error if it does not know the name.
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Version}", package])
        .output()
        .context("cannot run dpkg-query")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn is_newer(version: &str, than: &str) -> Result<bool> {
    let status = Command::new("dpkg")
        .args(["--compare-versions", version, "gt", than])
        .status()
        .context("cannot run dpkg")?;
    Ok(status.success())
}

/// Those of `packages` that dpkg does not know as installed.
fn missing<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    // It fails if any name is unknown, which is what is being checked.
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
    fn unknown_package_is_missing_and_an_essential_one_is_not() {
        if shell::find_program("dpkg-query").is_none() {
            return;
        }
        let found = missing(&["dpkg", "no-such-package-of-ironpxe", "libc6"]).unwrap();
        assert_eq!(found, ["no-such-package-of-ironpxe"]);
    }

    #[test]
    fn versions_are_compared_like_in_debian() {
        if shell::find_program("dpkg").is_none() {
            return;
        }
        assert!(is_newer("2.0.0+dfsg-5", "1.21.1+git20250501-1").unwrap());
        assert!(is_newer("1.21.1", "1.0.0+git-20190125.36a4c85-5.1").unwrap());
        assert!(is_newer("1.0", "").unwrap());
        assert!(!is_newer("2.0.0-1", "2.0.0-1").unwrap());
    }
}
