//! What a machine's firmware boots next.

/// A boot device, as Ironic names it (`common/boot_devices.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum BootDevice {
    /// Network.
    Pxe,
    /// Default disk.
    Disk,
    /// CD or DVD, real or virtual.
    Cdrom,
    /// Firmware set-up.
    Bios,
    /// Diagnostic partition.
    Safe,
    /// Wide-area network.
    Wanboot,
    /// An iSCSI volume booted by the firmware.
    IscsiBoot,
    /// A floppy image.
    Floppy,
    /// UEFI HTTP boot.
    UefiHttp,
}

impl BootDevice {
    /// Every device.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Ironic's name.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The device with this name in the API.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|device| device.name() == name)
    }
}
