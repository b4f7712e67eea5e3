//! Capabilities: how a node or an instance can and shall be booted.
//!
//! The node's are in `properties.capabilities` as `key:value,key:value`, the instance's in
//! `instance_info.capabilities` as an object, or as its JSON text. Both fields accept all forms.
//!
//! Source: Ironic's `deploy_utils.validate_capabilities`, `boot_mode_utils.get_boot_mode_for_deploy`
//! and `common/utils.py` (`parse_instance_info_capabilities`).

use serde_json::Value;

use super::fields::Fields;
use super::refusal::Refusal;
use super::settings::BootOption;
use super::text;
use crate::node::Node;

/// The capabilities with a fixed set of values. `ramdisk` and `kickstart` are the boot options that
/// Ironic derives from the deploy interface.
const KNOWN: [(&str, &[&str]); 4] = [
    ("boot_mode", &["bios", "uefi"]),
    ("secure_boot", &["true", "false"]),
    ("boot_option", &["local", "netboot", "ramdisk", "kickstart"]),
    ("disk_label", &["msdos", "gpt"]),
];

const OF_INSTANCE: &str = "instance_info.capabilities";
const OF_NODE: &str = "properties.capabilities";

/// Rejects capabilities of a node and its instance that have an invalid value, and boot modes that
/// contradict each other.
pub fn check_capabilities(node: &Node) -> Result<(), Refusal> {
    for (key, values) in KNOWN {
        for (field, value) in [
            (OF_NODE, of_node(node, key)?),
            (OF_INSTANCE, of_instance(node, key)?),
        ] {
            match value {
                Some(value) if !values.contains(&value.as_str()) => {
                    let value = text::abridged(&value, 40);
                    return Err(bad(
                        field,
                        format!("{key} {value:?} is not one of {}", values.join(", ")),
                    ));
                }
                Some(_) | None => {}
            }
        }
    }
    check_boot_mode(node)
}

/// The requested boot mode must be the node's.
fn check_boot_mode(node: &Node) -> Result<(), Refusal> {
    const KEY: &str = "boot_mode";
    // Secure boot implies UEFI.
    if of_instance(node, "secure_boot")?.as_deref() == Some("true") {
        return Ok(());
    }
    let Some(own) = of_node(node, KEY)? else {
        return Ok(());
    };
    let (field, asked) = if let Some(mode) = of_instance(node, KEY)? {
        (OF_INSTANCE, mode)
    } else {
        let old = Fields::instance_info(node).string_if_any("deploy_boot_mode")?;
        let old = old.unwrap_or_default().to_owned();
        ("instance_info.deploy_boot_mode", old)
    };
    if asked.is_empty() || own.eq_ignore_ascii_case(&asked) {
        return Ok(());
    }
    Err(bad(
        field,
        format!(
            "boot_mode {:?} contradicts {own:?} in {OF_NODE}",
            text::abridged(&asked, 40)
        ),
    ))
}

/// The boot option of a partition image, and the field it comes from: the instance's capability,
/// else the node's.
pub(super) fn boot_option(node: &Node) -> Result<Option<(&'static str, BootOption)>, Refusal> {
    const KEY: &str = "boot_option";
    let (field, word) = match (of_instance(node, KEY)?, of_node(node, KEY)?) {
        (Some(word), _) => (OF_INSTANCE, word),
        (None, Some(word)) => (OF_NODE, word),
        (None, None) => return Ok(None),
    };
    let option = match word.as_str() {
        // The boot options that Ironic derives from the deploy interface do not mean netboot.
        "ramdisk" | "kickstart" => BootOption::Local,
        word => BootOption::from_name(word).ok_or_else(|| {
            let word = text::abridged(word, 40);
            bad(
                field,
                format!("boot_option {word:?} is neither local nor netboot"),
            )
        })?,
    };
    Ok(Some((field, option)))
}

/// A capability that is requested for the instance.
pub(crate) fn of_instance(node: &Node, key: &str) -> Result<Option<String>, Refusal> {
    let capabilities = Fields::instance_info(node).get("capabilities")?;
    capability(capabilities, OF_INSTANCE, key)
}

/// A capability of the node.
pub(crate) fn of_node(node: &Node, key: &str) -> Result<Option<String>, Refusal> {
    let capabilities = Fields::properties(node).get("capabilities")?;
    capability(capabilities, OF_NODE, key)
}

/// Reads one capability from any form. An empty one counts as absent, as in Ironic.
fn capability(
    capabilities: Option<&Value>,
    field: &str,
    key: &str,
) -> Result<Option<String>, Refusal> {
    let value = match capabilities {
        None | Some(Value::Null) => None,
        Some(Value::Object(map)) => map.get(key).cloned(),
        Some(Value::String(text)) if text.trim_start().starts_with('{') => {
            match serde_json::from_str(text) {
                Ok(Value::Object(map)) => map.get(key).cloned(),
                Ok(_) | Err(_) => return Err(bad(field, "not valid JSON".to_owned())),
            }
        }
        Some(Value::String(text)) => text
            .split(',')
            .filter_map(|pair| pair.split_once(':'))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| Value::from(value.trim())),
        Some(_) => {
            let forms = "must be an object, or text like key:value,key:value";
            return Err(bad(field, forms.to_owned()));
        }
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(bad(field, format!("{key} must be a string"))),
    }
}

fn bad(field: &str, problem: String) -> Refusal {
    Refusal::BadValue {
        field: field.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::JsonMap;
    use crate::boot::tests::{map, node};
    use crate::provision_state::ProvisionState;

    #[test]
    fn capability_is_read_from_text_object_and_json_text() {
        let read = |value: Value| capability(Some(&value), "f", "boot_mode").unwrap();
        for value in [
            json!("boot_mode:uefi"),
            json!("a:b, boot_mode : uefi ,c"),
            json!({"boot_mode": "uefi"}),
            json!("{\"boot_mode\": \"uefi\"}"),
        ] {
            assert_eq!(read(value.clone()).as_deref(), Some("uefi"), "{value}");
        }
        for value in [
            json!(null),
            json!(""),
            json!("boot_mode"),
            json!("boot_mode:"),
            json!({}),
            json!({"boot_mode": null}),
            json!({"boot_mode": ""}),
            json!("{}"),
        ] {
            assert_eq!(read(value.clone()), None, "{value}");
        }
        for value in [
            json!([]),
            json!(7),
            json!("{"),
            json!({"boot_mode": true}),
            json!("{\"boot_mode\": 1}"),
        ] {
            let refused = capability(Some(&value), "f", "boot_mode");
            assert!(matches!(refused, Err(Refusal::BadValue { .. })), "{value}");
        }
    }

    fn said(properties: &str, instance_info: Value) -> String {
        let mut node = node(ProvisionState::Available, "direct");
        node.properties = JsonMap::from_iter([("capabilities".to_owned(), json!(properties))]);
        node.instance_info = map(instance_info);
        check_capabilities(&node).map_or_else(|refusal| refusal.to_string(), |()| String::new())
    }

    #[test]
    fn unsupported_capability_value_is_refused_with_its_field() {
        assert_eq!(
            said(
                "boot_mode:uefi,gpu:7,secure_boot:false,disk_label:gpt",
                json!({})
            ),
            ""
        );
        for (capability, values) in [
            (
                "boot_mode:legacy",
                "boot_mode \"legacy\" is not one of bios, uefi",
            ),
            (
                "secure_boot:yes",
                "secure_boot \"yes\" is not one of true, false",
            ),
            (
                "boot_option:sideways",
                "is not one of local, netboot, ramdisk, kickstart",
            ),
            (
                "disk_label:mac",
                "disk_label \"mac\" is not one of msdos, gpt",
            ),
        ] {
            let of_node = said(capability, json!({}));
            assert!(
                of_node.starts_with("properties.capabilities: "),
                "{of_node}"
            );
            assert!(of_node.ends_with(values), "{of_node}");
            let of_instance = said("", json!({"capabilities": capability}));
            assert!(
                of_instance.starts_with("instance_info.capabilities: "),
                "{of_instance}"
            );
        }
    }

    #[test]
    fn requested_boot_mode_must_match_the_node() {
        let asked = |mode: &str| json!({"capabilities": {"boot_mode": mode}});
        assert_eq!(said("boot_mode:uefi", asked("uefi")), "");
        assert_eq!(said("", asked("bios")), "");
        assert_eq!(
            said("boot_mode:uefi", asked("bios")),
            "instance_info.capabilities: boot_mode \"bios\" contradicts \"uefi\" in \
             properties.capabilities"
        );
        let old = said("boot_mode:uefi", json!({"deploy_boot_mode": "bios"}));
        assert!(old.starts_with("instance_info.deploy_boot_mode: "), "{old}");
        let secure = json!({"capabilities": {"secure_boot": "true", "boot_mode": "uefi"}});
        assert_eq!(said("boot_mode:bios", secure), "");
    }
}
