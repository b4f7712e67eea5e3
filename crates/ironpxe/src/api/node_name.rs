//! Names of nodes.

use ironpxe_core::field::value::is_logical_name;
use ironpxe_core::id::NodeUuid;

use crate::api::call::Call;
use crate::api::error::{ApiError, Result};

/// Names with another meaning in a URL.
const RESERVED: [&str; 6] = [
    "maintenance",
    "management",
    "states",
    "vendor_passthru",
    "detail",
    "validate",
];

/// Whether the name is valid in the client's API version.
pub(in crate::api) fn is_valid(call: &Call, name: &str) -> bool {
    is_logical_name(name) && (call.has(10) || is_hostname(name))
}

/// Rejects an invalid name; `refused` begins the message.
pub(in crate::api) fn check(call: &Call, name: &str, refused: &str) -> Result<()> {
    call.not_acceptable_before(5)?;
    if !is_valid(call, name) || name.parse::<NodeUuid>().is_ok() {
        return Err(ApiError::invalid(format!("{refused} '{name}'")));
    }
    if RESERVED.contains(&name) {
        return Err(ApiError::invalid(format!(
            "The word \"{name}\" is reserved and can not be used as a node name. Reserved words \
             are: {}.",
            RESERVED.join(", ")
        )));
    }
    Ok(())
}

/// The names allowed before 1.10: labels of letters, digits and hyphens.
fn is_hostname(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut first = true;
    for label in name.split('.') {
        let alphanumeric = |byte: Option<&u8>| {
            byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let bytes = label.as_bytes();
        let inner = bytes.iter().all(|byte| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || *byte == b'-'
                || (!first && *byte == b'_')
        });
        let outer = alphanumeric(bytes.last()) && (!first || alphanumeric(bytes.first()));
        if bytes.len() > 63 || !inner || !outer {
            return false;
        }
        first = false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_old_clients_must_be_host_names() {
        for name in ["a", "node-1", "a.example.org", "a.b_c", "1.2."] {
            assert!(is_hostname(name), "{name}");
        }
        for name in ["", "-a", "a-", "a_b", "A", "a..b", &"a".repeat(64)] {
            assert!(!is_hostname(name), "{name}");
        }
    }
}
