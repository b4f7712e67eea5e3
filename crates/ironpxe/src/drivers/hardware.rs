//! The hardware types.
//!
//! Source: Ironic's `drivers/fake_hardware.py` and `drivers/generic.py`, and recorded responses to
//! `GET /v1/drivers/<driver>`.

use ironpxe_core::interface::InterfaceKind;

/// A hardware type and its interfaces.
#[derive(Debug)]
pub(crate) struct HardwareType {
    /// Its name: the `driver` of a node.
    pub name: &'static str,
    /// Its `driver_info` fields with descriptions.
    pub properties: &'static [(&'static str, &'static str)],
    supported: fn(InterfaceKind) -> &'static [&'static str],
}

impl HardwareType {
    /// Every hardware type of this release.
    pub(crate) const ALL: [Self; 2] = [FAKE_HARDWARE, MANUAL_MANAGEMENT];

    /// The hardware type called `name`.
    pub(crate) fn from_name(name: &str) -> Option<&'static Self> {
        const ALL: &[HardwareType] = &HardwareType::ALL;
        ALL.iter().find(|hardware| hardware.name == name)
    }

    /// The supported implementations of `kind`, the default first.
    pub(crate) fn supported(&self, kind: InterfaceKind) -> &'static [&'static str] {
        (self.supported)(kind)
    }
}

/// The `driver_info` fields of all hardware types that boot over the network.
const RAMDISK_PROPERTIES: &[(&str, &str)] = &[
    (
        "deploy_kernel",
        "URL of the kernel of the deployment ramdisk.",
    ),
    (
        "deploy_ramdisk",
        "URL of the ramdisk that deploys, cleans, inspects and services.",
    ),
    (
        "ipxe_local_boot",
        "How a deployed machine gets to its disk: sanboot, exit, reboot or poweroff.",
    ),
    (
        "kernel_append_params",
        "Kernel arguments; %default% stands for the configured ones.",
    ),
    ("rescue_kernel", "URL of the kernel of the rescue ramdisk."),
    ("rescue_ramdisk", "URL of the ramdisk of rescue mode."),
];

/// For tests and experiments: every operation succeeds without any effect, unless an interface
/// other than `fake` is set. As in Ironic, `fake` is the default: to boot machines, set
/// `boot_interface` and `deploy_interface`.
const FAKE_HARDWARE: HardwareType = HardwareType {
    name: "fake-hardware",
    properties: RAMDISK_PROPERTIES,
    supported: |kind| match kind {
        InterfaceKind::Bios => &["fake", "no-bios"],
        InterfaceKind::Boot => &["fake", "ipxe", "http-ipxe"],
        InterfaceKind::Console => &["fake", "no-console"],
        InterfaceKind::Deploy => &["fake", "direct", "custom-agent", "ramdisk", "anaconda"],
        InterfaceKind::Firmware => &["fake", "no-firmware"],
        InterfaceKind::Inspect => &["fake", "agent", "no-inspect"],
        InterfaceKind::Management | InterfaceKind::Power => &["fake"],
        InterfaceKind::Network => &["noop"],
        InterfaceKind::Raid => &["fake", "no-raid"],
        InterfaceKind::Rescue => &["fake", "agent", "no-rescue"],
        InterfaceKind::Storage => &["fake", "noop", "external"],
        InterfaceKind::Vendor => &["fake", "no-vendor"],
    },
};

/// For machines whose power and boot order are managed by other means.
const MANUAL_MANAGEMENT: HardwareType = HardwareType {
    name: "manual-management",
    properties: RAMDISK_PROPERTIES,
    supported: |kind| match kind {
        InterfaceKind::Bios => &["no-bios"],
        InterfaceKind::Boot => &["ipxe", "http-ipxe"],
        InterfaceKind::Console => &["no-console"],
        InterfaceKind::Deploy => &["direct", "custom-agent", "noop", "ramdisk", "anaconda"],
        InterfaceKind::Firmware => &["no-firmware"],
        InterfaceKind::Inspect => &["agent", "no-inspect"],
        InterfaceKind::Management => &["noop", "fake"],
        InterfaceKind::Network => &["noop"],
        InterfaceKind::Power => &["fake"],
        InterfaceKind::Raid => &["no-raid"],
        InterfaceKind::Rescue => &["agent", "no-rescue"],
        InterfaceKind::Storage => &["noop", "external"],
        InterfaceKind::Vendor => &["no-vendor"],
    },
};

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use ironpxe_testkit::docs::Page;

    use super::*;

    #[test]
    fn docs_list_every_interface_of_every_hardware_type() -> anyhow::Result<()> {
        let mut table = String::from("| interface |");
        for hardware in &HardwareType::ALL {
            write!(table, " `{}` |", hardware.name).unwrap();
        }
        writeln!(table, "\n|---|{}", "---|".repeat(HardwareType::ALL.len())).unwrap();
        for &kind in InterfaceKind::ALL {
            write!(table, "| {} |", kind.name()).unwrap();
            for hardware in &HardwareType::ALL {
                write!(table, " `{}` |", hardware.supported(kind).join("`, `")).unwrap();
            }
            table.push('\n');
        }
        Page::open("compatibility.md")?
            .section("interfaces", &table)?
            .check()
    }
}
