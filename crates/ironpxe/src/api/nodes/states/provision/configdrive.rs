//! Validation of config drives.
//!
//! Source: Ironic's `check_allow_configdrive`.

use ironpxe_core::field::repr::repr;
use ironpxe_core::provision::{Argument, Verb};
use serde_json::{Map, Value};

use crate::api::call::Call;
use crate::api::error::{ApiError, Result};

/// Checks that the verb and the client's API version accept a config drive.
pub(super) fn is_taken(call: &Call, verb: Verb) -> Result<()> {
    let takes = verb.takes(Argument::ConfigDrive);
    if takes.is_some_and(|since| call.has(since)) {
        return Ok(());
    }
    let allowed = Argument::ConfigDrive.taken_by(call.version.minor());
    Err(ApiError::invalid(format!(
        "Adding a config drive is only supported when setting provision state to {}",
        allowed.join(", ")
    )))
}

/// Checks the format of the config drive, and that the client's API version accepts it.
pub(super) fn check(call: &Call, drive: &Value) -> Result<()> {
    match drive {
        Value::Object(parts) => built(call, parts),
        Value::String(text) => given(text),
        other => Err(invalid(&format!(
            "{} is not of type 'object', 'string'",
            repr(other)
        ))),
    }
}

/// A config drive to be built from its parts.
fn built(call: &Call, parts: &Map<String, Value>) -> Result<()> {
    for (name, part) in parts {
        let fits = match name.as_str() {
            "meta_data" | "network_data" | "vendor_data" => part.is_object(),
            "user_data" => !part.is_number() && !part.is_boolean(),
            _ => {
                return Err(invalid(&format!(
                    "Additional properties are not allowed ('{name}' was unexpected)"
                )));
            }
        };
        if !fits {
            return Err(invalid(&format!(
                "{name}: {} is not of an allowed type",
                repr(part)
            )));
        }
    }
    if !call.has(56) {
        return Err(ApiError::invalid(
            "Providing a JSON object for configdrive is only supported starting with API version \
             1.56",
        ));
    }
    if parts.contains_key("vendor_data") && !call.has(59) {
        return Err(ApiError::invalid(
            "Providing vendor_data in configdrive is only supported starting with API version 1.59",
        ));
    }
    Ok(())
}

/// A finished config drive: a URL, or base64.
fn given(text: &str) -> Result<()> {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\n\r\t ".contains(&byte);
    if text.contains("://") || text.bytes().all(base64) {
        return Ok(());
    }
    Err(invalid(
        "it is neither a JSON, nor a URL, nor a base64 string",
    ))
}

fn invalid(problem: &str) -> ApiError {
    ApiError::invalid(format!("Invalid configdrive format: {problem}"))
}
