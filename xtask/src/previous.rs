//! The release before the newest change of the tables, built from the project's history.
//!
//! A rolling upgrade is tested with two real executables. The older one is what the main line was
//! when the newest migration came in; it is built once for each migration, and kept in `target`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::shell;

/// Where the migrations of servers are.
const MIGRATIONS: &str = "crates/ironpxe/migrations/postgres";

/// The executable, or `None` and the reason on standard output where there is no history to build
/// it from.
pub(crate) fn ensure() -> Result<Option<PathBuf>> {
    let Some(commit) = commit()? else {
        println!(
            "    !!! no history before the newest migration: the rolling upgrade IS SKIPPED; a \
             clone with its history has it"
        );
        return Ok(None);
    };
    let _turn = shell::lock("previous")?;
    let folder = shell::target().join("previous");
    let binary = folder.join(format!("ironpxe-{commit}"));
    if !binary.is_file() {
        let built = build(&commit, &folder)?;
        fs::rename(&built, &binary).context("cannot keep the executable")?;
    }
    println!("    ironpxe as of {commit}");
    Ok(Some(binary))
}

/// The last commit of the main line without the newest migration.
fn commit() -> Result<Option<String>> {
    let newest = fs::read_dir(shell::root().join(MIGRATIONS))
        .context("cannot list the migrations")?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .max()
        .context("there are no migrations")?;
    let added = git(&[
        "log",
        "--first-parent",
        "-m",
        "--diff-filter=A",
        "--format=%h",
        "-1",
        "--",
        &format!("{MIGRATIONS}/{newest}"),
    ]);
    let Ok(added) = added else { return Ok(None) };
    let before = format!("{}^1", added.trim());
    Ok(git(&["rev-parse", "--verify", "--short", &before])
        .ok()
        .map(|commit| commit.trim().to_owned()))
}

fn build(commit: &str, folder: &Path) -> Result<PathBuf> {
    let sources = folder.join("sources");
    if sources.exists() {
        fs::remove_dir_all(&sources).context("cannot remove old sources")?;
    }
    fs::create_dir_all(&sources).context("cannot create a folder for sources")?;
    let archive = folder.join("sources.tar");
    git(&["archive", "--output", &archive.to_string_lossy(), commit])?;
    shell::run_quiet(
        Command::new("tar")
            .arg("-xf")
            .arg(&archive)
            .arg("-C")
            .arg(&sources),
    )?;
    shell::run_quiet(
        shell::cargo()
            .current_dir(&sources)
            .args(["build", "--locked", "--package", "ironpxe"])
            .args(["--bin", "ironpxe", "--target-dir"])
            .arg(folder.join("target")),
    )?;
    let built = folder.join("ironpxe");
    fs::copy(folder.join("target/debug/ironpxe"), &built).context("cargo built no executable")?;
    // The build folder has several gigabytes.
    fs::remove_dir_all(folder.join("target")).context("cannot remove the build")?;
    fs::remove_dir_all(&sources).context("cannot remove the sources")?;
    fs::remove_file(&archive).context("cannot remove the archive")?;
    Ok(built)
}

fn git(args: &[&str]) -> Result<String> {
    shell::run_quiet(Command::new("git").current_dir(shell::root()).args(args))
}
