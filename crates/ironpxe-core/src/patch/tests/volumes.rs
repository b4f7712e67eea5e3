//! Patches of volume connectors and targets.

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::JsonMap;
use crate::id::NodeUuid;
use crate::patch::VolumeChange;
use crate::volume::{VolumeConnector, VolumeTarget};

const NODE: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const OTHER: &str = "cccccccc-bbbb-4ccc-8ddd-eeeeeeeeeeee";

fn node(text: &str) -> NodeUuid {
    text.parse().unwrap()
}

fn connector() -> VolumeConnector {
    VolumeConnector {
        uuid: "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee".parse().unwrap(),
        node_uuid: node(NODE),
        kind: "iqn".to_owned(),
        connector_id: "iqn.2026-01.org.example:n1".to_owned(),
        extra: JsonMap::new(),
        created_at: OffsetDateTime::UNIX_EPOCH,
        updated_at: None,
    }
}

fn target() -> VolumeTarget {
    let properties = json!({"target_lun": 1, "auth_password": "p"});
    VolumeTarget {
        uuid: "dddddddd-bbbb-4ccc-8ddd-eeeeeeeeeeee".parse().unwrap(),
        node_uuid: node(NODE),
        volume_type: "iscsi".to_owned(),
        boot_index: 0,
        volume_id: "v1".to_owned(),
        properties: serde_json::from_value(properties).unwrap(),
        extra: JsonMap::new(),
        created_at: OffsetDateTime::UNIX_EPOCH,
        updated_at: None,
    }
}

#[test]
fn connector_fields_are_patched() {
    let mut changed = connector();
    VolumeChange(
        serde_json::from_value(json!([
            {"op": "replace", "path": "/type", "value": "mac"},
            {"op": "replace", "path": "/connector_id", "value": "52:54:00:aa:00:01"},
            {"op": "add", "path": "/extra/a", "value": 1},
            {"op": "add", "path": "/node_uuid", "value": OTHER.to_uppercase()},
        ]))
        .unwrap(),
    )
    .apply(&mut changed)
    .unwrap();
    let expected = VolumeConnector {
        node_uuid: node(OTHER),
        kind: "mac".to_owned(),
        connector_id: "52:54:00:aa:00:01".to_owned(),
        extra: serde_json::from_value(json!({"a": 1})).unwrap(),
        ..connector()
    };
    assert_eq!(changed, expected);
}

#[test]
fn target_fields_are_patched() {
    let mut changed = target();
    VolumeChange(
        serde_json::from_value(json!([
            {"op": "add", "path": "/boot_index", "value": 3},
            {"op": "replace", "path": "/volume_id", "value": "v2"},
            {"op": "replace", "path": "/volume_type", "value": "fibre_channel"},
            {"op": "remove", "path": "/properties/auth_password"},
            {"op": "add", "path": "/properties/target_iqn", "value": "iqn.t"},
            {"op": "add", "path": "/extra", "value": null},
        ]))
        .unwrap(),
    )
    .apply(&mut changed)
    .unwrap();
    let properties = json!({"target_lun": 1, "target_iqn": "iqn.t"});
    let expected = VolumeTarget {
        boot_index: 3,
        volume_id: "v2".to_owned(),
        volume_type: "fibre_channel".to_owned(),
        properties: serde_json::from_value(properties).unwrap(),
        ..target()
    };
    assert_eq!(changed, expected);
}

fn refused(operation: &Value) -> (String, String) {
    let patch: json_patch::Patch = serde_json::from_value(json!([
        {"op": "add", "path": "/extra/kept", "value": "out"},
        operation,
    ]))
    .unwrap();
    let (mut one, mut other) = (connector(), target());
    let first = VolumeChange(patch.clone()).apply(&mut one);
    let second = VolumeChange(patch).apply(&mut other);
    for (same, refused) in [
        (one == connector(), first.is_err()),
        (other == target(), second.is_err()),
    ] {
        assert!(same || !refused, "what is refused leaves everything alone");
    }
    let words = |result: Result<(), crate::error::Fault>| match result {
        Ok(()) => String::new(),
        Err(fault) => fault.to_string(),
    };
    (words(first), words(second))
}

#[test]
fn read_only_connector_fields_cannot_be_patched() {
    for (operation, words) in [
        (
            json!({"op": "replace", "path": "/uuid", "value": OTHER}),
            "Cannot patch /uuid. Only the following can be updated: connector_id, extra, \
             node_uuid, type",
        ),
        (
            json!({"op": "remove", "path": "/type"}),
            "Schema error for patch: 'type' is a required property",
        ),
        (
            json!({"op": "replace", "path": "/connector_id", "value": 7}),
            "Schema error for patch: 7 is not of type 'string'",
        ),
        (
            json!({"op": "replace", "path": "/extra", "value": [1]}),
            "Schema error for patch: [1] is not of type 'object', 'null'",
        ),
        (
            json!({"op": "replace", "path": "/node_uuid", "value": "n1"}),
            "Expected UUID for node_uuid: n1",
        ),
    ] {
        assert_eq!(refused(&operation).0, words);
    }
}

#[test]
fn read_only_target_fields_cannot_be_patched() {
    for (operation, words) in [
        (
            json!({"op": "replace", "path": "/uuid", "value": OTHER}),
            "Cannot patch /uuid. Only the following can be updated: boot_index, extra, \
             node_uuid, properties, volume_id, volume_type",
        ),
        (
            json!({"op": "replace", "path": "/boot_index", "value": "0"}),
            "Schema error for patch: '0' is not of type 'integer'",
        ),
        (
            json!({"op": "replace", "path": "/boot_index", "value": 0.5}),
            "Schema error for patch: 0.5 is not of type 'integer'",
        ),
        (
            json!({"op": "replace", "path": "/boot_index", "value": true}),
            "Schema error for patch: True is not of type 'integer'",
        ),
        (
            json!({"op": "replace", "path": "/boot_index", "value": -1}),
            "Schema error for patch: -1 is less than the minimum of 0",
        ),
        (
            json!({"op": "remove", "path": "/boot_index"}),
            "Schema error for patch: 'boot_index' is a required property",
        ),
        (
            json!({"op": "replace", "path": "/properties", "value": "x"}),
            "Schema error for patch: 'x' is not of type 'object', 'null'",
        ),
        (
            json!({"op": "remove", "path": "/properties/zz"}),
            "Couldn't apply patch '{'op': 'remove', 'path': '/properties/zz'}'. Reason: can't \
             remove a non-existent object 'zz'",
        ),
    ] {
        assert_eq!(refused(&operation).1, words);
    }
}
