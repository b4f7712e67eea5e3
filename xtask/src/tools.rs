//! Programs that come from the crate registry, each at the version that is pinned here.
//!
//! A program is built once for each version, without optimisation: it runs for seconds, and building
//! it is what costs. It stays in `target/tools`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::shell;

/// The program and its version.
const CARGO_DENY: (&str, &str) = ("cargo-deny", "0.20.2");

/// Builds cargo-deny unless this version is there, and returns its path.
pub(crate) fn ensure_cargo_deny() -> Result<PathBuf> {
    install(CARGO_DENY)
}

/// Checks the dependencies of the service, and of the workspace that measures it, against `deny.toml`.
///
/// Not for published advisories, whose database no registry has: `SECURITY.md` says how to.
pub(crate) fn deny(program: &Path) -> Result<()> {
    for manifest in ["Cargo.toml", "bench/Cargo.toml"] {
        let mut command = Command::new(program);
        command.current_dir(shell::root());
        command.args([
            "--locked",
            "--manifest-path",
            manifest,
            "--config",
            "deny.toml",
        ]);
        command.args(["check", "--hide-inclusion-graph"]);
        if manifest != "Cargo.toml" {
            // What the configuration lists is exact for the service.
            for lint in [
                "license-not-encountered",
                "unmatched-skip",
                "unnecessary-skip",
            ] {
                command.args(["--allow", lint]);
            }
        }
        command.args(["licenses", "bans", "sources"]);
        shell::run(&mut command)?;
    }
    Ok(())
}

fn install((name, version): (&str, &str)) -> Result<PathBuf> {
    let _turn = shell::lock("tools")?;
    let folder = shell::target()
        .join("tools")
        .join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if program.is_file() {
        return Ok(program);
    }
    println!("    building {name} {version}");
    let build = folder.join("build");
    shell::run_quiet(
        shell::cargo()
            .args(["install", name, "--version", &format!("={version}")])
            .args(["--locked", "--debug", "--force", "--root"])
            .arg(&folder)
            .arg("--target-dir")
            .arg(&build)
            .env("CARGO_PROFILE_DEV_DEBUG", "none"),
    )?;
    // Saves a gigabyte of disk space.
    fs::remove_dir_all(&build).context("cannot remove the build")?;
    ensure!(program.is_file(), "{name} {version} has no such program");
    Ok(program)
}
