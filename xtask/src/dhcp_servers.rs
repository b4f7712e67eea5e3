//! Kea and ISC's DHCP server for the tests, without servers that run on this machine: unpacked, not
//! installed.

use std::path::Path;

use anyhow::{Result, ensure};
use ironpxe_testkit::lan;

use crate::packages;

/// What is unpacked together, and what must be there then.
const SERVERS: [(&[&str], &str); 2] = [
    (
        &[
            "kea-dhcp4-server",
            "kea-common",
            "liblog4cplus-2.0.5",
            "libmariadb3",
        ],
        "kea-dhcp4",
    ),
    (&["isc-dhcp-server"], "dhcpd"),
];

/// Makes sure that the servers are where the tests look for them. If one is unavailable, prints a
/// message.
pub(crate) fn ensure() -> Result<()> {
    let root = lan::servers_folder()?;
    for (packages, program) in SERVERS {
        if lan::find_server(program).is_ok() {
            continue;
        }
        let unpacked = packages::unpack_into(packages, &root).and_then(|()| found(&root, program));
        if let Err(error) = unpacked {
            println!("    !!! no {program}: the tests with it ARE SKIPPED\n{error:#}");
        }
    }
    Ok(())
}

fn found(root: &Path, program: &str) -> Result<()> {
    let path = root.join("usr/sbin").join(program);
    ensure!(path.is_file(), "the packages hold no {program}");
    Ok(())
}
