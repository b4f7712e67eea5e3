//! PostgreSQL's programs for the tests, without a server that runs on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ironpxe_testkit::postgres;

use crate::{packages, shell};

/// What Debian's packages read before they create a server and start it.
const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

/// The folder with `initdb`, `postgres` and `psql`; their packages are installed if need be.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Ok(folder) = postgres::binaries() {
        return Ok(folder);
    }
    if shell::find_program("dpkg-query").is_some() {
        packages::ensure(&["postgresql-common"])?;
        without_server(Path::new(CREATE_CLUSTER), || {
            packages::ensure(&["postgresql"])
        })?;
    } else {
        packages::ensure(&["postgresql"])?;
    }
    postgres::binaries()
}

/// Does `install` while the packages are told to create no server. What the machine's owner has
/// said about it is put back.
fn without_server(settings: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = fs::read_to_string(settings)
        .with_context(|| format!("cannot read {}", settings.display()))?;
    let kept = before
        .lines()
        .filter(|line| !line.trim_start().starts_with("create_main_cluster"));
    let during: String = kept
        .chain(["create_main_cluster = false"])
        .flat_map(|line| [line, "\n"])
        .collect();
    let write = |text: &str| {
        fs::write(settings, text).with_context(|| format!("cannot write {}", settings.display()))
    };
    write(&during)?;
    let done = install();
    write(&before)?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_restored_after_any_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("createcluster.conf");
        let before = "#create_main_cluster = true\ncreate_main_cluster = true\nssl = on\n";
        fs::write(&settings, before).unwrap();
        let done = without_server(&settings, || {
            assert_eq!(
                fs::read_to_string(&settings)?,
                "#create_main_cluster = true\nssl = on\ncreate_main_cluster = false\n"
            );
            anyhow::bail!("no network")
        });
        assert!(done.is_err());
        assert_eq!(fs::read_to_string(&settings).unwrap(), before);
    }
}
