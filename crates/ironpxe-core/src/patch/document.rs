//! JSON-Patch on the document of a resource's writable fields.
//!
//! Operations are applied one at a time, so that the message can name the one that failed.

use std::collections::BTreeSet;

use json_patch::PatchOperation;
use serde_json::Value;

use crate::error::{Fault, Result};
use crate::field::repr::repr;

/// Applies `patch` to `document`; returns the names of the fields it wrote.
pub(super) fn apply(
    document: &mut Value,
    patch: &[PatchOperation],
    allowed: &[&'static str],
) -> Result<BTreeSet<&'static str>> {
    let mut changed = BTreeSet::new();
    for operation in patch {
        let root = root(operation);
        let Some(field) = allowed.iter().find(|field| **field == root) else {
            return Err(not_patchable(operation.path().as_str(), allowed));
        };
        // Resources have a fixed set of fields. A port's `node_ident` is patchable but not in the
        // document, as in Ironic.
        let new = operation.path().count() == 1 && document.get(*field).is_none();
        if new && matches!(operation, PatchOperation::Add(_)) {
            return Err(Fault::InvalidParameterValue(format!(
                "Adding a new attribute ({}) to the root of the resource is not allowed",
                operation.path().as_str()
            )));
        }
        apply_one(document, operation)?;
        changed.insert(*field);
    }
    for field in &changed {
        if document
            .get(*field)
            .is_some_and(|value| depth(value) > MAX_DEPTH)
        {
            return Err(Fault::InvalidParameterValue(format!(
                "The patch would nest {field} more than {MAX_DEPTH} levels deep"
            )));
        }
    }
    Ok(changed)
}

/// The deepest nesting of a field. A single request is bounded by its parser; many small patches
/// must not accumulate what no JSON parser can read back.
const MAX_DEPTH: usize = 50;

fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut open = vec![(value, 1)];
    while let Some((value, level)) = open.pop() {
        deepest = deepest.max(level);
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, level + 1))),
            Value::Object(fields) => open.extend(fields.values().map(|field| (field, level + 1))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    deepest
}

/// The top-level field of an operation.
pub(super) fn root(operation: &PatchOperation) -> String {
    operation
        .path()
        .first()
        .map(|token| token.decoded().into_owned())
        .unwrap_or_default()
}

/// The fault for a field that is not patchable.
pub(super) fn not_patchable(path: &str, allowed: &[&str]) -> Fault {
    Fault::InvalidParameterValue(format!(
        "Cannot patch {path}. Only the following can be updated: {}",
        allowed.join(", ")
    ))
}

fn apply_one(document: &mut Value, operation: &PatchOperation) -> Result<()> {
    let last = operation
        .path()
        .last()
        .map(|token| token.decoded().into_owned());
    let last = last.unwrap_or_default();
    let verb = match operation {
        PatchOperation::Add(_) => "add to",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) | PatchOperation::Copy(_) | PatchOperation::Test(_) => {
            return Err(failed(
                operation,
                "only add, replace and remove are allowed",
            ));
        }
    };
    json_patch::patch(document, std::slice::from_ref(operation)).map_err(|_| {
        failed(
            operation,
            &format!("can't {verb} a non-existent object '{last}'"),
        )
    })
}

fn failed(operation: &PatchOperation, reason: &str) -> Fault {
    let patch = serde_json::to_value(operation).unwrap_or_default();
    Fault::PatchError {
        patch: repr(&patch),
        reason: reason.to_owned(),
    }
}
