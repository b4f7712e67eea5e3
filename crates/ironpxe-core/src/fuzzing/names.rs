//! Parsers of MAC addresses, UUIDs and the arguments that identify a machine.

use serde_json::Value;

use crate::JsonMap;
use crate::boot_ident::BootIdent;
use crate::id::NodeUuid;
use crate::mac::MacAddress;

/// An accepted address or UUID is printed canonically, and parsed as the same value.
pub(super) fn mac_uuid(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(mac) = text.parse::<MacAddress>() {
        assert!(matches!(text.len(), 12 | 17), "{text:?}");
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert_eq!(mac.to_string().replace(':', "-").parse(), Ok(mac));
        assert_eq!(digits(&text), digits(&mac.to_string()), "{text:?}");
        assert_eq!(BootIdent::address_in_file_name(&text), Some(mac));
    }
    if let Ok(mac) = MacAddress::parse_colons(&text) {
        assert_eq!(text.to_ascii_lowercase(), mac.to_string());
    }
    if let Ok(uuid) = text.parse::<NodeUuid>() {
        assert_eq!(text.to_ascii_lowercase(), uuid.to_string());
    }
    if let Some(mac) = BootIdent::address_in_file_name(&text) {
        let name = mac.to_string().replace(':', "-");
        assert_eq!(BootIdent::address_in_file_name(&name), Some(mac));
        assert_eq!(
            BootIdent::address_in_file_name(&format!("01-{name}")),
            Some(mac)
        );
    }
}

fn digits(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_hexdigit)
        .map(|digit| digit.to_ascii_lowercase())
        .collect()
}

/// The arguments of `ipxe_config`, as a query or as a JSON body: one machine, or an error that
/// names an argument.
pub(super) fn boot_ident(data: &[u8]) {
    let args = match serde_json::from_slice::<Value>(data) {
        Ok(Value::Object(args)) => args,
        _ => query(&String::from_utf8_lossy(data)),
    };
    match BootIdent::from_args(&args) {
        Ok(ident) => {
            assert_eq!(args.len(), 1, "{args:?}");
            let printed = match ident {
                BootIdent::Node(uuid) => ("node_uuid".to_owned(), Value::from(uuid.to_string())),
                BootIdent::Address(mac) => {
                    ("port_address".to_owned(), Value::from(mac.to_string()))
                }
            };
            let again = JsonMap::from_iter([printed]);
            assert_eq!(BootIdent::from_args(&again), Ok(ident));
        }
        Err(fault) => {
            let said = fault.to_string();
            assert!(
                said.contains("node_uuid") || said.contains("port_address"),
                "{said}"
            );
        }
    }
}

/// A query, in which a repeated name becomes a list.
fn query(text: &str) -> JsonMap {
    let mut args = JsonMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = match args.get(name) {
            Some(before) => Value::Array(vec![before.clone(), value.into()]),
            None => value.into(),
        };
        args.insert(name.to_owned(), value);
    }
    args
}
