//! How a boot request identifies its machine.

use std::fmt;

use serde_json::Value;

use crate::JsonMap;
use crate::boot_token::mask_tokens;
use crate::error::{Fault, Result};
use crate::id::NodeUuid;
use crate::mac::MacAddress;

/// The machine that a boot request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BootIdent {
    /// By its node.
    Node(NodeUuid),
    /// By one of its ports.
    Address(MacAddress),
}

impl BootIdent {
    /// The argument of `ipxe_config` that identifies the machine by its node.
    pub const NODE_UUID: &str = "node_uuid";
    /// The argument of `ipxe_config` that identifies the machine by a port.
    pub const PORT_ADDRESS: &str = "port_address";
    /// A call has exactly one of them.
    const ARGUMENTS: [&str; 2] = [Self::NODE_UUID, Self::PORT_ADDRESS];

    /// Reads the arguments of `ipxe_config`: exactly one of them, and no others.
    ///
    /// Source: ironic-specs `ipxe-dynamic-config`.
    pub fn from_args(args: &JsonMap) -> Result<Self> {
        let unknown: Vec<&str> = args
            .keys()
            .map(String::as_str)
            .filter(|key| !Self::ARGUMENTS.contains(key))
            .collect();
        if !unknown.is_empty() {
            return Err(Fault::InvalidParameterValue(format!(
                "Unexpected arguments: {}. ipxe_config takes node_uuid or port_address.",
                unknown.join(", ")
            )));
        }
        let text = |key: &str| match args.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Fault::InvalidParameterValue(format!(
                "{key} must be a string."
            ))),
        };
        match (text("node_uuid")?, text("port_address")?) {
            (Some(uuid), None) => uuid
                .parse()
                .map(Self::Node)
                .map_err(|_| unusable("UUID", "node_uuid", uuid)),
            (None, Some(mac)) => Self::from_address("port_address", mac),
            (None, None) => Err(Fault::MissingParameterValue(
                "ipxe_config needs one of node_uuid and port_address.".to_owned(),
            )),
            (Some(_), Some(_)) => Err(Fault::InvalidParameterValue(
                "ipxe_config takes node_uuid or port_address, not both.".to_owned(),
            )),
        }
    }

    /// The machine with this MAC address, in any notation; `field` names the argument in errors.
    pub fn from_address(field: &str, mac: &str) -> Result<Self> {
        mac.parse()
            .map(Self::Address)
            .map_err(|_| unusable("valid MAC address", field, mac))
    }

    /// Whether firmware left the value out: iPXE expands an unset setting to nothing, and other
    /// clients leave `${...}` as it is.
    pub fn is_unset(text: &str) -> bool {
        text.is_empty() || text.contains("${")
    }

    /// The address in the file name that PXELINUX requests: `01-52-54-00-aa-00-01`, where `01` is
    /// the hardware type, or the bare address. `None` if it is not an address: PXELINUX also tries
    /// IP addresses and `default`.
    pub fn address_in_file_name(file: &str) -> Option<MacAddress> {
        let address = match file.strip_prefix("01-") {
            Some(rest) if rest.len() == "52-54-00-aa-00-01".len() => rest,
            _ => file,
        };
        address.parse().ok()
    }
}

impl fmt::Display for BootIdent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(uuid) => uuid.fmt(f),
            Self::Address(mac) => mac.fmt(f),
        }
    }
}

/// Describes a value that identifies no machine.
fn unusable(expected: &str, field: &str, value: &str) -> Fault {
    const INSTEAD: &str = "Chain to /boot.ipxe, which tries every NIC.";
    // A part of a URL may follow that was not recognized as such.
    let value = &*mask_tokens(value);
    Fault::InvalidParameterValue(if value.is_empty() {
        format!(
            "Expected {expected} for {field} but it is empty; is ${{net0/mac}} unset? {INSTEAD}"
        )
    } else if BootIdent::is_unset(value) {
        format!("Expected {expected} for {field} but iPXE did not expand {value}. {INSTEAD}")
    } else {
        format!("Expected {expected} for {field}: {value}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ident(args: &Value) -> Result<BootIdent> {
        BootIdent::from_args(args.as_object().unwrap())
    }

    #[test]
    fn machine_must_be_named_by_exactly_one_argument() {
        let uuid = "ee490fb7-d420-4b2f-8153-8a674b930740";
        assert_eq!(
            ident(&json!({"node_uuid": uuid.to_uppercase()})),
            Ok(BootIdent::Node(uuid.parse().unwrap()))
        );
        for mac in ["52:54:00:AA:00:01", "52-54-00-aa-00-01", "525400aa0001"] {
            assert_eq!(
                ident(&json!({"port_address": mac})),
                Ok(BootIdent::Address("52:54:00:aa:00:01".parse().unwrap()))
            );
        }
    }

    #[test]
    fn other_arguments_are_refused_and_named() {
        let refused = |args: Value| ident(&args).unwrap_err().to_string();
        assert!(refused(json!({})).contains("node_uuid and port_address"));
        assert!(refused(json!({"node_uuid": "x"})).contains("node_uuid: x"));
        assert!(refused(json!({"port_address": "zz"})).contains("port_address: zz"));
        assert!(refused(json!({"port_address": 7})).contains("port_address must be a string"));
        assert!(refused(json!({"node_uuid": "x", "port_address": "y"})).contains("not both"));
        assert!(refused(json!({"port_address": "525400aa0001", "mac": "x"})).contains("mac"));
    }

    #[test]
    fn unset_ipxe_setting_and_invalid_value_get_different_errors() {
        let refused = |args: Value| ident(&args).unwrap_err().to_string();
        for (key, value, said) in [
            (
                "port_address",
                "",
                "port_address but it is empty; is ${net0/mac} unset?",
            ),
            (
                "port_address",
                "${net0/mac}",
                "port_address but iPXE did not expand ${net0/mac}",
            ),
            ("node_uuid", "", "node_uuid but it is empty"),
            (
                "node_uuid",
                "${uuid}",
                "node_uuid but iPXE did not expand ${uuid}",
            ),
        ] {
            let message = refused(json!({ key: value }));
            assert!(message.contains(said), "{message}");
            assert!(
                message.contains("/boot.ipxe, which tries every NIC"),
                "{message}"
            );
        }
        assert_eq!(
            refused(json!({"port_address": "zz"})),
            "Expected valid MAC address for port_address: zz"
        );
    }

    #[test]
    fn mac_address_is_read_from_file_names_with_and_without_hardware_type() {
        let mac = "52:54:00:aa:00:01".parse().ok();
        for file in ["01-52-54-00-aa-00-01", "52-54-00-AA-00-01", "525400aa0001"] {
            assert_eq!(BootIdent::address_in_file_name(file), mac, "{file}");
        }
        for file in ["default", "C0A80101", "01-", "06-52-54-00-aa-00-01", ""] {
            assert_eq!(BootIdent::address_in_file_name(file), None, "{file}");
        }
    }
}
