//! Parses JSON-Patch requests.

use ironpxe_core::error::Fault;
use ironpxe_core::field::repr::{repr, repr_str};
use ironpxe_core::field::value::schema_error;
use json_patch::{Patch, PatchOperation};
use serde_json::{Map, Value};

use crate::api::call::Call;
use crate::api::error::{ApiError, Result};

/// The maximum number of operations in a patch.
const MAX_OPERATIONS: usize = 1000;

/// Ironic's pattern for paths. Since 1.98, names may contain any character.
const PATH: &str = r"^(/[\w-]+)+$";

/// Parses the patch in a body.
pub(super) fn read(call: &Call, body: Option<Value>) -> Result<Patch> {
    let invalid = |problem: String| ApiError::from(schema_error("patch", &problem));
    let body = body.unwrap_or_else(|| Value::Object(Map::new()));
    let Value::Array(operations) = &body else {
        return Err(invalid(format!("{} is not of type 'array'", repr(&body))));
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(invalid(format!(
            "the patch has {} operations; at most {MAX_OPERATIONS} are allowed. Send \
             several patches",
            operations.len()
        )));
    }
    for operation in operations {
        let Value::Object(fields) = operation else {
            return Err(invalid(format!(
                "{} is not of type 'object'",
                repr(operation)
            )));
        };
        check_operation(call, fields).map_err(invalid)?;
        if fields.get("op").is_some_and(|op| op != "remove") && !fields.contains_key("value") {
            let reason = "The operation does not contain a 'value' member".to_owned();
            return Err(Fault::PatchError {
                patch: repr(operation),
                reason,
            }
            .into());
        }
    }
    serde_json::from_value(body).map_err(|error| invalid(error.to_string()))
}

fn check_operation(call: &Call, fields: &Map<String, Value>) -> Result<(), String> {
    for name in ["op", "path"] {
        if !fields.contains_key(name) {
            return Err(format!("'{name}' is a required property"));
        }
    }
    if let Some(name) = fields
        .keys()
        .find(|name| !matches!(name.as_str(), "op" | "path" | "value"))
    {
        return Err(format!(
            "Additional properties are not allowed ({} was unexpected)",
            repr_str(name)
        ));
    }
    let text = |name: &str| match fields.get(name) {
        Some(Value::String(text)) => Ok(text.as_str()),
        other => Err(format!(
            "{} is not of type 'string'",
            repr(other.unwrap_or(&Value::Null))
        )),
    };
    let (path, op) = (text("path")?, text("op")?);
    if !is_path(path, call.has(98)) {
        return Err(format!(
            "{} does not match {}",
            repr_str(path),
            repr_str(PATH)
        ));
    }
    if !matches!(op, "add" | "replace" | "remove") {
        return Err(format!(
            "{} is not one of ['add', 'replace', 'remove']",
            repr_str(op)
        ));
    }
    Ok(())
}

fn is_path(path: &str, any_name: bool) -> bool {
    let Some(segments) = path.strip_prefix('/') else {
        return false;
    };
    segments.split('/').all(|segment| {
        !segment.is_empty()
            && (any_name
                || segment
                    .chars()
                    .all(|letter| letter.is_alphanumeric() || "_-".contains(letter)))
    })
}

/// Rejects a patch of fields other than `allowed`.
pub(super) fn check_fields(patch: &Patch, allowed: &[&str]) -> Result<()> {
    match patch
        .0
        .iter()
        .find(|operation| !allowed.contains(&field(operation).as_str()))
    {
        None => Ok(()),
        Some(operation) => Err(ApiError::invalid(format!(
            "Cannot patch {}. Only the following can be updated: {}",
            operation.path().as_str(),
            allowed.join(", ")
        ))),
    }
}

/// The top-level field of an operation.
pub(super) fn field(operation: &PatchOperation) -> String {
    operation
        .path()
        .first()
        .map(|token| token.decoded().into_owned())
        .unwrap_or_default()
}

/// The values that the patch writes to this path.
pub(super) fn values<'a>(patch: &'a Patch, path: &'a str) -> impl Iterator<Item = &'a Value> {
    patch
        .0
        .iter()
        .filter(move |operation| operation.path().as_str() == path)
        .filter_map(|operation| match operation {
            PatchOperation::Add(add) => Some(&add.value),
            PatchOperation::Replace(replace) => Some(&replace.value),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(version: u16, body: Value) -> String {
        let call = Call::of_version(version);
        match read(&call, Some(body)) {
            Err(ApiError::Fault(fault)) => fault.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn patch_with_too_many_operations_is_refused() {
        let patch = |count: usize| {
            let operation = json!({"op": "add", "path": "/extra/a", "value": 1});
            message(115, json!(vec![operation; count]))
        };
        assert!(patch(1000).starts_with("Ok"));
        assert_eq!(
            patch(1001),
            "Schema error for patch: the patch has 1001 operations; at most 1000 are allowed. \
             Send several patches"
        );
    }

    #[test]
    fn invalid_patch_is_refused_with_the_message_of_ironic() {
        assert_eq!(
            message(115, json!({})),
            "Schema error for patch: {} is not of type 'array'"
        );
        assert_eq!(
            message(115, json!([{"op": "test", "path": "/a", "value": 1}])),
            "Schema error for patch: 'test' is not one of ['add', 'replace', 'remove']"
        );
        assert_eq!(
            message(115, json!([{"op": "add", "path": "extra", "value": 1}])),
            r"Schema error for patch: 'extra' does not match '^(/[\\w-]+)+$'"
        );
        assert!(message(115, json!([{"op": "add"}])).contains("'path' is a required property"));
        assert!(
            message(
                115,
                json!([{"op": "add", "path": "/a", "value": 1, "from": "/b"}])
            )
            .contains("'from'")
        );
        assert!(message(115, json!([{"op": "add", "path": "/a"}])).contains("'value' member"));
        assert!(message(115, json!([1])).contains("1 is not of type 'object'"));
        assert!(
            message(115, json!([{"op": "add", "path": "/a//b", "value": 1}])).contains("match")
        );
        assert!(
            message(97, json!([{"op": "add", "path": "/a/b.c", "value": 1}])).contains("match")
        );
        assert!(
            message(98, json!([{"op": "add", "path": "/a/b.c~1d", "value": 1}])).starts_with("Ok")
        );
    }
}
