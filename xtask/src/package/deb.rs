//! The Debian package, by debhelper: `packaging/debian` says what is in it.
//!
//! debhelper writes what every package needs alike: the maintainer scripts for the user, the unit and the
//! state, the dependencies on libraries that the program is linked with, the list of configuration
//! files, checksums, stripping, and the package of debug symbols.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::{Effort, Source, configuration, copy_folder, licences};
use crate::shell;

/// What was made.
pub(super) struct Deb {
    /// The files, that of ironpxe first; then that with its debug symbols, if any.
    pub files: Vec<PathBuf>,
    /// The folder with the contents of the package.
    pub contents: PathBuf,
}

/// Makes the package in `folder`, by way of `build`, which is emptied first.
pub(super) fn build(source: &Source, build: &Path, folder: &Path) -> Result<Deb> {
    if build.exists() {
        fs::remove_dir_all(build).context("cannot empty the build folder")?;
    }
    let tree = build.join("ironpxe");
    lay_out(source, &tree)?;
    let options = match source.effort {
        Effort::Best => "",
        #[cfg(test)]
        Effort::Fast => "noautodbgsym",
    };
    let mut command = Command::new("dpkg-buildpackage");
    command
        .args(["--build=binary", "--no-sign"])
        .current_dir(&tree)
        .env("SOURCE_DATE_EPOCH", source.date.to_string())
        .env("DEB_BUILD_OPTIONS", options)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env_remove("DH_VERBOSE")
        .env_remove("DH_OPTIONS");
    #[cfg(test)]
    if source.effort == Effort::Fast {
        command.env("DPKG_DEB_OPTIONS", "-Zgzip -z1");
    }
    shell::run_quiet(&mut command)?;

    let mut files = Vec::new();
    for entry in fs::read_dir(build).context("cannot read the build folder")? {
        let path = entry?.path();
        // Ubuntu calls the files with debug symbols so.
        if path
            .extension()
            .is_some_and(|kind| kind == "deb" || kind == "ddeb")
        {
            let name = path.file_name().unwrap_or_default();
            let target = folder.join(name);
            fs::copy(&path, &target)
                .with_context(|| format!("cannot write {}", target.display()))?;
            files.push(target);
        }
    }
    files.sort_by_key(|file| file.to_string_lossy().contains("-dbgsym_"));
    ensure!(!files.is_empty(), "dpkg-buildpackage made no package");
    Ok(Deb {
        files,
        contents: tree.join("debian/ironpxe"),
    })
}

/// Writes what debhelper reads: `debian/`, and the files that it names.
fn lay_out(source: &Source, tree: &Path) -> Result<()> {
    let root = shell::root();
    copy_folder(&root.join("packaging/debian"), &tree.join("debian"))?;
    for folder in ["ironic", "kubernetes"] {
        copy_folder(&root.join("packaging").join(folder), &tree.join(folder))?;
    }
    copy_folder(&root.join("docs"), &tree.join("docs"))?;
    for file in ["README.md", "SECURITY.md", "CHANGELOG.md"] {
        fs::copy(root.join(file), tree.join(file))
            .with_context(|| format!("cannot copy {file}"))?;
    }
    fs::copy(&source.program, tree.join("ironpxe"))
        .with_context(|| format!("cannot copy {}", source.program.display()))?;
    fs::write(tree.join("ironpxe.toml"), configuration()?)?;
    fs::write(tree.join("third-party-licences.txt"), licences::collect()?)?;
    fs::write(tree.join("debian/changelog"), changelog(source)?)?;
    Ok(())
}

/// The changes are in `CHANGELOG.md`, which is in the package too; this gives its version and date.
fn changelog(source: &Source) -> Result<String> {
    let control = fs::read_to_string(shell::root().join("packaging/debian/control"))?;
    let maintainer = control
        .lines()
        .find_map(|line| line.strip_prefix("Maintainer: "))
        .context("packaging/debian/control has no maintainer")?;
    let date = OffsetDateTime::from_unix_timestamp(source.date)
        .context("not a date")?
        .format(&Rfc2822)?;
    Ok(format!(
        "ironpxe ({}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {maintainer}  {date}\n",
        source.version
    ))
}
