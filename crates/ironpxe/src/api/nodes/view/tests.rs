use ::time::OffsetDateTime;
use ironpxe_core::JsonMap;

use super::*;

fn call(minor: u16) -> Call {
    Call::of_version(minor)
}

fn node() -> Node {
    let uuid = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee".parse().unwrap();
    Node::enroll(uuid, "fake-hardware", OffsetDateTime::UNIX_EPOCH)
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn oldest_client_sees_only_the_first_fields() {
    let mut node = node();
    node.provision_state = ProvisionState::Available.into();
    let shown = show(&call(1), &Conductors::default(), &node, None);
    assert_eq!(
        keys(&shown),
        [
            "uuid",
            "created_at",
            "updated_at",
            "console_enabled",
            "driver",
            "driver_info",
            "extra",
            "instance_info",
            "instance_uuid",
            "last_error",
            "maintenance",
            "maintenance_reason",
            "power_state",
            "properties",
            "provision_state",
            "provision_updated_at",
            "reservation",
            "target_power_state",
            "target_provision_state",
            "links",
            "chassis_uuid",
            "ports",
        ]
    );
    assert_eq!(shown["provision_state"], Value::Null);
    assert_eq!(
        show(&call(2), &Conductors::default(), &node, None)["provision_state"],
        "available"
    );
}

#[test]
fn newest_client_sees_every_field() {
    let shown = show(&call(115), &Conductors::default(), &node(), None);
    assert_eq!(keys(&shown).len(), NODE_FIELDS.len() + 1 + 4);
    assert_eq!(shown["conductor"], Value::Null, "none is registered");
    assert_eq!(shown["boot_interface"], Value::Null);
    assert_eq!(shown["health"], Value::Null);
}

#[test]
fn old_client_sees_inspect_wait_as_inspecting() {
    let mut node = node();
    node.provision_state = ProvisionState::InspectWait.into();
    assert_eq!(provision_state(&call(38), &node), "inspecting");
    assert_eq!(provision_state(&call(39), &node), "inspect wait");
}

#[test]
fn requested_fields_are_shown_in_request_order() {
    let shown = show(
        &call(115),
        &Conductors::default(),
        &node(),
        Some(&["name", "driver", "uuid", "conductor"]),
    );
    assert_eq!(
        keys(&shown),
        ["uuid", "name", "driver", "links", "conductor"]
    );
}

#[test]
fn unknown_and_too_new_fields_are_refused() {
    let check = |minor, name: &str| check_fields(&call(minor), Some(&[name.to_owned()]));
    assert!(check(8, "uuid").is_ok());
    assert_eq!(check(7, "uuid"), Err(Fault::NotAcceptable.into()));
    assert_eq!(check(81, "shard"), Err(Fault::NotAcceptable.into()));
    assert_eq!(
        check(115, "zzz"),
        Err(ApiError::invalid("Field zzz is not a valid field."))
    );
}

#[test]
fn secrets_are_masked_for_any_requested_fields() {
    const SECRET: &str = "never-shown";
    let object = |key: &str| JsonMap::from_iter([(key.to_owned(), json!(SECRET))]);
    let mut node = node();
    node.driver_info = object("redfish_password");
    node.driver_internal_info = object("agent_secret_token");
    node.instance_info = object("image_url");
    node.instance_info.extend(object("configdrive"));
    node.instance_info.extend(object("rescue_password"));
    for field in NODE_FIELDS {
        let shown = show(
            &call(115),
            &Conductors::default(),
            &node,
            Some(&[field.name]),
        );
        assert!(!shown.to_string().contains(SECRET), "{shown}");
    }
    let shown = show(&call(115), &Conductors::default(), &node, None);
    assert_eq!(shown["driver_info"]["redfish_password"], "******");
    assert_eq!(shown["instance_info"]["configdrive"], "******");
}
