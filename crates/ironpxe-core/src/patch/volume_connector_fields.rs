//! The writable fields of a volume connector, and their validation.
//!
//! Source: Ironic's `api/controllers/v1/volume_connector.py`.

use serde_json::{Value, json};

use crate::error::Result;
use crate::field::value::{self, Field, schema_error};
use crate::id::NodeUuid;
use crate::volume::VolumeConnector;

/// The fields that a connector can be created with, in the order of Ironic's schema.
pub const CREATABLE: [&str; 5] = ["connector_id", "extra", "node_uuid", "type", "uuid"];

/// The fields that a connector must be created with.
pub const REQUIRED: [&str; 3] = ["connector_id", "node_uuid", "type"];

/// The fields that can be patched, in the order of Ironic's error message.
pub const PATCHABLE: [&str; 4] = ["connector_id", "extra", "node_uuid", "type"];

/// Sets one field; not `uuid`, which is read at creation.
pub fn set(connector: &mut VolumeConnector, field: &Field<'_>) -> Result<()> {
    match field.name {
        "connector_id" => connector.connector_id = field.required_text()?,
        "extra" => connector.extra = field.object()?,
        "node_uuid" => {
            connector.node_uuid = NodeUuid(value::uuid("node_uuid", &field.required_text()?)?);
        }
        "type" => connector.kind = field.required_text()?,
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
pub(super) fn document(connector: &VolumeConnector) -> Value {
    json!({
        "connector_id": connector.connector_id,
        "extra": connector.extra,
        "node_uuid": connector.node_uuid,
        "type": connector.kind,
    })
}
