//! The database as its callers see it.

mod changes;
mod commit_versions;
mod conductors;
mod history;
mod lists;
mod opening;
mod read_only;
mod schema;
mod server;
mod volumes;

use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::interface::{InterfaceKind, Interfaces};
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::{ProvisionState, StoredState};
use serde_json::json;
use time::macros::datetime;

use self::changes::count;
use super::testing::{TestDb, on_both};
use super::{DbError, Duplicate};
use crate::{clock, ident};

on_both! {
    a_node_comes_back_as_it_was_stored,
    every_field_of_a_node_can_be_changed,
    a_port_comes_back_as_it_was_stored_and_changed,
    a_node_and_its_port_are_found_by_the_address,
    what_is_taken_is_named,
    a_port_needs_its_node,
    what_is_not_there_is_said,
    a_node_goes_with_its_ports_unless_something_speaks_against_it,
    words_from_elsewhere_do_not_hide_a_node,
    what_cannot_be_read_is_named,
    a_secret_is_the_same_for_all,
}

fn map(value: serde_json::Value) -> ironpxe_core::JsonMap {
    serde_json::from_value(value).unwrap()
}

fn node() -> Node {
    Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now())
}

fn port(node: &Node, last: u8) -> Port {
    let address = MacAddress::new([0x52, 0x54, 0, 0, 0, last]);
    Port::new(PortUuid(ident::uuid()), node.uuid, address, clock::now())
}

/// A node with something in every field, no two fields alike.
fn full_node() -> Node {
    let mut interfaces = Interfaces::default();
    for &kind in InterfaceKind::ALL {
        interfaces.set(kind, format!("some-{}", kind.name()));
    }
    Node {
        uuid: NodeUuid(ident::uuid()),
        name: Some("rack-1.node-7".to_owned()),
        driver: "manual-management".to_owned(),
        interfaces,
        provision_state: ProvisionState::DeployWait.into(),
        target_provision_state: Some("active".to_owned()),
        provision_updated_at: Some(datetime!(2026-01-02 03:04:05.000006 UTC)),
        power_state: Some(PowerState::On),
        target_power_state: Some(PowerState::Off),
        reservation: Some("conductor-1".to_owned()),
        maintenance: true,
        maintenance_reason: Some("a fan".to_owned()),
        fault: Some("power failure".to_owned()),
        last_error: Some("Zeile 1\nline 2 \u{1f427}".to_owned()),
        properties: map(json!({"cpu_arch": "x86_64", "capabilities": "boot_mode:uefi"})),
        driver_info: map(json!({"ipmi_password": "secret", "deploy_kernel": "http://h/k"})),
        instance_info: map(json!({"image_source": "http://h/i", "deep": {"er": [1, 2.5, null]}})),
        driver_internal_info: map(json!({"agent_url": "http://192.0.2.1:9999"})),
        extra: map(json!({"z": 1, "a": 2})),
        network_data: map(json!({"links": []})),
        raid_config: map(json!({"logical_disks": [1]})),
        target_raid_config: map(json!({"logical_disks": [2]})),
        clean_step: map(json!({"step": "erase"})),
        deploy_step: map(json!({"step": "write"})),
        service_step: map(json!({"step": "flash"})),
        instance_uuid: Some(ident::uuid()),
        instance_name: Some("web-1".to_owned()),
        chassis_uuid: Some(ident::uuid()),
        resource_class: Some("baremetal".to_owned()),
        conductor_group: "hall-2".to_owned(),
        automated_clean: Some(false),
        protected: true,
        protected_reason: Some("precious".to_owned()),
        retired: true,
        retired_reason: Some("old".to_owned()),
        owner: Some("project-1".to_owned()),
        lessee: Some("project-2".to_owned()),
        description: Some("third from the top".to_owned()),
        shard: Some("shard-1".to_owned()),
        parent_node: Some(ident::uuid()),
        disable_power_off: true,
        boot_mode: Some("uefi".to_owned()),
        secure_boot: Some(true),
        console_enabled: true,
        traits: vec!["CUSTOM_B".to_owned(), "CUSTOM_A".to_owned()],
        inspection_started_at: Some(datetime!(2026-02-03 04:05:06 UTC)),
        inspection_finished_at: Some(datetime!(2026-02-03 04:06:07.1 UTC)),
        created_at: datetime!(2025-12-31 23:59:59.999_999 UTC),
        updated_at: Some(datetime!(2026-03-04 05:06:07.08 UTC)),
        revision: 41,
    }
}

async fn a_node_comes_back_as_it_was_stored(site: TestDb) {
    let db = site.open().await;
    let full = full_node();
    db.node_create(&full).await.unwrap();
    assert_eq!(db.node_get(full.uuid).await.unwrap().as_ref(), Some(&full));
    assert_eq!(
        db.node_get_by_name("rack-1.node-7").await.unwrap().as_ref(),
        Some(&full)
    );

    let bare = node();
    db.node_create(&bare).await.unwrap();
    assert_eq!(db.node_get(bare.uuid).await.unwrap(), Some(bare));
    assert_eq!(db.node_get(NodeUuid(ident::uuid())).await.unwrap(), None);
    assert_eq!(db.node_get_by_name("unknown").await.unwrap(), None);
}

async fn every_field_of_a_node_can_be_changed(site: TestDb) {
    let db = site.open().await;
    let bare = node();
    db.node_create(&bare).await.unwrap();
    let wanted = full_node();
    let (saved, given) = db
        .node_change(bare.uuid, |node| {
            *node = wanted.clone();
            Ok(7)
        })
        .await
        .unwrap();
    assert_eq!(given, 7);
    assert_eq!(db.node_get(bare.uuid).await.unwrap().as_ref(), Some(&saved));
    // All but what is the database's own.
    let expected = Node {
        uuid: bare.uuid,
        created_at: bare.created_at,
        updated_at: saved.updated_at,
        revision: 1,
        ..wanted
    };
    assert_eq!(saved, expected);
    assert!(saved.updated_at >= Some(bare.created_at));
}

async fn a_port_comes_back_as_it_was_stored_and_changed(site: TestDb) {
    let db = site.open().await;
    let (owner, other) = (node(), node());
    db.node_create(&owner).await.unwrap();
    db.node_create(&other).await.unwrap();
    let bare = port(&owner, 1);
    db.port_create(&bare).await.unwrap();
    assert_eq!(db.port_get(bare.uuid).await.unwrap().as_ref(), Some(&bare));

    let full = Port {
        node_uuid: other.uuid,
        pxe_enabled: false,
        name: Some("eno1".to_owned()),
        description: Some("left".to_owned()),
        vendor: Some("ACME".to_owned()),
        category: Some("hostname".to_owned()),
        physical_network: Some("physnet1".to_owned()),
        local_link_connection: map(json!({"switch_id": "0a:1b:2c:3d:4e:5f"})),
        is_smartnic: true,
        available_for_dynamic_portgroup: false,
        extra: map(json!({"rack": 4})),
        internal_info: map(json!({"vif": "x"})),
        created_at: datetime!(2026-01-02 03:04:05 UTC),
        updated_at: Some(datetime!(2026-01-02 03:04:06 UTC)),
        ..port(&owner, 2)
    };
    db.port_create(&full).await.unwrap();
    assert_eq!(db.port_get(full.uuid).await.unwrap().as_ref(), Some(&full));
    assert_eq!(
        db.port_get_by_name("eno1").await.unwrap().as_ref(),
        Some(&full)
    );

    db.port_destroy(full.uuid).await.unwrap();
    let (saved, ()) = db
        .port_change(bare.uuid, |port| {
            *port = full.clone();
            Ok(())
        })
        .await
        .unwrap();
    let expected = Port {
        uuid: bare.uuid,
        created_at: bare.created_at,
        updated_at: saved.updated_at,
        ..full
    };
    assert_eq!(saved, expected);
    assert_eq!(db.port_get(bare.uuid).await.unwrap(), Some(saved));
}

async fn a_node_and_its_port_are_found_by_the_address(site: TestDb) {
    let db = site.open().await;
    let full = full_node();
    db.node_create(&full).await.unwrap();
    db.node_create(&node()).await.unwrap();
    let (first, second) = (port(&full, 1), port(&full, 2));
    db.port_create(&first).await.unwrap();
    db.port_create(&second).await.unwrap();
    assert_eq!(
        db.node_get_by_address(second.address).await.unwrap(),
        Some((full, second))
    );
    let unknown = MacAddress::new([0; 6]);
    assert_eq!(db.node_get_by_address(unknown).await.unwrap(), None);
}

async fn what_is_taken_is_named(site: TestDb) {
    let db = site.open().await;
    let taken = full_node();
    db.node_create(&taken).await.unwrap();
    let taken_port = Port {
        name: Some("eno1".to_owned()),
        ..port(&taken, 1)
    };
    db.port_create(&taken_port).await.unwrap();
    let duplicate = |result: Result<(), DbError>| match result {
        Err(DbError::Duplicate(duplicate)) => duplicate,
        other => panic!("{other:?}"),
    };

    let same = Node {
        uuid: taken.uuid,
        ..node()
    };
    assert_eq!(
        duplicate(db.node_create(&same).await),
        Duplicate::NodeUuid(taken.uuid)
    );
    let same = Node {
        name: taken.name.clone(),
        ..node()
    };
    assert_eq!(
        duplicate(db.node_create(&same).await),
        Duplicate::NodeName("rack-1.node-7".to_owned())
    );
    let same = Node {
        instance_uuid: taken.instance_uuid,
        ..node()
    };
    assert_eq!(
        duplicate(db.node_create(&same).await),
        Duplicate::Instance {
            instance: taken.instance_uuid.unwrap(),
            node: same.uuid
        }
    );
    let same = Port {
        uuid: taken_port.uuid,
        ..port(&taken, 2)
    };
    assert_eq!(
        duplicate(db.port_create(&same).await),
        Duplicate::PortUuid(taken_port.uuid)
    );
    let same = port(&taken, 1);
    assert_eq!(
        duplicate(db.port_create(&same).await),
        Duplicate::PortAddress(same.address)
    );
    let same = Port {
        name: taken_port.name.clone(),
        ..port(&taken, 2)
    };
    assert_eq!(
        duplicate(db.port_create(&same).await),
        Duplicate::PortName("eno1".to_owned())
    );

    // The same when something is renamed.
    let other = node();
    db.node_create(&other).await.unwrap();
    let renamed = db
        .node_change(other.uuid, |node| {
            node.name.clone_from(&taken.name);
            Ok(())
        })
        .await;
    assert_eq!(
        renamed.unwrap_err(),
        Fault::DuplicateName("rack-1.node-7".to_owned())
    );
    let other = port(&taken, 3);
    db.port_create(&other).await.unwrap();
    let moved = db
        .port_change(other.uuid, |port| {
            port.address = taken_port.address;
            Ok(())
        })
        .await;
    assert_eq!(
        moved.unwrap_err(),
        Fault::MacAlreadyExists("52:54:00:00:00:01".to_owned())
    );
}

async fn a_port_needs_its_node(site: TestDb) {
    let db = site.open().await;
    let unknown = node();
    let error = db.port_create(&port(&unknown, 1)).await.unwrap_err();
    assert!(
        matches!(error, DbError::NodeMissing(uuid) if uuid == unknown.uuid),
        "{error:?}"
    );
}

async fn what_is_not_there_is_said(site: TestDb) {
    let db = site.open().await;
    let (uuid, port) = (NodeUuid(ident::uuid()), PortUuid(ident::uuid()));
    let not_found = Fault::NodeNotFound(uuid.to_string());
    assert_eq!(
        db.node_change(uuid, |_| Ok(())).await.unwrap_err(),
        not_found
    );
    assert_eq!(
        db.node_destroy(uuid, |_| Ok(())).await.unwrap_err(),
        not_found
    );
    let not_found = Fault::PortNotFound(port.to_string());
    assert_eq!(
        db.port_change(port, |_| Ok(())).await.unwrap_err(),
        not_found
    );
    assert_eq!(db.port_destroy(port).await.unwrap_err(), not_found);
}

async fn a_node_goes_with_its_ports_unless_something_speaks_against_it(site: TestDb) {
    let db = site.open().await;
    let (doomed, kept) = (node(), node());
    db.node_create(&doomed).await.unwrap();
    db.node_create(&kept).await.unwrap();
    let (gone, stays) = (port(&doomed, 1), port(&kept, 2));
    db.port_create(&gone).await.unwrap();
    db.port_create(&stays).await.unwrap();

    let refused = db.node_destroy(doomed.uuid, |_| Err(Fault::NotFound)).await;
    assert_eq!(refused.unwrap_err(), Fault::NotFound);
    assert!(db.node_get(doomed.uuid).await.unwrap().is_some());

    db.node_destroy(doomed.uuid, |_| Ok(())).await.unwrap();
    assert_eq!(db.node_get(doomed.uuid).await.unwrap(), None);
    assert_eq!(db.port_get(gone.uuid).await.unwrap(), None);
    assert_eq!(db.node_get_by_address(gone.address).await.unwrap(), None);
    assert_eq!(db.port_get(stays.uuid).await.unwrap(), Some(stays));
    // No row is left that its missing node only hides.
    assert_eq!(db.rows_of("ports").await, 1);
}

async fn words_from_elsewhere_do_not_hide_a_node(site: TestDb) {
    let db = site.open().await;
    let node = node();
    db.node_create(&node).await.unwrap();
    db.sql(
        "UPDATE nodes SET provision_state = 'levitating', power_state = 'dim', \
         target_power_state = 'bright'",
    )
    .await;
    let seen = db.node_get(node.uuid).await.unwrap().unwrap();
    assert_eq!(
        seen.provision_state,
        StoredState::Unknown("levitating".to_owned())
    );
    assert_eq!(
        (seen.power_state, seen.target_power_state),
        (Some(PowerState::Error), None)
    );
    // And the state's word survives a change of something else.
    count(&db, node.uuid).await.unwrap();
    let seen = db.node_get(node.uuid).await.unwrap().unwrap();
    assert_eq!(seen.provision_state.name(), "levitating");
}

async fn what_cannot_be_read_is_named(site: TestDb) {
    let db = site.open().await;
    let node = node();
    db.node_create(&node).await.unwrap();
    // What PostgreSQL takes for JSON too.
    db.sql("UPDATE nodes SET extra = '[]'").await;
    let error = db.node_get(node.uuid).await.unwrap_err();
    assert!(matches!(error, DbError::Corrupt { .. }), "{error:?}");
    let Fault::Internal(text) = Fault::from(error) else {
        panic!()
    };
    assert!(text.contains("column extra of row 1"), "{text}");
}

async fn a_secret_is_the_same_for_all(site: TestDb) {
    let replicas = [site.open().await, site.open().await, site.open().await];
    let bring = async |db: &super::Db, name: &str| db.secret(name, &ident::secret()).await.unwrap();
    let secrets = tokio::join!(
        bring(&replicas[0], "a"),
        bring(&replicas[1], "a"),
        bring(&replicas[2], "a"),
    );
    assert_eq!(secrets.0, secrets.1);
    assert_eq!(secrets.0, secrets.2);
    assert_eq!(bring(&replicas[1], "a").await, secrets.0);
    assert_ne!(bring(&replicas[1], "b").await, secrets.0);
}
