//! Which iPXE a machine has, and how it comes into it.
//!
//! The *installed* one is the ROM that the system's QEMU puts into every virtual network card,
//! for either firmware; on Debian 12 it is of 2019. The *current* one is Debian's newest, which
//! `cargo xtask test` unpacks into `target/tools`:
//!
//! * with a BIOS it is a ROM of the card, like the installed one;
//! * with UEFI it is chain-loaded, as Debian's newer ROMs hold nothing but a driver: the firmware
//!   fetches a loader by TFTP, which finds the script `autoexec.ipxe` beside itself, and that
//!   chains to the boot file. (At a real site the DHCP server names the boot file once it is iPXE
//!   that asks; QEMU's cannot tell who asks.)

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Firmware;

/// Which iPXE a machine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ipxe {
    /// That of the system's QEMU.
    #[default]
    Installed,
    /// Debian's newest.
    Current,
    /// None: the firmware (UEFI) has to find one on the network by itself.
    Absent,
}

/// Everything that decides how a script is run: a row of the matrix that tests go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// What runs the script.
    pub ipxe: Ipxe,
    /// What runs iPXE.
    pub firmware: Firmware,
}

impl Platform {
    /// BIOS, and the system's iPXE.
    pub fn bios() -> Self {
        Self {
            ipxe: Ipxe::Installed,
            firmware: Firmware::Bios,
        }
    }

    /// UEFI, and the system's iPXE.
    pub fn uefi() -> Self {
        Self {
            ipxe: Ipxe::Installed,
            firmware: Firmware::Uefi,
        }
    }

    /// BIOS, and the current iPXE.
    pub fn bios_current() -> Self {
        Self {
            ipxe: Ipxe::Current,
            firmware: Firmware::Bios,
        }
    }

    /// UEFI, and the current iPXE.
    pub fn uefi_current() -> Self {
        Self {
            ipxe: Ipxe::Current,
            firmware: Firmware::Uefi,
        }
    }

    /// Whether it is UEFI that runs iPXE.
    pub fn is_uefi(self) -> bool {
        self.firmware == Firmware::Uefi
    }

    /// Runs a test on such a machine, or says that it is skipped as there can be none here.
    #[expect(clippy::print_stdout, reason = "it is the output of a test")]
    pub fn run(self, test: impl FnOnce(Self) -> Result<()>) -> Result<()> {
        if self.ipxe == Ipxe::Current && CurrentIpxe::find()?.is_none() {
            println!("skipped: no current iPXE here; `cargo xtask test` gets it");
            return Ok(());
        }
        test(self)
    }
}

/// Makes tests of one function, `fn(Platform) -> Result<()>`: one for each platform, with its name
/// (`bios`, `uefi`, `bios_current`, `uefi_current`), in a module with the function's.
#[macro_export]
macro_rules! on_platforms {
    ($name:ident: $($(#[$attribute:meta])* $platform:ident),+ $(,)?) => {
        mod $name {
            $(
                #[test]
                $(#[$attribute])*
                fn $platform() -> ::anyhow::Result<()> {
                    $crate::machine::Platform::$platform().run(super::$name)
                }
            )+
        }
    };
}

/// The files of the current iPXE.
#[derive(Clone, Debug)]
pub struct CurrentIpxe {
    /// Debian's version, as in `iPXE 2.0.0+dfsg-5` on the console.
    pub version: String,
    folder: PathBuf,
}

impl CurrentIpxe {
    /// In the folder: the version, written when the rest is complete.
    pub const VERSION: &str = "version";
    /// In the folder: the ROM of a virtio card, for a BIOS.
    pub const BIOS_ROM: &str = "pxe-virtio.rom";
    /// In the folder: the loader that drives the card it was loaded from, through UEFI.
    pub const EFI_ONE_CARD: &str = "snponly.efi";
    /// In the folder: the loader with native drivers.
    pub const EFI_ALL_CARDS: &str = "ipxe.efi";

    /// Where the files are, if they are.
    pub fn folder() -> Result<PathBuf> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        let workspace = workspace.context("the crate is not in a workspace")?;
        Ok(workspace.join("target/tools/ipxe-current"))
    }

    /// The current iPXE, if `cargo xtask test` could get it.
    pub fn find() -> Result<Option<Self>> {
        let folder = Self::folder()?;
        let version = fs::read_to_string(folder.join(Self::VERSION)).ok();
        Ok(version.map(|version| Self { version, folder }))
    }

    /// The ROM for a BIOS.
    pub(super) fn rom(&self) -> PathBuf {
        self.folder.join(Self::BIOS_ROM)
    }

    /// What UEFI finds by TFTP: in `folder`, the loader for this many cards and a script that goes
    /// on to `bootfile`. Returns the loader's name.
    pub(super) fn serve(
        &self,
        cards: usize,
        bootfile: &str,
        folder: &Path,
    ) -> Result<&'static str> {
        let loader = match cards {
            1 => Self::EFI_ONE_CARD,
            _ => Self::EFI_ALL_CARDS,
        };
        fs::create_dir(folder).context("cannot create a folder for TFTP")?;
        fs::copy(self.folder.join(loader), folder.join(loader))
            .with_context(|| format!("no {loader} in {}", self.folder.display()))?;
        // From 2.0 on the card is open already.
        let script = format!("#!ipxe\nifopen net0 ||\nchain {bootfile}\n");
        fs::write(folder.join("autoexec.ipxe"), script).context("cannot write a script")?;
        Ok(loader)
    }
}
