//! Masks secrets of nodes and volumes in the API: passwords, tokens, and images that are secret
//! themselves.
//!
//! The rules are in [`ironpxe_core::mask`]. Source: Ironic's `node_sanitize`.

use ironpxe_core::JsonMap;
use ironpxe_core::field::Mask;
use ironpxe_core::mask::{STARS, holds_mask, is_secret, mask_text};
use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use crate::api::error::{ApiError, Result};

/// The value of a field with its secrets masked.
pub(in crate::api) fn mask_field(secrets: Mask, value: Value) -> Value {
    match (secrets, value) {
        (Mask::Secrets, Value::Object(fields)) => Value::Object(mask(&fields)),
        (Mask::InstanceInfo, Value::Object(fields)) => Value::Object(mask_instance_info(&fields)),
        (_, value) => value,
    }
}

/// A free-form field with its secrets masked.
pub(in crate::api) fn mask(fields: &JsonMap) -> JsonMap {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), mask_value(name, value)))
        .collect()
}

/// `instance_info` with its secrets masked: passwords, and signed image URLs.
pub(in crate::api) fn mask_instance_info(fields: &JsonMap) -> JsonMap {
    let mut masked = mask(fields);
    for name in ["configdrive", "image_url"] {
        if let Some(value) = masked.get_mut(name).filter(|value| !is_nothing(value)) {
            *value = STARS.into();
        }
    }
    masked
}

/// Rejects a value in which a client sends back the mask, because storing it would lose the secret.
/// (Ironic stores it.) `field` is the path of the value, with dots.
pub(in crate::api) fn refuse_mask(field: &str, value: &Value) -> Result<()> {
    match masked_place(field, value) {
        Some(place) => Err(ApiError::invalid(format!(
            "{place}: the value is the mask shown instead of the secret; leave the field out"
        ))),
        None => Ok(()),
    }
}

/// As [`refuse_mask`], for the values that a patch writes below `fields`.
pub(in crate::api) fn refuse_mask_in(patch: &Patch, fields: &[&str]) -> Result<()> {
    for operation in &patch.0 {
        let value = match operation {
            PatchOperation::Add(add) => &add.value,
            PatchOperation::Replace(replace) => &replace.value,
            _ => continue,
        };
        let tokens: Vec<String> = operation
            .path()
            .tokens()
            .map(|token| token.decoded().into_owned())
            .collect();
        if tokens
            .first()
            .is_some_and(|field| fields.contains(&field.as_str()))
        {
            refuse_mask(&tokens.join("."), value)?;
        }
    }
    Ok(())
}

/// The first path at or below `place` where a secret is the mask.
fn masked_place(place: &str, value: &Value) -> Option<String> {
    let here = || Some(place.to_owned());
    match value {
        Value::Object(fields) => fields
            .iter()
            .find_map(|(name, value)| masked_place(&format!("{place}.{name}"), value)),
        Value::Array(items) => items.iter().find_map(|item| masked_place(place, item)),
        Value::String(text) if text == STARS && is_masked(place) => here(),
        Value::String(text) if holds_mask(text) => here(),
        _ => None,
    }
}

fn is_masked(place: &str) -> bool {
    place == "instance_info.image_url" || place.split('.').skip(1).any(is_secret)
}

fn mask_value(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(mask(fields)),
        Value::Array(items) if !is_secret(name) => {
            items.iter().map(|item| mask_value(name, item)).collect()
        }
        _ if is_secret(name) => STARS.into(),
        Value::String(text) => mask_text(text).into_owned().into(),
        other => other.clone(),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn masked(value: Value) -> Value {
        let Value::Object(fields) = value else {
            panic!()
        };
        Value::Object(mask(&fields))
    }

    #[test]
    fn secrets_are_masked_at_any_depth() {
        assert_eq!(
            masked(json!({
                "ipmi_password": "p", "ipmi_username": "u", "agent_secret_token": "t",
                "REDFISH_Password": null, "nested": {"auth_password": ["a"], "list": [{"token": 1}]},
                "kernel_append_params": "quiet ipa-password=x y=z", "snmp_auth_key": "k", "n": 1,
                "note": "{\"password\": \"x\"}", "flags": ["--password x", "--verbose"],
                "deploy_kernel": "http://user:x@h/k",
            })),
            json!({
                "ipmi_password": "******", "ipmi_username": "u", "agent_secret_token": "******",
                "REDFISH_Password": "******",
                "nested": {"auth_password": "******", "list": [{"token": "******"}]},
                "kernel_append_params": "quiet ipa-password=****** y=z",
                "snmp_auth_key": "******", "n": 1,
                "note": "{\"password\": \"******\"}", "flags": ["--password ******", "--verbose"],
                "deploy_kernel": "http://******@h/k",
            })
        );
    }

    /// What is shown cannot be written back, but for what is shown as it is.
    #[test]
    fn mask_in_a_written_value_is_found_and_its_field_named() {
        let place = |field: &str, value: Value| masked_place(field, &value).unwrap_or_default();
        for (field, value, found) in [
            (
                "driver_info",
                json!({"a": 1, "redfish_password": "******"}),
                "driver_info.redfish_password",
            ),
            (
                "driver_info.redfish_password",
                json!("******"),
                "driver_info.redfish_password",
            ),
            (
                "driver_info",
                json!({"a": {"token": ["******"]}}),
                "driver_info.a.token",
            ),
            (
                "driver_info.a.password.0",
                json!("******"),
                "driver_info.a.password.0",
            ),
            (
                "driver_info",
                json!({"kernel_append_params": "x ipa-password=****** y"}),
                "driver_info.kernel_append_params",
            ),
            (
                "driver_info",
                json!({"deploy_kernel": "http://******@h/k"}),
                "driver_info.deploy_kernel",
            ),
            (
                "driver_info",
                json!({"note": "{\"password\": \"******\"}"}),
                "driver_info.note",
            ),
            (
                "instance_info",
                json!({"image_url": "******"}),
                "instance_info.image_url",
            ),
            (
                "instance_info",
                json!({"configdrive": "******"}),
                "instance_info.configdrive",
            ),
            (
                "properties",
                json!({"auth_password": "******"}),
                "properties.auth_password",
            ),
            (
                "driver_info",
                json!({"redfish_password": "*****", "note": "******"}),
                "",
            ),
            (
                "driver_info",
                json!({"kernel_append_params": "x=******"}),
                "",
            ),
            ("instance_info", json!({"image_source": "******"}), ""),
        ] {
            assert_eq!(place(field, value.clone()), found, "{field} {value}");
        }
    }

    #[test]
    fn image_url_and_config_drive_of_an_instance_are_masked() {
        let Value::Object(info) = json!({
            "image_url": "http://swift/x?temp_url_sig=1", "configdrive": {"meta_data": {}},
            "rescue_password": "p", "image_source": "http://h/i",
        }) else {
            panic!()
        };
        assert_eq!(
            Value::Object(mask_instance_info(&info)),
            json!({
                "image_url": "******", "configdrive": "******", "rescue_password": "******",
                "image_source": "http://h/i",
            })
        );
    }
}
