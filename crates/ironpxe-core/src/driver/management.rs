//! Management interfaces: the boot device.

use serde_json::json;

use crate::boot_device::BootDevice;
use crate::node::Node;

/// Where `fake` and `noop` keep the boot device in `driver_internal_info`.
const REMEMBERED: &str = "fake_boot_device";

/// The boot devices that can be set on a node.
pub fn supported(_node: &Node) -> &'static [BootDevice] {
    &[
        BootDevice::Pxe,
        BootDevice::Disk,
        BootDevice::Cdrom,
        BootDevice::Bios,
        BootDevice::Safe,
    ]
}

/// The current boot device, and whether it is persistent.
pub fn get(node: &Node) -> (BootDevice, bool) {
    let remembered = node.driver_internal_info.get(REMEMBERED);
    let device = remembered
        .and_then(|it| it.get("device")?.as_str())
        .and_then(BootDevice::from_name)
        .unwrap_or(BootDevice::Pxe);
    let persistent = remembered
        .and_then(|it| it.get("persistent")?.as_bool())
        .unwrap_or(true);
    (device, persistent)
}

/// Sets the boot device.
pub fn set(node: &mut Node, device: BootDevice, persistent: bool) {
    let value = json!({"device": device.name(), "persistent": persistent});
    node.driver_internal_info
        .insert(REMEMBERED.to_owned(), value);
}
