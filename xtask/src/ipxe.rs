//! The current iPXE for the machines of the tests, beside the one that the system has.
//!
//! A virtual machine boots from the iPXE that its system's packages bring, on Debian 12 of 2019.
//! The newest one comes from the packages of a newer release: unpacked, never installed, and kept
//! in `target` until it is deleted. The tests that need it say that they are skipped when
//! it is not there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use ironpxe_testkit::machine::CurrentIpxe;

use crate::{packages, shell};

/// Each file of [`CurrentIpxe`], and where releases have it.
const FILES: [(&str, &[&str]); 3] = [
    (
        CurrentIpxe::BIOS_ROM,
        &[
            "usr/share/qemu/pxe-virtio.rom",
            "usr/lib/ipxe/qemu/pxe-virtio.rom",
        ],
    ),
    (CurrentIpxe::EFI_ONE_CARD, &["usr/lib/ipxe/snponly.efi"]),
    (
        CurrentIpxe::EFI_ALL_CARDS,
        &["usr/lib/ipxe/ipxe-amd64.efi", "usr/lib/ipxe/ipxe.efi"],
    ),
];

/// Makes sure that the current iPXE is where the tests look for it. If it is unavailable, prints a
/// message that names the tests that are skipped.
pub(crate) fn ensure() -> Result<()> {
    let _turn = shell::lock("packages")?;
    let folder = CurrentIpxe::folder()?;
    if CurrentIpxe::find()?.is_none() {
        let taken = packages::unpack_newer(&["ipxe-qemu", "ipxe"], |contents, version| {
            take(contents, version, &folder)
        });
        if let Err(error) = taken {
            println!(
                "    !!! no current iPXE: the tests with it ARE SKIPPED, only the installed one \
                 is tested\n{error:#}"
            );
            return Ok(());
        }
    }
    let found = CurrentIpxe::find()?.context("the current iPXE is not where it was put")?;
    println!("    iPXE {}", found.version);
    Ok(())
}

/// The version is written last: a folder without one is not finished.
fn take(contents: &Path, version: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, places) in FILES {
        let found: PathBuf = places
            .iter()
            .map(|place| contents.join(place))
            .find(|path| path.is_file())
            .with_context(|| format!("iPXE {version} has none of {places:?}"))?;
        fs::copy(&found, folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    fs::write(folder.join(CurrentIpxe::VERSION), version).context("cannot write the version")
}
