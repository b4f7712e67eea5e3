//! A volume target as JSON: the only place where targets are serialized for clients. Passwords are
//! masked.

use ironpxe_core::timestamp;
use ironpxe_core::volume::VolumeTarget;
use serde_json::{Value, json};

use crate::api::mask;
use crate::api::request::Call;
use crate::api::volume::listing::Shape;

/// The field names in a list of targets.
pub(super) static SHAPE: Shape = Shape {
    name: "targets",
    fields: &[
        "uuid",
        "created_at",
        "updated_at",
        "boot_index",
        "extra",
        "properties",
        "volume_id",
        "volume_type",
    ],
    summary: &[
        "uuid",
        "node_uuid",
        "volume_type",
        "boot_index",
        "volume_id",
    ],
    sortable: &[
        "boot_index",
        "created_at",
        "updated_at",
        "uuid",
        "volume_id",
        "volume_type",
    ],
};

/// The target with all fields, or with `fields` and the links.
pub(super) fn show(call: &Call, target: &VolumeTarget, fields: Option<&[&str]>) -> Value {
    let uuid = target.uuid.to_string();
    SHAPE.show(call, &uuid, fields, |name| match name {
        "uuid" => json!(target.uuid),
        "created_at" => timestamp::show(Some(target.created_at)),
        "updated_at" => timestamp::show(target.updated_at),
        "boot_index" => json!(target.boot_index),
        "extra" => json!(target.extra),
        "properties" => json!(mask::mask(&target.properties)),
        "volume_id" => json!(target.volume_id),
        "volume_type" => json!(target.volume_type),
        "node_uuid" => json!(target.node_uuid),
        _ => Value::Null,
    })
}
