//! Validates the outline of a body: an object with the required members and no unknown ones.

use ironpxe_core::field::repr::repr;
use ironpxe_core::field::value::schema_error;
use serde_json::{Map, Value};

use crate::api::error::Result;

/// The object in `body`; empty if there is none.
pub(super) fn object(
    resource: &str,
    body: Option<Value>,
    required: &[&str],
    known: &[&str],
) -> Result<Map<String, Value>> {
    let body = match body {
        None => Map::new(),
        Some(Value::Object(fields)) => fields,
        Some(other) => {
            let problem = format!("{} is not of type 'object'", repr(&other));
            return Err(schema_error(resource, &problem).into());
        }
    };
    if let Some(missing) = required.iter().find(|name| !body.contains_key(**name)) {
        let problem = format!("'{missing}' is a required property");
        return Err(schema_error(resource, &problem).into());
    }
    let mut unknown: Vec<&str> = body
        .keys()
        .map(String::as_str)
        .filter(|name| !known.contains(name))
        .collect();
    unknown.sort_unstable();
    if !unknown.is_empty() {
        let verb = if unknown.len() == 1 { "was" } else { "were" };
        let names: Vec<String> = unknown
            .iter()
            .map(|name| repr(&Value::String((*name).to_owned())))
            .collect();
        let problem = format!(
            "Additional properties are not allowed ({} {verb} unexpected)",
            names.join(", ")
        );
        return Err(schema_error(resource, &problem).into());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::error::ApiError;

    fn message(body: Option<Value>) -> String {
        match object("node", body, &["driver"], &["driver", "name"]).unwrap_err() {
            ApiError::Fault(fault) => fault.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn missing_or_unknown_member_is_named() {
        let required = "Schema error for node: 'driver' is a required property";
        assert_eq!(message(None), required);
        assert_eq!(message(Some(json!({"zzz": 1}))), required);
        assert_eq!(
            message(Some(json!({"driver": "x", "z": 1, "b": 2}))),
            "Schema error for node: Additional properties are not allowed ('b', 'z' were \
             unexpected)"
        );
        assert_eq!(
            message(Some(json!([1]))),
            "Schema error for node: [1] is not of type 'object'"
        );
    }
}
