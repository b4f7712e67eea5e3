mod volumes;

use serde_json::json;
use time::OffsetDateTime;

use super::*;
use crate::id::{NodeUuid, PortUuid};
use crate::interface::InterfaceKind;
use crate::mac::MacAddress;
use crate::provision_state::ProvisionState;

fn node() -> Node {
    let uuid: NodeUuid = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee".parse().unwrap();
    let mut node = Node::enroll(uuid, "fake-hardware", OffsetDateTime::UNIX_EPOCH);
    node.extra.insert("a".to_owned(), json!(1));
    node
}

fn patch(operations: Value) -> NodeChange {
    NodeChange::Patch(serde_json::from_value(operations).unwrap())
}

fn refusal(operations: Value) -> String {
    refusal_on(&node(), operations)
}

fn refusal_on(before: &Node, operations: Value) -> String {
    let mut node = before.clone();
    let fault = patch(operations).apply(&mut node).unwrap_err();
    assert_eq!(&node, before, "a refused change leaves the node alone");
    fault.to_string()
}

#[test]
fn fields_are_added_replaced_and_removed() {
    let mut node = node();
    patch(json!([
        {"op": "add", "path": "/extra/b", "value": {"c": [1]}},
        {"op": "replace", "path": "/extra/a", "value": "x"},
        {"op": "add", "path": "/extra/b/c/-", "value": 2},
        {"op": "add", "path": "/name", "value": "n1"},
        {"op": "add", "path": "/maintenance", "value": "yes"},
        {"op": "add", "path": "/boot_interface", "value": "ipxe"},
        {"op": "add", "path": "/instance_uuid", "value": "AAAAAAAA-1111-4111-8111-111111111111"},
    ]))
    .apply(&mut node)
    .unwrap();
    assert_eq!(json!(node.extra), json!({"a": "x", "b": {"c": [1, 2]}}));
    assert_eq!(node.name.as_deref(), Some("n1"));
    assert!(node.maintenance);
    assert_eq!(node.interface(InterfaceKind::Boot), "ipxe");
    assert_eq!(
        node.instance_uuid.unwrap().to_string(),
        "aaaaaaaa-1111-4111-8111-111111111111"
    );

    patch(json!([
        {"op": "remove", "path": "/extra"},
        {"op": "remove", "path": "/name"},
        {"op": "replace", "path": "/boot_interface", "value": null},
        {"op": "remove", "path": "/instance_uuid"},
    ]))
    .apply(&mut node)
    .unwrap();
    assert!(node.extra.is_empty());
    assert_eq!(node.name, None);
    assert_eq!(node.interface(InterfaceKind::Boot), "");
    assert_eq!(node.instance_uuid, None);
}

#[test]
fn refused_patch_is_named_in_the_message() {
    assert_eq!(
        refusal(json!([{"op": "remove", "path": "/extra/zz"}])),
        "Couldn't apply patch '{'op': 'remove', 'path': '/extra/zz'}'. Reason: can't remove a \
         non-existent object 'zz'"
    );
    let internal = refusal(json!([{"op": "replace", "path": "/uuid", "value": "x"}]));
    assert!(
        internal.starts_with("Cannot patch /uuid. Only the following can be updated: automated_"),
        "{internal}"
    );
    assert_eq!(
        refusal(json!([{"op": "remove", "path": "/driver"}])),
        "Schema error for patch: 'driver' is a required property"
    );
    assert_eq!(
        refusal(json!([{"op": "add", "path": "/driver_info", "value": [1]}])),
        "Schema error for patch: [1] is not of type 'object', 'null'"
    );
    assert_eq!(
        refusal(json!([{"op": "add", "path": "/maintenance", "value": "perhaps"}])),
        "Invalid maintenance: Unrecognized value 'perhaps', acceptable values are: '0', '1', 'f', \
         'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'"
    );
    assert_eq!(
        refusal(json!([{"op": "add", "path": "/instance_uuid", "value": "x"}])),
        "Expected UUID for instance_uuid: x"
    );
    assert!(
        refusal(json!([{"op": "add", "path": "/owner", "value": "x".repeat(256)}]))
            .ends_with("is too long")
    );
    assert!(
        refusal(json!([{"op": "add", "path": "/resource_class", "value": "x".repeat(81)}]))
            .ends_with("is too long")
    );
}

#[test]
fn one_invalid_operation_refuses_the_whole_patch() {
    let operations = json!([
        {"op": "add", "path": "/extra/b", "value": 1},
        {"op": "remove", "path": "/extra/zz"},
    ]);
    assert!(refusal(operations).contains("zz"));
}

#[test]
fn too_deeply_nested_patch_value_is_refused() {
    let mut node = node();
    let mut path = "/extra/a".to_owned();
    let mut refused = None;
    for _ in 0..60 {
        let step = patch(json!([{"op": "add", "path": path, "value": {}}]));
        refused = refused.or(step.apply(&mut node).err());
        path.push_str("/a");
    }
    assert!(refused.unwrap().to_string().contains("50 levels"));
}

#[test]
fn resource_class_of_a_node_in_use_cannot_be_changed() {
    let mut active = node();
    active.provision_state = ProvisionState::Active.into();
    active.resource_class = Some("big".to_owned());
    let class = json!([{"op": "add", "path": "/resource_class", "value": "small"}]);
    assert!(refusal_on(&active, class).contains("resource_class updated unless"));
    // The present value is no change.
    let same = json!([{"op": "add", "path": "/resource_class", "value": "big"}]);
    patch(same).apply(&mut active).unwrap();
}

#[test]
fn protection_and_retirement_depend_on_the_state() {
    let protect = json!([{"op": "add", "path": "/protected", "value": true}]);
    assert!(refusal(protect.clone()).contains("only be made protected"));
    let reason = json!([{"op": "add", "path": "/protected_reason", "value": "why"}]);
    assert!(refusal(reason).contains("only be set when protected is True"));

    let mut active = node();
    active.provision_state = ProvisionState::Active.into();
    patch(protect).apply(&mut active).unwrap();
    active.protected_reason = Some("why".to_owned());
    patch(json!([{"op": "replace", "path": "/protected", "value": false}]))
        .apply(&mut active)
        .unwrap();
    assert_eq!(active.protected_reason, None);

    let mut available = node();
    available.provision_state = ProvisionState::Available.into();
    let retire = json!([{"op": "add", "path": "/retired", "value": true}]);
    assert!(refusal_on(&available, retire).contains("can not have 'retired' set"));
}

#[test]
fn instance_uuid_cannot_be_replaced_by_another() {
    let mut taken = node();
    taken.instance_uuid = Some("11111111-1111-4111-8111-111111111111".parse().unwrap());
    let other = json!([
        {"op": "add", "path": "/instance_uuid", "value": "22222222-2222-4222-8222-222222222222"},
    ]);
    assert!(refusal_on(&taken, other).contains("associated with instance 11111111"));
}

#[test]
fn leaving_maintenance_clears_reason_and_fault() {
    let mut node = node();
    let on = NodeChange::Maintenance {
        on: true,
        reason: Some("disk".to_owned()),
    };
    on.apply(&mut node).unwrap();
    assert_eq!(node.maintenance_reason.as_deref(), Some("disk"));
    node.fault = Some("power failure".to_owned());
    patch(json!([{"op": "replace", "path": "/maintenance", "value": false}]))
        .apply(&mut node)
        .unwrap();
    assert_eq!((node.maintenance_reason, node.fault), (None, None));
}

#[test]
fn traits_are_unique_and_at_most_fifty() {
    let mut node = node();
    let all = ["CUSTOM_B", "CUSTOM_A", "CUSTOM_B"]
        .map(str::to_owned)
        .to_vec();
    NodeChange::Traits(all).apply(&mut node).unwrap();
    NodeChange::TraitAdded("CUSTOM_0".to_owned())
        .apply(&mut node)
        .unwrap();
    NodeChange::TraitRemoved("CUSTOM_B".to_owned())
        .apply(&mut node)
        .unwrap();
    assert_eq!(node.traits, ["CUSTOM_0", "CUSTOM_A"]);
    let many = (0..51).map(|number| format!("CUSTOM_{number}")).collect();
    assert!(NodeChange::Traits(many).apply(&mut node).is_err());
    assert_eq!(node.traits.len(), 2);
}

#[test]
fn change_reports_the_fields_it_sets() {
    let change = patch(json!([{"op": "add", "path": "/driver_info/a", "value": 1}]));
    assert!(change.sets("driver_info") && !change.sets("driver"));
}

fn port() -> Port {
    let node: NodeUuid = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee".parse().unwrap();
    let uuid: PortUuid = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee".parse().unwrap();
    let address = MacAddress::new([0x52, 0x54, 0, 0xaa, 0, 1]);
    Port::new(uuid, node, address, OffsetDateTime::UNIX_EPOCH)
}

fn port_patch(operations: Value) -> (Port, Result<()>) {
    let mut port = port();
    let result = PortChange(serde_json::from_value(operations).unwrap()).apply(&mut port);
    (port, result)
}

#[test]
fn port_fields_are_patched() {
    let (changed, result) = port_patch(json!([
        {"op": "replace", "path": "/address", "value": "52:54:00:BB:00:05"},
        {"op": "add", "path": "/pxe_enabled", "value": false},
        {"op": "add", "path": "/local_link_connection",
         "value": {"switch_id": "AA:11:22:33:44:55", "port_id": "p1", "switch_info": "s"}},
    ]));
    result.unwrap();
    assert_eq!(changed.address.to_string(), "52:54:00:bb:00:05");
    assert!(!changed.pxe_enabled);
    assert_eq!(
        changed.local_link_connection.get("switch_id"),
        Some(&json!("aa:11:22:33:44:55"))
    );
}

#[test]
fn read_only_port_fields_cannot_be_patched() {
    for (operation, words) in [
        (
            json!({"op": "replace", "path": "/address", "value": "zz"}),
            "Expected valid MAC address for address: zz",
        ),
        (
            json!({"op": "replace", "path": "/address", "value": "52-54-00-bb-00-05"}),
            "Expected valid MAC",
        ),
        (
            json!({"op": "remove", "path": "/address"}),
            "'address' is a required property",
        ),
        (
            json!({"op": "replace", "path": "/internal_info", "value": {}}),
            "Cannot patch /internal_info.",
        ),
        (
            json!({"op": "add", "path": "/node_ident", "value": "n"}),
            "Adding a new attribute (/node_ident)",
        ),
        (
            json!({"op": "add", "path": "/physical_network", "value": ""}),
            "A non-empty value",
        ),
        (
            json!({"op": "add", "path": "/name", "value": "bad name"}),
            "Expected a logical name",
        ),
        (
            json!({"op": "add", "path": "/portgroup_uuid", "value": "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"}),
            "Portgroup",
        ),
        (
            json!({"op": "add", "path": "/local_link_connection", "value": {"port_id": "x"}}),
            "'switch_id' is a required property",
        ),
        (
            json!({"op": "add", "path": "/local_link_connection", "value": {"port_id": "x", "switch_id": "y"}}),
            "OpenFlow datapath ID",
        ),
    ] {
        let (after, result) = port_patch(json!([operation]));
        let message = result.unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
        assert_eq!(after, port());
    }
}

/// The config drive of a deployment may be larger than what a client may write.
#[test]
fn unchanged_config_drive_does_not_count_against_the_size_limit() {
    let mut node = node();
    let drive = json!("x".repeat(crate::field::value::MAX_OBJECT));
    node.instance_info.insert("configdrive".into(), drive);
    let add = |name: &str, value: Value| json!([{"op": "add", "path": format!("/instance_info/{name}"), "value": value}]);
    patch(add("a", json!(1))).apply(&mut node).unwrap();
    let larger = json!("y".repeat(crate::field::value::MAX_OBJECT));
    let said = refusal_on(&node, add("configdrive", larger));
    assert!(said.contains("instance_info would have 1048"), "{said}");
}
