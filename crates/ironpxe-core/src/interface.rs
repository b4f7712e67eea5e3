//! The driver interfaces a node is composed of.

use serde::{Deserialize, Serialize};

/// The kinds of driver interface, in the order Ironic lists them.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum InterfaceKind {
    /// BIOS settings.
    Bios,
    /// How the machine boots.
    Boot,
    /// Serial or graphical console.
    Console,
    /// How an image is deployed to the machine: `direct`, `ramdisk`, …
    Deploy,
    /// Firmware updates.
    Firmware,
    /// Hardware inspection.
    Inspect,
    /// Boot device, boot mode, sensors.
    Management,
    /// How the machine's network ports are configured.
    Network,
    /// Power control.
    Power,
    /// RAID.
    Raid,
    /// Rescue mode.
    Rescue,
    /// Remote volumes.
    Storage,
    /// Vendor passthru.
    Vendor,
}

impl InterfaceKind {
    /// Every kind, in alphabetical order.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The `<name>` in `<name>_interface`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The node's field, for example `deploy_interface`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Bios => "bios_interface",
            Self::Boot => "boot_interface",
            Self::Console => "console_interface",
            Self::Deploy => "deploy_interface",
            Self::Firmware => "firmware_interface",
            Self::Inspect => "inspect_interface",
            Self::Management => "management_interface",
            Self::Network => "network_interface",
            Self::Power => "power_interface",
            Self::Raid => "raid_interface",
            Self::Rescue => "rescue_interface",
            Self::Storage => "storage_interface",
            Self::Vendor => "vendor_interface",
        }
    }
}

/// Which implementation a node uses for each kind of interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Interfaces(std::collections::BTreeMap<InterfaceKind, String>);

impl Interfaces {
    /// The implementation of `kind`; empty when none was set.
    pub fn get(&self, kind: InterfaceKind) -> &str {
        self.0.get(&kind).map_or("", String::as_str)
    }

    /// Sets the implementation of `kind`.
    pub fn set(&mut self, kind: InterfaceKind, implementation: impl Into<String>) {
        self.0.insert(kind, implementation.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_name_field_and_stored_form_agree() {
        for &kind in InterfaceKind::ALL {
            assert_eq!(kind.field(), format!("{}_interface", kind.name()));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
