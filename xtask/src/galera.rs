//! Galera for the long tests: its library, and what copies the files of a node to another. Unpacked, not
//! installed: the package of the latter would start a server.

use anyhow::{Result, ensure};
use ironpxe_testkit::galera;

use crate::packages;

const PACKAGES: [&str; 4] = ["galera-4", "mariadb-server", "rsync", "libpopt0"];

/// Makes sure that it is where the tests look for it.
pub(crate) fn ensure() -> Result<()> {
    let folder = galera::folder()?;
    if galera::is_unpacked(&folder) {
        return Ok(());
    }
    packages::unpack_into(&PACKAGES, &folder)?;
    ensure!(galera::is_unpacked(&folder), "the packages lack something");
    Ok(())
}
