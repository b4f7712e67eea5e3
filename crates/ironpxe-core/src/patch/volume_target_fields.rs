//! The writable fields of a volume target, and their validation.
//!
//! Unlike in Ironic, a negative boot index is rejected: such a volume could never be booted.
//!
//! Source: Ironic's `api/controllers/v1/volume_target.py`.

use serde_json::{Value, json};

use crate::error::Result;
use crate::field::value::{self, Field, schema_error};
use crate::id::NodeUuid;
use crate::volume::VolumeTarget;

/// The fields that a target can be created with, in the order of Ironic's schema.
pub const CREATABLE: [&str; 7] = [
    "boot_index",
    "extra",
    "node_uuid",
    "properties",
    "volume_id",
    "volume_type",
    "uuid",
];

/// The fields that a target must be created with.
pub const REQUIRED: [&str; 4] = ["boot_index", "node_uuid", "volume_id", "volume_type"];

/// The fields that can be patched, in the order of Ironic's error message.
pub const PATCHABLE: [&str; 6] = [
    "boot_index",
    "extra",
    "node_uuid",
    "properties",
    "volume_id",
    "volume_type",
];

/// Sets one field; not `uuid`, which is read at creation.
pub fn set(target: &mut VolumeTarget, field: &Field<'_>) -> Result<()> {
    match field.name {
        "boot_index" => target.boot_index = field.index()?,
        "extra" => target.extra = field.object()?,
        "node_uuid" => {
            target.node_uuid = NodeUuid(value::uuid("node_uuid", &field.required_text()?)?);
        }
        "properties" => target.properties = field.object()?,
        "volume_id" => target.volume_id = field.required_text()?,
        "volume_type" => target.volume_type = field.required_text()?,
        name => {
            return Err(schema_error(
                field.resource,
                &format!("Additional properties are not allowed ('{name}' was unexpected)"),
            ));
        }
    }
    Ok(())
}

/// The document that a patch applies to.
pub(super) fn document(target: &VolumeTarget) -> Value {
    json!({
        "boot_index": target.boot_index,
        "extra": target.extra,
        "node_uuid": target.node_uuid,
        "properties": target.properties,
        "volume_id": target.volume_id,
        "volume_type": target.volume_type,
    })
}
