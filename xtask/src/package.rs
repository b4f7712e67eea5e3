//! `cargo xtask package`: the Debian package and the container image.
//!
//! Both have the same program, configuration and licences: the image is made from the tree of files
//! that the Debian package has. The same program and date give the same bytes.

mod deb;
mod image;
mod licences;
#[cfg(test)]
mod tests;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    packages,
    shell::{self, step},
};

/// Debian's packages that the result is made with, and `ca-certificates`, which is in the image.
const PACKAGES: &[&str] = &["ca-certificates", "debhelper", "dpkg-dev", "help2man"];

/// Arguments of `cargo xtask package`.
#[derive(clap::Args)]
pub(crate) struct PackageArgs {
    /// The program to package, instead of building one with the release profile.
    #[arg(long)]
    program: Option<PathBuf>,
    /// The version of the packages, as Debian orders versions: `0.1.0~git20260801`, for example. Not set:
    /// ironpxe's version.
    #[arg(long)]
    package_version: Option<String>,
}

/// What is packaged, and how.
struct Source {
    program: PathBuf,
    version: String,
    /// Seconds since 1970: the time of every file.
    date: i64,
    effort: Effort,
}

/// How much time compression may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// For what is published: Debian's default, and debug symbols in a package of their own.
    Best,
    /// For tests.
    #[cfg(test)]
    Fast,
}

/// Makes both packages in `target/package`.
pub(crate) fn run(args: PackageArgs) -> Result<()> {
    step("packages", || packages::ensure(PACKAGES))?;
    let program = match args.program {
        Some(program) => program,
        None => step("ironpxe", build_program)?,
    };
    let source = Source {
        program,
        version: args
            .package_version
            .unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
        date: date()?,
        effort: Effort::Best,
    };
    let _turn = shell::lock("package")?;
    let folder = shell::target().join("package");
    let build = folder.join("build");
    let deb = step("Debian package", || deb::build(&source, &build, &folder))?;
    let image = step("container image", || {
        image::build(&source, &deb.contents, &folder)
    })?;
    for file in deb.files.iter().chain([&image]) {
        let size = fs::metadata(file)?.len();
        println!("{} {} KiB", file.display(), size / 1024);
    }
    Ok(())
}

fn build_program() -> Result<PathBuf> {
    shell::run(shell::cargo().args(["build", "--release", "--locked", "--package", "ironpxe"]))?;
    Ok(shell::target().join("release/ironpxe"))
}

/// `SOURCE_DATE_EPOCH`, or else the time of the last commit.
fn date() -> Result<i64> {
    let text = match env::var_os("SOURCE_DATE_EPOCH") {
        Some(text) => text.to_string_lossy().into_owned(),
        None => shell::run_quiet(
            Command::new("git")
                .args(["log", "-1", "--format=%ct"])
                .current_dir(shell::root()),
        )
        .context("no SOURCE_DATE_EPOCH, and no commit to take the date from")?,
    };
    text.trim()
        .parse()
        .with_context(|| format!("not a number of seconds: `{}`", text.trim()))
}

/// Debian's name of this machine's architecture, which is also that of container images for `amd64`,
/// `arm64`, `ppc64le`, `riscv64` and `s390x`.
fn architecture() -> Result<String> {
    let name = shell::run_quiet(Command::new("dpkg").arg("--print-architecture"))?;
    Ok(name.trim().to_owned())
}

/// The sample configuration with what differs in a package: where the state is. Without it, commands
/// of an administrator would use another database than the service does.
fn configuration() -> Result<String> {
    const UNSET: &str = "\n#state_path =\n";
    let sample = fs::read_to_string(shell::root().join("packaging/ironpxe.toml"))
        .context("cannot read the sample configuration")?;
    if sample.matches(UNSET).count() != 1 {
        bail!("the sample configuration has no single `#state_path =`");
    }
    Ok(sample.replace(UNSET, "\nstate_path = \"/var/lib/ironpxe\"\n"))
}

/// Copies a folder and what is below it, without symbolic links.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        ensure!(
            kind.is_dir() || kind.is_file(),
            "{} is neither a file nor a folder",
            source.display()
        );
        if kind.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target)
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}
