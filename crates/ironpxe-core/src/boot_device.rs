//! What a machine's firmware boots next.

/// A boot device, as Ironic names it (`common/boot_devices.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub const ALL: [Self; 9] = [
        Self::Pxe,
        Self::Disk,
        Self::Cdrom,
        Self::Bios,
        Self::Safe,
        Self::Wanboot,
        Self::IscsiBoot,
        Self::Floppy,
        Self::UefiHttp,
    ];

    /// Ironic's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pxe => "pxe",
            Self::Disk => "disk",
            Self::Cdrom => "cdrom",
            Self::Bios => "bios",
            Self::Safe => "safe",
            Self::Wanboot => "wanboot",
            Self::IscsiBoot => "iscsiboot",
            Self::Floppy => "floppy",
            Self::UefiHttp => "uefihttp",
        }
    }

    /// The device with this name in the API.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|device| device.name() == name)
    }
}
