//! A volume connector as JSON: the only place where connectors are serialized for clients.

use ironpxe_core::timestamp;
use ironpxe_core::volume::VolumeConnector;
use serde_json::{Value, json};

use crate::api::request::Call;
use crate::api::volume::listing::Shape;

/// The field names in a list of connectors.
pub(super) static SHAPE: Shape = Shape {
    name: "connectors",
    fields: &[
        "uuid",
        "created_at",
        "updated_at",
        "connector_id",
        "extra",
        "type",
    ],
    summary: &["uuid", "node_uuid", "type", "connector_id"],
    sortable: &["connector_id", "created_at", "type", "updated_at", "uuid"],
};

/// The connector with all fields, or with `fields` and the links.
pub(super) fn show(call: &Call, connector: &VolumeConnector, fields: Option<&[&str]>) -> Value {
    let uuid = connector.uuid.to_string();
    SHAPE.show(call, &uuid, fields, |name| match name {
        "uuid" => json!(connector.uuid),
        "created_at" => timestamp::show(Some(connector.created_at)),
        "updated_at" => timestamp::show(connector.updated_at),
        "connector_id" => json!(connector.connector_id),
        "extra" => json!(connector.extra),
        "type" => json!(connector.kind),
        "node_uuid" => json!(connector.node_uuid),
        _ => Value::Null,
    })
}
